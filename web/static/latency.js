// Draws the table of hours as a plot, again whenever the table changes. The table says the same, so without this
// nothing is lost.
const figure = document.getElementById("plot");
const source = document.getElementById(figure.dataset.source);
const LINES = [["p50", "half within", "--l4"], ["p95", "95 % within", "--held"], ["p99", "99 % within", "--failed"]];
let plot = null;

function columns() {
  const rows = [...source.querySelectorAll("tr[data-at]")].reverse();
  const number = (row, name) => (row.dataset[name] === "None" ? null : Number(row.dataset[name]));
  return [rows.map((row) => Number(row.dataset.at)), ...LINES.map(([name]) => rows.map((row) => number(row, name)))];
}

function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 100) return `${Number(seconds.toPrecision(3))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function options() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  return {
    width: figure.clientWidth, height: 260,
    scales: { y: { distr: 3 } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : lasting(tick))) }],
    series: [{}, ...LINES.map(([, label, name]) => ({
      label, stroke: colour(name), width: 2, points: { show: true, size: 6 }, value: (_, value) => lasting(value),
    }))],
  };
}

function draw() {
  const data = columns();
  figure.hidden = data[0].length < 2;
  if (figure.hidden) return;
  if (plot) plot.setData(data);
  else plot = new uPlot(options(), data, figure);
}

function redraw() {
  plot?.destroy();
  plot = null;
  draw();
}

window.addEventListener("load", draw);
new MutationObserver(draw).observe(source, { childList: true, subtree: true });
new ResizeObserver(() => plot?.setSize({ width: figure.clientWidth, height: 260 })).observe(figure);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
