/** Two entrants: on each stream and over all, in numbers and in words. */
function compareView() {
  const first = entrantById.get(state.a) ?? entrants[0];
  const second = entrantById.get(state.b) ?? entrants.find((label) => label !== first);
  if (second === undefined) return [el("h2", {}, "Compare"), el("p", {}, "There is only one entrant.")];
  const both = board.streams.filter((stream) => standingOn(stream, first) && standingOn(stream, second));
  const rows = [...overallRow(first, second), ...both.map((stream) => ({ stream, name: stream.stream, a: standingOn(stream, first).summary?.mean, b: standingOn(stream, second).summary?.mean, pair: pairsOf(stream)(first, second) }))];
  const drawn = both.filter((stream) => Object.keys(standingOn(stream, first).values).length && Object.keys(standingOn(stream, second).values).length);
  return [
    el("h2", {}, "Compare two entrants"),
    el("form", { class: "pairing", submit: (event) => event.preventDefault() },
      chooser("a", "First", first, second), chooser("b", "Second", second, first),
      el("button", { type: "button", "data-focus": "swap", click: () => refine({ a: idOf(second), b: idOf(first) }) }, "swap")),
    first === second ? el("p", {}, "Choose two different entrants.") : [
      el("p", { class: "lead", role: "status" }, inWords(first, second, rows.filter((row) => row.stream))),
      comparisonTable(first, second, rows),
      drawn.length > 0 && [el("h3", {}, "Seed by seed"), el("p", {}, "Each line joins the two values of one seed, which fixes the tasks, their order and the initial weights; blue where the first is at least as good. A cross is a lost run, drawn at what it counts as."),
        el("div", { class: "grid" }, drawn.map((stream) => pairedFigure(stream, first, second)))],
    ],
  ];
}

function chooser(key, text, chosen) {
  return el("label", {}, text, el("select", { "data-focus": key, change: (event) => refine({ [key]: event.target.value }) },
    entrants.map((label) => el("option", { value: idOf(label), selected: label === chosen }, shortened(label, 70)))));
}

function overallRow(first, second) {
  const [a, b] = [overallOf(first), overallOf(second)];
  return a && b ? [{ stream: null, name: "score over all streams", a: a.score.value, b: b.score.value, pair: pairsOf(board.overall)(first, second) }] : [];
}

/** better, worse or not told apart, for the first of a pair. */
function verdict(pair, way = direction) {
  if (!pair || !isNumber(pair.p_holm)) return "not tested";
  if (pair.p_holm >= data.alpha) return "not told apart";
  if (diagnostic) return pair.mean > 0 ? "higher" : "lower";
  return way * pair.mean > 0 ? "better" : "worse";
}

function inWords(first, second, rows) {
  const counts = new Map();
  for (const row of rows) counts.set(verdict(row.pair), (counts.get(verdict(row.pair)) ?? 0) + 1);
  const parts = [...counts].map(([what, count]) => `${what}${what.startsWith("not") ? "" : " than the second"} on ${plural(count, "stream")}`);
  return [el("bdi", {}, shortened(first, 80)), " against ", el("bdi", {}, shortened(second, 80)), parts.length ? `: ${parts.join(", ")}.` : ": no stream has both."];
}

function comparisonTable(first, second, rows) {
  const columns = [
    { key: "stream", title: "Stream", head: true, value: (row) => row.name, cell: (row) => row.stream ? el("a", { href: toStream(row.stream) }, el("bdi", { class: "named" }, shortened(row.name, 120))) : el("b", {}, row.name) },
    { key: "a", title: shortened(first, 20), number: true, value: (row) => row.a, cell: (row) => score(row.a) },
    { key: "b", title: shortened(second, 20), number: true, value: (row) => row.b, cell: (row) => score(row.b) },
    { key: "mean", title: "Difference", note: `first minus second, ${percent(data.confidence)} interval`, number: true, value: (row) => row.pair?.mean, cell: (row) => row.pair ? [signed(row.pair.mean), el("span", { class: "sub" }, between(row.pair, signed), row.pair.ended && ofEnded)] : "\u2013" },
    { key: "p", title: "p (Holm)", note: "corrected over all pairs of the ranking", number: true, value: (row) => row.pair?.p_holm, cell: (row) => pValue(row.pair?.p_holm) },
    { key: "effect", title: "Effect size", note: "mean over the standard deviation of the paired differences; unpaired, over that of the values", number: true, value: (row) => row.pair?.effect_size, cell: (row) => signed(row.pair?.effect_size, (size) => minus(decimals(size, 1))) },
    { key: "seeds", title: "Seeds", number: true, value: (row) => row.pair?.count, cell: (row) => row.pair ? [row.pair.count, el("span", { class: "sub" }, row.pair.paired ? "paired" : "unpaired")] : "\u2013" },
    { key: "verdict", title: "The first is", value: (row) => verdict(row.pair, row.stream ? direction : 1), cell: (row) => verdictCell(verdict(row.pair, row.stream ? direction : 1)) },
  ];
  return sortable("Comparison by stream", columns, rows);
}

function verdictCell(word) {
  const colour = { better: "good", worse: "warn" }[word] ?? null;
  return el("span", { class: colour }, word);
}
