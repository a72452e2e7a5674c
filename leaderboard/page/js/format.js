const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A name with what would hide or turn around other characters shown as U+FFFD. */
function visible(name) {
  return String(name).replace(HIDDEN, "\ufffd");
}

/** A visible name of at most `most` characters. */
function shortened(name, most) {
  const characters = Array.from(visible(name).slice(0, 4 * most));
  return characters.length > most ? characters.slice(0, most - 1).join("") + "\u2026" : characters.join("");
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with so many decimals; what rounds to zero has no minus. */
function decimals(value, digits) {
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return /[1-9]/.test(text) ? text : text.replace("-", "");
}

/** A value of the metric: four decimals where it is small, one where it is large. */
function score(value) {
  if (!isNumber(value)) return "\u2013";
  return minus(decimals(value, Math.abs(value) < 10 ? 4 : 1));
}

function signed(value, format = score) {
  if (!isNumber(value)) return "\u2013";
  const text = format(value);
  return text.startsWith("\u2212") ? text : `+${text}`;
}

const minus = (text) => text.replace("-", "\u2212");

/** An interval, or nothing where too few seeds have none. */
function between(interval, format = score) {
  if (!interval || !isNumber(interval.low) || !isNumber(interval.high)) return "";
  return `[${format(interval.low)}, ${format(interval.high)}]`;
}

/** A p-value with two digits, and as many more as it takes to see on which side of the level it is. */
function pValue(p) {
  if (!isNumber(p)) return "\u2013";
  if (p < 0.0001) return "<\u20090.0001";
  let digits = 2;
  while (digits < 17 && Number(p.toPrecision(digits)) === data.alpha && p !== data.alpha) digits += 1;
  return String(Number(p.toPrecision(digits)));
}

/** A large number in three digits: 46.9k, 1.2M, 3.4e12. */
function amount(value) {
  if (!isNumber(value)) return "\u2013";
  const size = Math.abs(value);
  if (size < 1e4) return minus(decimals(value, Number.isInteger(value) || size >= 100 ? 0 : 1));
  for (const [unit, name] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    const shown = size / unit;
    if (shown >= 1 && shown < 1000) return minus((value / unit).toFixed(shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0)) + name;
  }
  return value.toExponential(2);
}

function duration(seconds) {
  if (!isNumber(seconds)) return "\u2013";
  if (seconds < 100) return `${seconds.toFixed(1)}\u202fs`;
  return seconds < 6000 ? `${Math.round(seconds / 60)}\u202fmin` : `${(seconds / 3600).toFixed(1)}\u202fh`;
}

const percent = (share) => `${Math.round(100 * share)}\u202f%`;
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** JSON in lines, with what would hide other characters made visible. */
function asText(value) {
  return JSON.stringify(value, null, 1).split("\n").map(visible).join("\n");
}
