/** Charts drawn when their place in the page is known, and again when its width changes. */
let drawings = [];

/**
 * A figure whose chart `draw(width)` returns; at most `most` pixels wide.
 * @param {string} caption said below; @param {string} title said above, where several stand together
 */
function figure(draw, caption, { title = "", most = 860 } = {}) {
  const host = el("div", { class: "draw" });
  drawings.push({ host, draw, most });
  return el("figure", {}, title && el("h4", {}, title), host, caption && el("figcaption", {}, caption));
}

/** Draw what has changed its width, or everything. */
function drawAll(again = false) {
  for (const drawing of drawings) {
    const width = Math.min(drawing.most, Math.floor(drawing.host.clientWidth));
    if (width > 0 && (again || drawing.width !== width)) {
      drawing.width = width;
      drawing.host.replaceChildren(drawing.draw(width));
    }
  }
}

const plot = (options) => Plot.plot({ style: { fontSize: "12px", background: "none" }, marginLeft: 48, marginTop: 26, marginBottom: 40, ...options });

const DASHES = [null, "6 3", "2 3", "8 3 2 3"];
const HUES = 8;
const LIT_AT_FIRST = 5;

/** The look of the number-th lit entrant: colours first, then dashes. */
function look(number) {
  return { stroke: `var(--c${number % HUES})`, strokeDasharray: DASHES[Math.floor(number / HUES) % DASHES.length] };
}

/** Entrants in colour: those chosen, else those that the filter leaves, else the first few. */
function litAmong(rows) {
  const order = rows.map((row) => row.entrant);
  if (state.lit) {
    const chosen = new Set(state.lit.split("."));
    return order.filter((label) => chosen.has(idOf(label)));
  }
  const left = rows.filter(passes).map((row) => row.entrant);
  return (left.length < order.length ? left : order).slice(0, left.length < order.length ? HUES : LIT_AT_FIRST);
}

/** Those in colour that have a curve; where none has one and nobody chose, the first few that do. */
function litWith(has, rows, lit) {
  const drawn = lit.filter(has);
  return drawn.length || state.lit ? drawn : rows.map((row) => row.entrant).filter(has).slice(0, LIT_AT_FIRST);
}

/** The column of boxes that put an entrant's curves in colour. */
function litColumn(rows) {
  const lit = litAmong(rows);
  const swap = (label, on) => refine({ lit: (on ? [...lit, label] : lit.filter((other) => other !== label)).map(idOf).join(".") || "none" });
  return {
    key: "lit", title: "Chart", kind: "pick", note: "in colour in the charts below",
    cell: ({ entrant }) => el("input", {
      type: "checkbox", checked: lit.includes(entrant), "data-focus": `lit-${idOf(entrant)}`,
      "aria-label": `show ${shortened(entrant, 80)} in colour`, change: (event) => swap(entrant, event.target.checked),
    }),
  };
}

/** Which colour is whose; the others are grey. */
function legend(lit, others) {
  const swatch = (style) => svg("svg", { width: 24, height: 8, "aria-hidden": "true" }, svg("line", {
    x1: 0, x2: 24, y1: 4, y2: 4, "stroke-width": 2.5, stroke: style.stroke, "stroke-dasharray": style.strokeDasharray }));
  return el("ul", { class: "legend" },
    lit.map((label, number) => el("li", {}, swatch(look(number)), el("bdi", {}, shortened(label, 60)))),
    others > 0 && el("li", {}, swatch({ stroke: "var(--grey)" }), `${plural(others, "other")}`));
}

/** The points of a line given as lists, with the name that a tip shows. */
function points(label, line) {
  return line.x.map((x, at) => ({ label, x, y: line.y[at], low: line.low?.[at] ?? null, high: line.high?.[at] ?? null }));
}

/**
 * Marks for many curves: grey below, those lit above with bands, and a tip at the pointer.
 * @param {Object<string, {x: number[], y: number[]}>} lines by entrant
 * @param {string[]} lit entrants in colour; only those with a line are drawn
 */
function curveMarks(lines, lit, { curve = "linear", format = score, xName = "x" } = {}) {
  const grey = Object.keys(lines).filter((label) => !lit.includes(label)).flatMap((label) => points(label, lines[label]));
  const shown = lit.map((label, number) => [label, number]).filter(([label]) => lines[label]);
  const coloured = shown.map(([label, number]) => ({ style: look(number), at: points(label, lines[label]) }));
  const every = coloured.flatMap(({ at }) => at);
  return [
    Plot.line(grey, { x: "x", y: "y", z: "label", stroke: "var(--grey)", strokeWidth: 1, curve }),
    ...coloured.map(({ style, at }) => Plot.areaY(at.filter((point) => point.low !== null), { x: "x", y1: "low", y2: "high", fill: style.stroke, fillOpacity: 0.14, curve })),
    ...coloured.map(({ style, at }) => Plot.line(at, { x: "x", y: "y", ...style, strokeWidth: 1.8, curve })),
    ...coloured.filter(({ at }) => at.length === 1).map(({ style, at }) => Plot.dot(at, { x: "x", y: "y", fill: style.stroke })),
    Plot.tip(every, Plot.pointer({ x: "x", y: "y", fill: "var(--paper)", title: (point) => `${shortened(point.label, 60)}\n${xName} ${amount(point.x)}: ${format(point.y)}` })),
  ];
}
