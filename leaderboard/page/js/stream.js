/** One stream: its board, every seed, and curves. */
function streamView(stream) {
  const { curves, parity, survival } = behind.get(stream);
  const rows = stream.standings;
  const lit = litAmong(rows);
  const newborn = Object.keys(parity).length > 0;
  const left = rows.filter(passes);
  return [
    el("h2", { class: "long" }, el("bdi", {}, shortened(stream.stream, 400))),
    tools(rows),
    streamBoard(stream, left),
    streamNotes(stream),
    left.some((row) => row.summary) && [el("h3", {}, "Seeds and means"), forest(stream, left.filter((row) => row.summary))],
    curves && [el("h3", {}, "Learning curves"), legend(lit, rows.length - lit.length), learningCurves(curves, lit)],
    newborn && paritySection(parity, rows, lit),
    survival.length > 0 && survivalSection(stream, survival, lit),
    el("details", {}, el("summary", {}, "All settings of the stream"), el("pre", {}, asText(stream.settings))),
  ];
}

function streamBoard(stream, rows) {
  const ranked = stream.standings.filter((row) => row.rank).length;
  const reference = stream.reference;
  const columns = [
    litColumn(stream.standings),
    !diagnostic && { key: "rank", title: "Rank", kind: "nowrap", value: (row) => row.rank?.place ?? null, cell: (row) => rankCell(row.rank, ranked) },
    entrantColumn,
    { key: "mean", title: "Mean", note: `${percent(data.confidence)} t interval below`, number: true, down: direction > 0, value: (row) => row.summary?.mean, cell: (row) => estimateCell(row.summary?.mean, row.summary?.interval) },
    reference !== null && { key: "difference", title: `to ${shortened(reference, 16)}`, note: "difference to the reference and its interval", number: true, down: direction > 0, value: (row) => row.difference?.mean, cell: (row) => differenceCell(row) },
    reference !== null && { key: "p", title: "p", note: "of that difference, Holm-corrected", number: true, value: (row) => row.p_holm, cell: (row) => pValue(row.p_holm) },
    ...otherMetrics(stream.standings),
    ...besides(stream.standings),
  ].filter(Boolean);
  const leads = (row) => ({ class: row.rank?.place === 1 ? "leader" : null });
  return sortable(`Board of ${shortened(stream.stream, 80)}`, columns, rows, leads);
}

/** Means of the metrics that are shown beside the one that ranks, as far as they say something. */
function otherMetrics(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.beside)))];
  return names.map((name) => ({ key: name, title: name, note: "mean over done runs, for information", number: true, down: true, value: (row) => row.beside[name] ?? null, cell: (row) => score(row.beside[name]) }));
}

function differenceCell(row) {
  if (!row.difference) return "\u2013";
  const good = direction * row.difference.mean > 0 ? "good" : "warn";
  return [el("a", { href: toCompare(row.entrant, streamOf(row).reference), class: row.significant && !diagnostic ? good : null },
    signed(row.difference.mean)), el("span", { class: "sub" }, between(row.difference.interval, signed), !row.difference.paired && " unpaired", row.difference.ended && ofEnded)];
}

const streamOf = (row) => board.streams.find((stream) => stream.standings.includes(row));

function streamNotes(stream) {
  const { reference, worst, anchors } = stream;
  return el("p", { class: "sub" },
    reference === null ? "No differences: the reference has no value here. " : `Differences are to ${shortened(reference, 60)}; p-values are those of all pairs, Holm-corrected. `,
    isNumber(worst) && `A lost run counts as ${score(worst)} in means; a difference says where it leaves lost runs out. `,
    stream.undefined !== null && `Runs without a value of ${stream.metric}: ${stream.undefined}. `,
    anchors && `In the score over streams ${score(anchors[0])} counts as 0 and ${score(anchors[1])} as 1.`);
}

function paritySection(parity, rows, lit) {
  const has = (label) => Object.values(parity).some((lines) => lines[label]);
  const drawn = litWith(has, rows, lit);
  return [
    el("h3", {}, "Newborn parity by age"),
    legend(drawn, rows.filter((row) => has(row.entrant)).length - drawn.length),
    parityFigures(parity, drawn),
    el("p", { class: "sub" }, "Newborn units over incumbents by age: 1 is parity. Line: median over cohorts; band: quartiles. "
      + `A cohort counts until the next edit of its layer; ratios under ${LOWEST_RATIO} are drawn there.`),
  ];
}

function survivalSection(stream, survival, lit) {
  const has = (label) => survival.some(({ lines }) => lines[label]);
  const drawn = litWith(has, stream.standings, lit);
  return [
    el("h3", {}, "Integration time"),
    legend(drawn, stream.standings.filter((row) => has(row.entrant)).length - drawn.length),
    survivalFigures(survival, drawn),
    el("p", { class: "sub" }, "Share of cohorts that have not integrated by each age (Kaplan\u2013Meier): that have not yet reached the named share of parity in 5 measurements in a row. Cohorts cut off by the next edit are censored, not dropped."),
    survivalTable(stream, survival),
  ];
}
