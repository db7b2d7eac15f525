// Selecting cells or rows: x or Space, Shift and click, dragging, or a click once something is selected. What is
// selected stands in the address after the #, so that it can be sent to a colleague; the server never sees it there.
const SELECTABLE = ".cells a[data-item], tr[data-item], tr[data-run]";
const chosen = new Set();
let anchor = null;
let drag = null;

const all = () => [...document.querySelectorAll(SELECTABLE)];
const keyOf = (element) => element.dataset.item || element.dataset.run;
const at = (node) => node?.closest?.(SELECTABLE) || null;

export function kind() {
  return document.querySelector("tr[data-run]") ? "runs" : "items";
}

export function selected() {
  return [...chosen].map(Number).sort((a, b) => a - b);
}

export function elements() {
  return all().filter((element) => chosen.has(keyOf(element)));
}

function packed(numbers) {
  const spans = [];
  for (const number of numbers) {
    const last = spans.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else spans.push([number, number]);
  }
  return spans.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

function unpacked(text) {
  const found = [];
  for (const [, first, last] of text.matchAll(/(\d{1,15})(?:-(\d{1,15}))?/g)) {
    for (let n = Number(first); n <= Number(last || first) && found.length < 10000; n += 1) found.push(String(n));
  }
  return found;
}

function paint() {
  for (const element of all()) {
    const is = chosen.has(keyOf(element));
    element.classList.toggle("selected", is);
    const box = element.querySelector("input[type=checkbox]");
    if (box) box.checked = is;
    else if (is) element.setAttribute("aria-description", "selected");
    else element.removeAttribute("aria-description");
  }
}

function changed() {
  const url = new URL(location.href);
  url.hash = chosen.size ? `sel=${packed(selected())}` : "";
  history.replaceState(history.state, "", url);
  paint();
  document.dispatchEvent(new CustomEvent("selection"));
}

export function choose(keys, on = true) {
  for (const key of keys) {
    if (on) chosen.add(String(key));
    else chosen.delete(String(key));
  }
  changed();
}

export function clear() {
  if (!chosen.size) return false;
  chosen.clear();
  changed();
  return true;
}

export function toggle(element) {
  const to = at(element);
  if (!to) return false;
  anchor = keyOf(to);
  choose([anchor], !chosen.has(anchor));
  return true;
}

function between(one, other) {
  const list = all();
  const ends = [list.findIndex((each) => keyOf(each) === one), list.findIndex((each) => keyOf(each) === other)];
  if (ends[0] < 0) return [other];
  return list.slice(Math.min(...ends), Math.max(...ends) + 1).map(keyOf);
}

function clicked(event) {
  const element = at(event.target);
  if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
  const cell = element.matches("a");
  const box = event.target.matches("input[type=checkbox]");
  if (!cell && !box) return;
  if (drag?.moved) event.preventDefault();
  else if (event.shiftKey) {
    if (cell) event.preventDefault();
    choose(between(anchor || keyOf(element), keyOf(element)));
    anchor = keyOf(element);
  } else if (box || chosen.size) {
    if (cell) event.preventDefault();
    toggle(element);
  }
  drag = null;
}

function dragged(event) {
  const element = at(event.target);
  if (!drag || !element || !(event.buttons & 1)) return;
  if (keyOf(element) === drag.from && !drag.moved) return;
  drag.moved = true;
  choose(between(drag.from, keyOf(element)));
}

document.addEventListener("click", clicked);
document.addEventListener("pointerdown", (event) => {
  const cell = event.target.closest?.(".cells a[data-item]");
  drag = cell && event.button === 0 && event.pointerType === "mouse" ? { from: keyOf(cell), moved: false } : null;
});
document.addEventListener("pointerover", dragged);
document.addEventListener("dragstart", (event) => {
  if (event.target.closest?.(".cells")) event.preventDefault();
});
document.addEventListener("click", (event) => {
  const pick = event.target.closest?.("[data-pick]");
  if (pick) choose(all().filter((element) => element.matches(pick.dataset.pick)).map(keyOf));
});
document.addEventListener("parts", () => chosen.size && paint());
new MutationObserver(() => chosen.size && requestAnimationFrame(paint)).observe(document.getElementById("main"), {
  childList: true,
  subtree: true,
});

for (const key of unpacked(new URLSearchParams(location.hash.slice(1)).get("sel") || "")) chosen.add(key);
if (chosen.size) {
  paint();
  queueMicrotask(() => document.dispatchEvent(new CustomEvent("selection")));
}
