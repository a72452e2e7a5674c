/**
 * What is shown, kept in the address behind "#" so that a reload keeps it and a link shares it:
 * view and what of, the two compared, sort column and turn, filters, and the entrants lit in charts.
 */
const STATE = { view: "overview", of: "", a: "", b: "", sort: "", turn: "", q: "", firm: "", told: "", trust: "", lit: "" };
let state = readState();

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.keys(STATE).map((key) => [key, given.get(key) ?? STATE[key]]));
}

/** The address of the page as it is, with some parts changed. */
function address(changes) {
  const wanted = { ...state, ...changes };
  const said = Object.keys(STATE).filter((key) => wanted[key] !== STATE[key]);
  return "#" + new URLSearchParams(said.map((key) => [key, wanted[key]])).toString();
}

/** The address of another view; filters and lit entrants go along, the order of a table does not. */
function viewAddress(view, changes = {}) {
  return address({ view, of: "", a: "", b: "", sort: "", turn: "", ...changes });
}

const toStream = (stream) => viewAddress("stream", { of: streamId(stream) });
const toEntrant = (label) => viewAddress("entrant", { of: idOf(label) });
const toCompare = (a, b) => viewAddress("compare", { a: idOf(a), b: idOf(b) });

/** Change what is shown within a view, without a step in the browser's history. */
function refine(changes) {
  history.replaceState(null, "", address(changes));
  state = readState();
  show();
}
