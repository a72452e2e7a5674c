/** Every seed as a dot, the mean and its interval as a bar, in the order of the board. */
function forest(stream, rows) {
  const seeds = rows.flatMap((row) => Object.entries(row.values).map(([seed, value]) => ({ entrant: row.entrant, seed, value })));
  const lost = rows.flatMap((row) => Object.entries(row.lost).map(([seed, reason]) => ({ entrant: row.entrant, seed, reason, value: stream.worst })));
  const means = rows.filter((row) => row.summary).map((row) => ({ entrant: row.entrant, ...row.summary, ...row.summary.interval }));
  const bars = means.filter((mean) => isNumber(mean.low));
  const label = (entrant) => shortened(entrant, 26);
  return figure((width) => plot({
    width, height: 50 + 22 * rows.length, marginLeft: Math.min(190, width * 0.36), marginTop: 8, marginBottom: 36,
    ariaLabel: `Seeds, means and intervals on ${visible(stream.stream)}`,
    x: { label: board.metric, grid: true, nice: true, ticks: width < 500 ? 4 : 8 },
    y: { type: "band", domain: rows.map((row) => row.entrant), label: null, tickFormat: width < 500 ? (entrant) => shortened(entrant, 17) : label, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.ruleY(bars, { y: "entrant", x1: "low", x2: "high", stroke: "var(--accent)", strokeWidth: 3, strokeOpacity: 0.55 }),
      Plot.dot(seeds, { x: "value", y: "entrant", r: 2.6, fill: "currentColor", fillOpacity: 0.5 }),
      Plot.dot(lost.filter((run) => isNumber(run.value)), { x: "value", y: "entrant", symbol: "times", stroke: "var(--warn)", r: 4 }),
      Plot.tickX(means, { x: "mean", y: "entrant", stroke: "var(--accent)", strokeWidth: 2.4 }),
      Plot.tip(seeds, Plot.pointer({ x: "value", y: "entrant", fill: "var(--paper)", title: (run) => `${label(run.entrant)}\nseed ${run.seed}: ${score(run.value)}` })),
    ],
  }), `Dot: one seed. Tick and bar: mean and ${percent(data.confidence)} t interval.${lost.length ? " Cross: a lost run, drawn at what it counts as." : ""}`);
}

function learningCurves(curves, lit) {
  const last = Math.max(1, ...Object.values(curves.lines).flatMap((line) => line.x));  // few tasks have no ticks between them
  return figure((width) => plot({
    width, height: Math.min(380, 140 + width * 0.35), ariaLabel: `${curves.y} over ${curves.x}`,
    x: { label: curves.x, ticks: Math.min(width < 500 ? 5 : 10, last) }, y: { label: curves.y, grid: true, nice: true },
    marks: curveMarks(curves.lines, lit, { xName: curves.x.split(",")[0] }),
  }), `Line: mean over done seeds. Band: ${percent(data.confidence)} t interval over seeds.`);
}

