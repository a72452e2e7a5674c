/** One entrant: where it stands, what it is, what it costs and every run of it. */
function entrantView(label) {
  const streams = board.streams.filter((stream) => standingOn(stream, label));
  const over = overallOf(label);
  const needs = [...new Set(streams.flatMap((stream) => standingOn(stream, label).needs))];
  const other = entrants.find((each) => each !== label);
  return [
    el("h2", { class: "long" }, el("bdi", {}, visible(label))),
    definitions([
      ["Over all streams", over && [`rank ${over.rank.low === over.rank.high ? over.rank.low : `${over.rank.low}\u2013${over.rank.high}`} of ${board.overall.standings.length}, score ${score(over.score.value)} `, between(over.score.interval)]],
      ["Needs to be told", needs.length ? needsCell(needs) : "nothing"],
      ["Trust", over ? over.trust : [...new Set(streams.map((stream) => standingOn(stream, label).trust))].join(", ")],
    ]),
    other && el("p", { class: "noprint" }, el("a", { href: toCompare(label, other) }, "Compare with another entrant")),
    el("h3", {}, "On each stream"),
    onStreams(label, streams),
    el("h3", {}, "Settings and sources"),
    streams.map((stream) => settingsOf(stream, label)),
    el("h3", {}, "Every run"),
    runsTable(label, streams),
  ];
}

function onStreams(label, streams) {
  const rows = streams.map((stream) => ({ stream, count: stream.standings.filter((each) => each.rank).length, ...standingOn(stream, label) }));
  const columns = [
    { key: "stream", title: "Stream", head: true, value: (row) => row.stream.stream, cell: (row) => el("a", { href: toStream(row.stream) }, el("bdi", { class: "named" }, shortened(row.stream.stream, 120))) },
    !diagnostic && { key: "rank", title: "Rank", kind: "nowrap", value: (row) => row.rank?.place ?? null, cell: (row) => rankCell(row.rank, row.count) },
    { key: "mean", title: "Mean", number: true, down: direction > 0, value: (row) => row.summary?.mean, cell: (row) => estimateCell(row.summary?.mean, row.summary?.interval) },
    ...besides(rows),
  ].filter(Boolean);
  return sortable("Standings by stream", columns, rows);
}

/** Settings that several streams share are shown once for each stream: they are closed at first. */
function settingsOf(stream, label) {
  const known = behind.get(stream).entrants[label];
  if (!known) return null;
  const { strategies, data: samples, versions } = data.settings[known.sources];
  const settings = data.settings[known.settings];
  return el("details", {}, el("summary", {}, "on ", el("bdi", {}, shortened(stream.stream, 80)), `: ${shortened(settings.strategies.map(({ name }) => name).join(" + "), 60)}`),
    definitions([
      ...Object.entries(strategies).map(([name, hash]) => [`source of ${shortened(name, 40)}`, el("code", {}, hash)]),
      ["data", el("code", {}, samples)],
      ["results version", known.results_version],
      ...Object.entries(versions).map(([name, version]) => [shortened(name, 40), shortened(version, 40)]),
    ]),
    el("pre", {}, asText(settings)));
}

function runsTable(label, streams) {
  const rows = streams.flatMap((stream) => (behind.get(stream).entrants[label]?.runs ?? []).map((run) => ({ stream, run })));
  const field = (name) => ({ run }) => run[runField[name]];
  const plainCell = (key, title, format = (value) => value ?? "\u2013", number = true) => ({ key, title, number, value: field(key), cell: (row) => format(field(key)(row)) });
  const columns = [
    { key: "stream", title: "Stream", head: true, value: (row) => row.stream.stream, cell: (row) => el("bdi", { class: "named" }, shortened(row.stream.stream, 60)) },
    plainCell("seed", "Seed"),
    { key: "status", title: "Status", value: field("status"), cell: (row) => [
      el("span", { class: field("status")(row) === "done" ? null : "warn" }, field("status")(row)), field("reason")(row) && el("span", { class: "sub named" }, shortened(field("reason")(row), 300))] },
    plainCell("value", board.metric, score),
    plainCell("updates", "Updates", amount),
    plainCell("seconds", "Time", duration),
    { key: "environment", title: "Made with", kind: "with", cell: (row) => environment(data.environments[field("environment")(row)]) },
    { key: "fingerprint", title: "Fingerprint", value: field("fingerprint"), cell: (row) => el("code", { title: field("fingerprint")(row) }, field("fingerprint")(row).slice(0, 12)) },
  ];
  return sortable("Every run", columns, rows);
}

function environment(about) {
  const short = ["torch", "python", "machine", "device"].filter((key) => about[key]).map((key) => `${key === "torch" || key === "python" ? `${key} ` : ""}${about[key]}`);
  return el("span", { title: shortened(JSON.stringify(about), 400) }, shortened(short.join(", "), 60));
}
