/** The view that the address names; what it does not know is the overview. */
function chosenView() {
  const [stream, entrant] = [streamById.get(state.of), entrantById.get(state.of)];
  if (state.view === "stream" && stream) return streamView(stream);
  if (state.view === "entrant" && entrant !== undefined) return entrantView(entrant);
  if (state.view === "compare") return compareView();
  state.view = "overview";
  return overviewView();
}

function navigation() {
  const current = (here) => (here ? "page" : null);
  const link = (href, text, here) => el("a", { href, "aria-current": current(here) }, el("bdi", {}, text));
  return [
    link(viewAddress("overview"), "All streams", state.view === "overview"),
    board.streams.map((stream) => link(toStream(stream), shortened(stream.stream, 40), state.view === "stream" && state.of === streamId(stream))),
    link(viewAddress("compare"), "Compare two", state.view === "compare"),
    state.view === "entrant" && link(address({}), shortened(entrantById.get(state.of), 40), true),
  ];
}

/** Draw the page anew, and keep the keyboard where it was. */
function show() {
  const held = document.activeElement;
  const focus = held?.dataset?.focus;
  const caret = focus && held.type === "search" ? [held.selectionStart, held.selectionEnd] : null;
  const scrolled = new Map(Array.from(document.querySelectorAll(".scroll"), (box) => [box.getAttribute("aria-label"), box.scrollLeft]));
  drawings = [];
  const main = document.getElementById("main");
  main.replaceChildren(...[chosenView()].flat(Infinity).filter((part) => part instanceof Node));
  document.getElementById("views").replaceChildren(...navigation().flat().filter(Boolean));
  drawAll();
  for (const box of document.querySelectorAll(".scroll")) box.scrollLeft = scrolled.get(box.getAttribute("aria-label")) ?? 0;
  const again = focus && document.querySelector(`[data-focus="${CSS.escape(focus)}"]`);
  if (again) {
    again.focus({ preventScroll: true });
    if (caret) again.setSelectionRange(...caret);
  }
}

/** Go to what the address says now: a link, the back button, or an address typed in. */
function follow() {
  const before = state;
  state = readState();
  show();
  if (before.view !== state.view || before.of !== state.of) {
    document.getElementById("main").focus({ preventScroll: true });
    if (document.querySelector("nav").getBoundingClientRect().top <= 0) document.getElementById("main").scrollIntoView();
  }
}

const THEMES = ["auto", "light", "dark"];

/** Follow the system's colours, or those chosen; remembered where the browser allows it. */
function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = `colours: ${theme}`;
  button.setAttribute("aria-label", `Colours: ${theme}. Press to change.`);
  button.onclick = () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
  try {
    localStorage.setItem("plasticity-bench-theme", theme);
  } catch { /* a browser that keeps nothing follows the system again next time */ }
}

function rememberedTheme() {
  try {
    const theme = localStorage.getItem("plasticity-bench-theme");
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

/**
 * Load a served page again when its server has other data. The address keeps what is shown; where
 * the keyboard was is kept beside it. (A Refresh header would not do: it forgets the address.)
 */
function followServer({ content: seconds, dataset }) {
  const look = async () => {
    try {
      const answer = await fetch("board.json", { method: "HEAD", cache: "no-store" });
      if (answer.ok && answer.headers.get("ETag") !== `"${dataset.tag}"`) {
        sessionStorage.setItem("plasticity-bench-focus", document.activeElement?.dataset?.focus ?? "");
        location.reload();
      }
    } catch { /* a server that has stopped leaves the page as it is */ }
  };
  setInterval(look, 1000 * seconds);
  const focus = sessionStorage.getItem("plasticity-bench-focus");
  sessionStorage.removeItem("plasticity-bench-focus");
  if (focus) document.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

setTheme(rememberedTheme());
show();
const served = document.querySelector("meta[name=follow]");
if (served) followServer(served);
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => drawAll(true));
new ResizeObserver(() => requestAnimationFrame(() => drawAll())).observe(document.getElementById("main"));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
