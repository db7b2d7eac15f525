// One tab stop for a run's cells: the arrow keys, Home and End go from cell to cell, Enter follows the link. What
// a cell says to those who hear the page, it shows to those who point at it.
function target(cells, from, key) {
  const at = cells.indexOf(from);
  const top = from.offsetTop;
  const row = cells.filter((cell) => cell.offsetTop === top).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row, Home: -at, End: cells.length - 1 - at };
  return key in steps ? cells[Math.max(0, Math.min(cells.length - 1, at + steps[key]))] : null;
}

document.addEventListener("keydown", (event) => {
  const from = event.target.closest?.(".cells a");
  if (!from || event.ctrlKey || event.altKey || event.metaKey) return;
  const cells = [...from.closest(".cells").querySelectorAll("a")];
  const to = target(cells, from, event.key);
  if (!to) return;
  event.preventDefault();
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
});

document.addEventListener("pointerover", (event) => {
  if (event.target.matches?.(".cells .cell")) event.target.title = event.target.ariaLabel;
});
