const data = JSON.parse(document.getElementById("board-data").textContent);
const board = data.board;
const diagnostic = board.better === "diagnostic";
/** 1 where a larger difference is better, -1 where a smaller one is. */
const direction = board.better === "lower" ? -1 : 1;

/** All entrants' labels, best first where there is an overall ranking. */
const entrants = Object.keys(data.entrants);
const entrantById = new Map(entrants.map((label) => [data.entrants[label], label]));
const idOf = (label) => data.entrants[label];
const streamId = (stream) => data.streams[stream.stream];

/** What is behind a stream's standings: curves, parity, survival, and runs by entrant. */
const behind = new Map(board.streams.map((stream, number) => [stream, data.behind[number]]));
const streamById = new Map(board.streams.map((stream) => [streamId(stream), stream]));

function standingOn(stream, label) {
  return stream.standings.find((standing) => standing.entrant === label);
}

function overallOf(label) {
  return board.overall && board.overall.standings.find((standing) => standing.entrant === label);
}

/** Turn a table of pairs into a map from "first second" positions to an object by column. */
function pairsOf(part) {
  const { columns, rows } = part.pairs;
  const place = new Map(part.standings.map((standing, number) => [standing.entrant, number]));
  const byPlaces = new Map(rows.map((row) => [`${row[0]} ${row[1]}`, row]));
  const named = (row) => Object.fromEntries(columns.map((column, number) => [column, row[number]]));
  return (first, second) => {
    const [a, b] = [place.get(first), place.get(second)];
    if (byPlaces.has(`${a} ${b}`)) return named(byPlaces.get(`${a} ${b}`));
    return byPlaces.has(`${b} ${a}`) ? turned(named(byPlaces.get(`${b} ${a}`))) : null;
  };
}

/** The same comparison from the other entrant's side. */
function turned(pair) {
  const negative = (value) => (isNumber(value) ? -value : value);
  const sides = { first: pair.second, second: pair.first, low: negative(pair.high), high: negative(pair.low) };
  return { ...pair, ...sides, mean: negative(pair.mean), effect_size: negative(pair.effect_size) };
}

const runField = Object.fromEntries(data.run_fields.map((field, number) => [field, number]));
const TRUST = ["self-reported", "own", "reproduced", "verified"];
