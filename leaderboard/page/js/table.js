/** The part of a table that says whose runs count: text, firmness, needs and trust. */
function passes(row) {
  const text = state.q.trim().toLowerCase();
  return (!text || visible(row.entrant).toLowerCase().includes(text))
    && !(state.firm && row.provisional)
    && !(state.told && row.needs.length)
    && (!state.trust || TRUST.indexOf(row.trust) >= TRUST.indexOf(state.trust));
}

/** The tools above a board: filters, and how many entrants they leave. */
function tools(rows) {
  const box = (key, text) => el("label", {}, el("input", {
    type: "checkbox", checked: Boolean(state[key]), "data-focus": key, change: (event) => refine({ [key]: event.target.checked ? "1" : "" }),
  }), text);
  const trust = el("select", { "data-focus": "trust", change: (event) => refine({ trust: event.target.value }) },
    [["", "any"], [TRUST[1], "own or checked"], [TRUST[2], "reproduced or verified"], [TRUST[3], "verified"]].map(([value, text]) =>
      el("option", { value, selected: state.trust === value }, text)));
  const shown = rows.filter(passes).length;
  return el("form", { class: "tools", role: "search", submit: (event) => event.preventDefault() },
    el("label", {}, "Filter", el("input", {
      type: "search", value: state.q, placeholder: "entrant", "data-focus": "q", input: (event) => refine({ q: event.target.value }),
    })),
    box("firm", "hide provisional"), box("told", "hide those that must be told something"),
    el("label", {}, "Trust", trust),
    el("span", { class: "count", role: "status" }, `${shown} of ${plural(rows.length, "entrant")}`),
    state.lit && el("button", { type: "button", "data-focus": "unlit", click: () => refine({ lit: "" }) }, "charts: back to the first few"));
}

/**
 * A table whose columns can be sorted by the buttons in their heads.
 * Columns: key, title, note, value(row) to sort by, cell(row) to show, and whether it is a
 * `number`, the row's `head`, or best sorted `down`. Without a sort the rows stay as they are.
 */
function sortable(label, columns, rows, attributes = () => ({})) {
  const column = columns.find(({ key, value }) => key === state.sort && value);
  const down = column && Boolean(column.down) !== Boolean(state.turn);
  const sorted = column ? ordered(rows, column.value, down) : rows;
  const head = columns.map((each) => headCell(each, each === column, down));
  const body = sorted.map((row, number) => el("tr", attributes(row, number), columns.map((each) => bodyCell(each, row))));
  return scrolling(label, el("table", { "aria-label": label }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
}

function headCell(column, active, down) {
  const turn = active && !state.turn ? "1" : "";
  return el("th", {
    scope: "col", class: cellClass(column), title: column.note, "aria-sort": active ? (down ? "descending" : "ascending") : null,
  }, column.value
    ? el("button", { type: "button", "data-focus": `sort-${column.key}`, click: () => refine({ sort: column.key, turn }) }, column.title)
    : column.title);
}

function bodyCell(column, row) {
  return el(column.head ? "th" : "td", { scope: column.head ? "row" : null, class: cellClass(column) }, column.cell(row));
}

function cellClass(column) {
  return [column.number && "number", column.head && "name", column.kind].filter(Boolean).join(" ") || null;
}

/** Sort by a value; what has none stays at the end either way. */
function ordered(rows, value, down) {
  const absent = (key) => key === null || key === undefined || key === "" || Number.isNaN(key);
  return rows.map((row) => [value(row), row]).sort(([a], [b]) => {
    if (absent(a) || absent(b)) return absent(a) - absent(b);
    const less = a < b ? -1 : a > b ? 1 : 0;
    return down ? -less : less;
  }).map(([, row]) => row);
}
