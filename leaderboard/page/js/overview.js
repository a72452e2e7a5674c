/** All streams together: the overall board, every stream's places, and performance profiles. */
function overviewView() {
  const placed = board.overall ? board.overall.standings : [];
  const rows = [...placed, ...entrants.filter((label) => !placed.some((row) => row.entrant === label)).map(overStreams)];
  const idle = entrants.filter((label) => !ended(label));
  return [
    el("h2", {}, board.overall ? "Over all streams" : "All streams"),
    !board.overall && el("p", {}, `There is no ranking over streams: ${visible(board.no_overall || "nothing says how to add them up")}.`),
    board.not_run.length > 0 && el("p", {}, `Not run yet: ${board.not_run.map((name) => shortened(name, 80)).join(", ")}.`),
    idle.length > 0 && el("p", {}, `Without any result yet: ${idle.map((label) => shortened(label, 80)).join(", ")}.`),
    tools(rows),
    board.overall && overallBoard(board.overall.standings),
    el("h3", {}, "Stream by stream"),
    el("p", {}, diagnostic ? "Mean on each stream." : "Mean on each stream, and before it the ranks that the seeds allow. The name of a stream leads to its board, seeds and curves."),
    streamMatrix(rows),
    board.overall && board.overall.profiles.length > 0 && profileSection(board.overall),
    data.ranks && ranksSection(data.ranks),
  ];
}

/** The critical-difference diagram: a picture, with the mean ranks as its text. */
function ranksSection({ picture, means, caption }) {
  const said = Object.entries(means).sort(([, a], [, b]) => a - b).map(([label, mean]) => `${shortened(label, 60)} ${mean}`);
  const image = el("img", { class: "picture", src: picture, alt: `Mean ranks: ${said.join(", ")}.` });
  return [el("h3", {}, "Mean ranks over streams"), el("figure", {}, scrolling("Mean ranks over streams", image), el("figcaption", {}, caption))];
}

/** What an entrant without an overall standing has over all streams, as far as filters ask. */
function overStreams(label) {
  const standings = board.streams.map((stream) => standingOn(stream, label)).filter(Boolean);
  const least = Math.min(...standings.map((standing) => TRUST.indexOf(standing.trust)));
  return {
    entrant: label, needs: [...new Set(standings.flatMap((standing) => standing.needs))],
    provisional: standings.some((standing) => standing.provisional), trust: TRUST[least],
  };
}

/** Whether any run of an entrant has ended. */
function ended(label) {
  return board.streams.some((stream) => {
    const standing = standingOn(stream, label);
    return standing && (standing.summary || Object.keys(standing.lost).length > 0);
  });
}

function overallBoard(standings) {
  const soft = (row) => row.least_seeds < data.headline_from;
  const columns = [
    board.overall.profiles.length > 0 && litColumn(standings),
    { key: "rank", title: "Rank", kind: "nowrap", value: (row) => row.rank.place, cell: (row) => rankCell(row.rank, standings.length) },
    entrantColumn,
    { key: "score", title: "Score", note: `mean over streams of normalised means, ${percent(data.confidence)} interval`, number: true, down: true, value: (row) => row.score.value, cell: (row) => estimateCell(row.score.value, row.score.interval) },
    { key: "iqm", title: "IQM", note: `interquartile mean; grey below ${data.headline_from} seeds, where its interval is too narrow`, number: true, down: true, value: (row) => row.iqm.value, cell: (row) => estimateCell(row.iqm.value, row.iqm.interval, soft(row)) },
    { key: "leader", title: "p to leader", note: "Holm-corrected over all pairs", number: true, value: (row) => row.p_leader, cell: (row) => pValue(row.p_leader) },
    ...besides(standings),
  ].filter(Boolean);
  const leads = (row) => ({ class: row.rank.place === 1 ? "leader" : null });
  return sortable("Overall board", columns, standings.filter(passes), leads);
}

function streamMatrix(rows) {
  const column = (stream) => {
    const of = new Map(stream.standings.map((standing) => [standing.entrant, standing]));
    return {
      key: `s${streamId(stream)}`, title: shortened(stream.stream, 34), number: true, down: direction > 0,
      value: ({ entrant }) => of.get(entrant)?.summary?.mean ?? null,
      cell: ({ entrant }) => matrixCell(of.get(entrant)),
    };
  };
  const links = el("p", { class: "noprint" }, "Boards: ", board.streams.map((stream, number) => [number > 0 && ", ", el("a", { href: toStream(stream) }, el("bdi", {}, shortened(stream.stream, 60)))]));
  return [links, sortable("Stream by stream", [entrantColumn, ...board.streams.map(column)], rows.filter(passes))];
}

function matrixCell(standing) {
  const nothing = board.overall && !standing?.rank && el("span", { class: "sub warn" }, "nothing to rank");
  if (!standing) return ["\u2013", nothing];
  const { rank, coverage } = standing;
  const lost = coverage.diverged + coverage.failed + coverage.undefined;
  return [
    rank && el("span", { class: "faint" }, rank.low === rank.high ? `${rank.low} ` : `${rank.low}\u2013${rank.high} `),
    score(standing.summary?.mean), lost > 0 && el("span", { class: "sub warn" }, `${lost} lost`),
    coverage.missing > 0 && el("span", { class: "sub" }, `${coverage.missing} missing`), nothing,
  ];
}

function profileSection(overall) {
  const lit = litAmong(overall.standings);
  return [
    el("h3", {}, "Performance profiles"),
    legend(lit, overall.profiles.length - lit.length),
    profileFigure(overall.profiles, lit),
  ];
}
