/** Cells that several tables show. */

function nameCell(label) {
  return el("a", { href: toEntrant(label), title: shortened(label, 300) },
    el("bdi", { class: "named" }, breakable(shortened(label, 160))));
}

/** Place, the ranks that the data allow, and both as a bar on a scale of all ranks. */
function rankCell(rank, count) {
  if (!rank) return "\u2013";
  const [place, span] = [`${rank.place}${rank.tied ? "=" : ""}`, rank.low === rank.high ? "" : `${rank.low}\u2013${rank.high}`];
  const title = `place ${rank.place}${rank.tied ? ", shared" : ""}; ranks ${rank.low} to ${rank.high} are possible`;
  return el("span", { class: "rank", title }, el("b", {}, place), el("span", { class: "of" }, span), rankBar(rank, count));
}

function rankBar(rank, count) {
  const [width, height] = [54, 10];
  const step = width / count;
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    svg("rect", { class: "track", x: 0, y: 4.5, width, height: 1 }),
    svg("rect", { class: "span", x: (rank.low - 1) * step, y: 2.5, width: Math.max(2, (rank.high - rank.low + 1) * step), height: 5 }),
    svg("rect", { class: "here", x: (rank.place - 0.5) * step - 1, y: 0, width: 2, height }));
}

function estimateCell(mean, interval, faint = false) {
  if (!isNumber(mean)) return "\u2013";
  return el("span", { class: faint ? "faint" : null }, score(mean), el("span", { class: "sub" }, between(interval)));
}

/** Beside a difference that leaves lost runs out, which the means beside it count. */
const ofEnded = " of runs that ended";

/** How many of the runs asked for are done, and what became of the others. */
function coverageCell(standing) {
  const { done, diverged, failed, undefined: without, missing } = standing.coverage;
  const lost = [[diverged, "diverged"], [failed, "failed"], [without, "no value"]];
  return [
    `${done}/${done + diverged + failed + without + missing}`,
    standing.provisional && done > 0 && [" ", el("span", { class: "chip faint", title: `fewer than ${data.provisional_below} seeds` }, "provisional")],
    lost.filter(([count]) => count).map(([count, what]) => el("span", { class: "sub warn" }, `${count} ${what}`)),
    missing > 0 && el("span", { class: "sub" }, `${missing} missing`),
  ];
}

function needsCell(needs) {
  return needs.length ? needs.map((need) => [el("span", { class: "chip need", title: shortened(need, 300) }, shortened(need, 60)), " "]) : "\u2013";
}

/** Columns of cost, needs and trust, which stand beside every rank; costs that nobody states are left out. */
function besides(rows) {
  const cost = (key, title, cell, note) => ({ key, title, note, number: true, value: (row) => row.cost[key], cell: (row) => cell(row.cost[key]) });
  return [
    { key: "runs", title: "Runs", note: "done of those asked for", value: (row) => row.coverage.done, cell: coverageCell, down: true },
    { key: "needs", title: "Needs", note: "what the entrant has to be told", value: (row) => row.needs.join(), cell: (row) => needsCell(row.needs) },
    ...[
      cost("updates", "Updates", amount, "optimiser steps, mean over done runs"),
      cost("flops", "FLOPs", amount, "operations of the masked network, products only"),
      cost("seconds", "Time", duration, "wall time, on whatever machine the runs were made"),
      cost("tuning_trials", "Trials", amount, "spent on choosing the settings"),
    ].filter(({ value }) => rows.some((row) => isNumber(value(row)))),
    { key: "trust", title: "Trust", kind: "nowrap", value: (row) => TRUST.indexOf(row.trust), cell: (row) => row.trust, down: true },
  ];
}

const entrantColumn = { key: "entrant", title: "Entrant", head: true, value: (row) => visible(row.entrant).toLowerCase(), cell: (row) => nameCell(row.entrant) };
