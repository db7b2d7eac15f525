// The keyboard: j and k walk the rows or cells of a page, letters act, g and a letter goes to another page, ? lists
// them all. What a page can do with a key it says itself, by an element with data-key.
const ITEMS = "[data-rows] tbody tr th a, .cells a.cell";
const HELP = [
  ["j, k", "next and previous row or file"], ["Enter", "open it"], ["x or Space", "select it, or take it out"],
  ["/", "search"], ["Esc", "close, or drop the selection"], ["?", "this list"],
];
let going = 0;

const typing = (target) => target.closest?.("input, select, textarea, dialog, [contenteditable]");

export function current() {
  const focused = document.activeElement;
  return focused?.closest(".cells a.cell") || focused?.closest("[data-rows] tbody tr")?.querySelector("th a") || null;
}

function step(by) {
  const all = [...document.querySelectorAll(ITEMS)];
  const at = all.indexOf(current());
  const to = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))];
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
}

function go(key) {
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  if (link) location.href = link.href;
}

function rows(dialog) {
  const list = dialog.querySelector("dl");
  const go = [...document.querySelectorAll("[data-go]")].map((link) => [`g ${link.dataset.go}`, link.textContent]);
  const own = [...document.querySelectorAll("[data-key]")].map((each) => [each.dataset.key, each.dataset.says || each.textContent.trim()]);
  for (const [key, says] of [...HELP, ...own, ...go]) {
    const term = document.createElement("dt");
    const word = document.createElement("kbd");
    word.textContent = key;
    term.append(word);
    const said = document.createElement("dd");
    said.textContent = says;
    list.append(term, said);
  }
}

function help() {
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  dialog.setAttribute("aria-labelledby", "keys-title");
  dialog.innerHTML = '<form method="dialog"><h2 id="keys-title">Keys</h2><dl></dl><button>Close</button></form>';
  rows(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  g: () => { going = Date.now(); },
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": help,
};

function act(key) {
  if (Date.now() - going < 1500) {
    going = 0;
    return go(key) ?? true;
  }
  if (key in KEYS) return KEYS[key]() ?? true;
  const asked = new CustomEvent("key-action", { detail: key, cancelable: true });
  if (!document.dispatchEvent(asked)) return true;
  const own = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((each) => !each.closest("[hidden]"));
  own?.click();
  return Boolean(own);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key.length === 1 && event.key !== " " && act(event.key)) event.preventDefault();
});
