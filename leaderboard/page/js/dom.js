/**
 * Make an element. Strings and numbers among the children become text nodes, never markup, and
 * attributes are set one by one, so no name can become an element or code.
 * @param {string} tag
 * @param {Object<string, any>} attributes functions listen to the event that the key names
 * @param {...any} children null and false are left out, arrays are taken apart
 */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  return fill(node, attributes, children);
}

/** Make an SVG element; as `el`. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** A long name that may break behind a sign, so that it need not break within a word. */
function breakable(text) {
  return text.split(/(?<=[-:+(,=_.])/).flatMap((part) => [part, el("wbr")]);
}

/** Wrap a wide part in a box that scrolls by itself, also by keyboard. */
function scrolling(label, content) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);
}

/** A list of terms and what they are; entries whose value is null are left out. */
function definitions(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "plain" }, known.map(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]));
}