/** Ages are drawn on a scale that is linear up to 1 and logarithmic above: birth has a place. */
function ageAxis(lines) {
  const most = Math.max(1, ...Object.values(lines).flatMap((line) => line.x));
  return { label: "age in updates", type: "symlog", constant: 1, domain: [0, most], ticks: [0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((age) => age <= most), tickFormat: amount };
}

const LOWEST_RATIO = 1e-4;

function parityFigures(parity, lit) {
  return el("div", { class: "grid" }, Object.entries(parity).map(([quantity, lines]) => {
    const floored = Object.fromEntries(Object.entries(lines).map(([label, line]) => [label, { ...line, ...Object.fromEntries(
      ["y", "low", "high"].filter((part) => line[part]).map((part) => [part, line[part].map((ratio) => (ratio === null ? null : Math.max(ratio, LOWEST_RATIO)))])) }]));
    return figure((width) => plot({
      width, height: 230, ariaLabel: `${quantity} parity by age`, x: ageAxis(lines),
      y: { type: "log", label: "newborns / incumbents", grid: true, ticks: 5, tickFormat: (ratio) => `${ratio}` },
      marks: [Plot.ruleY([1], { stroke: "currentColor", strokeDasharray: "2 2" }), ...curveMarks(floored, lit, { xName: "age", format: (ratio) => ratio.toPrecision(3) })],
    }), "", { title: quantity.replaceAll("_", " "), most: 560 });
  }));
}

function survivalFigures(survival, lit) {
  return el("div", { class: "grid" }, survival.map(({ quantity, rho, lines }) => figure((width) => plot({
    width, height: 210, ariaLabel: `Share of cohorts whose ${quantity} has not reached ${rho} of parity, by age`, x: ageAxis(lines),
    y: { label: "not integrated", domain: [0, 1], grid: true, ticks: 4 },
    marks: [Plot.ruleY([0.5], { stroke: "currentColor", strokeDasharray: "2 2" }), ...curveMarks(lines, lit, { curve: "step-after", xName: "age", format: percent })],
  }), "", { title: `${quantity} at ${rho} of parity`, most: 560 })));
}

/** Median integration times as a table, for those who want numbers. */
function survivalTable(stream, survival) {
  const who = stream.standings.filter((row) => survival.some(({ lines }) => lines[row.entrant]));
  const column = ({ quantity, rho, lines }) => ({
    key: `${quantity}${rho}`, title: `${quantity} ${rho}`, number: true, value: ({ entrant }) => lines[entrant]?.median ?? null,
    cell: ({ entrant }) => lines[entrant] ? [isNumber(lines[entrant].median) ? amount(lines[entrant].median) : "not reached", el("span", { class: "sub" }, `${percent(lines[entrant].censored ?? 0)} censored`)] : "\u2013",
  });
  const cohorts = { key: "cohorts", title: "Cohorts", number: true, value: ({ entrant }) => survival.find(({ lines }) => lines[entrant]).lines[entrant].cohorts, cell: ({ entrant }) => survival.find(({ lines }) => lines[entrant]).lines[entrant].cohorts };
  return sortable("Median integration time in updates", [entrantColumn, cohorts, ...survival.map(column)], who.filter(passes));
}

function profileFigure(profiles, lit) {
  const lines = Object.fromEntries(profiles.map((profile) => [profile.entrant, { x: profile.thresholds, y: profile.share, low: profile.low, high: profile.high }]));
  return figure((width) => plot({
    width, height: Math.min(360, 140 + width * 0.32), ariaLabel: "Performance profiles",
    x: { label: "normalised value", domain: [0, 1] }, y: { label: "share of runs above it", domain: [0, 1], grid: true },
    marks: curveMarks(lines, lit, { xName: "above", format: percent }),
  }), "Share of an entrant's runs, over all streams, whose normalised value is above each threshold; higher everywhere is better. Band: pointwise bootstrap.");
}

/** Both entrants' values on one stream, the two of each seed joined. */
function pairedFigure(stream, first, second) {
  const [a, b] = [standingOn(stream, first), standingOn(stream, second)];
  const elsewhere = new Set([...a.other_tasks, ...b.other_tasks].map(String));
  const shared = Object.keys(a.values).filter((seed) => seed in b.values && !elsewhere.has(seed));
  const lost = [[a, first], [b, second]].flatMap(([standing, entrant]) => Object.entries(standing.lost).map(([seed, reason]) => ({ entrant, seed, reason, value: stream.worst })));
  const dots = [[a, first], [b, second]].flatMap(([standing, entrant]) => Object.entries(standing.values).map(([seed, value]) => ({ entrant, seed, value })));
  const better = (seed) => direction * (a.values[seed] - b.values[seed]) >= 0;
  return figure((width) => plot({
    width, height: 130, marginLeft: Math.min(120, width * 0.35), marginBottom: 34, ariaLabel: `Values by seed on ${visible(stream.stream)}`,
    x: { label: board.metric, grid: true, nice: true, ticks: 4 },
    y: { type: "point", domain: [first, second], label: null, tickSize: 0, tickFormat: (entrant) => shortened(entrant, 16), padding: 0.5 },
    marks: [
      Plot.link(shared, { x1: (seed) => a.values[seed], x2: (seed) => b.values[seed], y1: () => first, y2: () => second, stroke: (seed) => (better(seed) ? "var(--c0)" : "var(--c1)"), strokeOpacity: 0.7 }),
      Plot.dot(dots, { x: "value", y: "entrant", r: 3, fill: "currentColor" }),
      Plot.dot(lost.filter((run) => isNumber(run.value)), { x: "value", y: "entrant", symbol: "times", stroke: "var(--warn)", r: 4 }),
      Plot.tip(dots, Plot.pointer({ x: "value", y: "entrant", fill: "var(--paper)", title: (run) => `seed ${run.seed}: ${score(run.value)}` })),
    ],
  }), "", { title: shortened(stream.stream, 60), most: 420 });
}
