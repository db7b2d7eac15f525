// Draws the table of hours as a plot, again whenever the table changes. The table says the same, so without this
// nothing is lost.
const figure = document.getElementById("plot");
const source = document.getElementById(figure.dataset.source);
const LINES = [["p50", "half within", "--l4"], ["p95", "95 % within", "--held"], ["p99", "99 % within", "--failed"]];
const TICKS = [0.1, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800];
let plot = null;

function columns() {
  const rows = [...source.querySelectorAll("tr[data-at]")].reverse();
  const number = (row, name) => (row.dataset[name] === "None" ? null : Number(row.dataset[name]));
  return [rows.map((row) => Number(row.dataset.at)), ...LINES.map(([name]) => rows.map((row) => number(row, name)))];
}

function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
  return seconds < 5400 ? `${Number((seconds / 60).toPrecision(2))} min` : `${Number((seconds / 3600).toPrecision(2))} h`;
}

function options() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  return {
    width: figure.clientWidth, height: 260,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), figure.dataset.zone),
    scales: { y: { distr: 3 } },
    axes: [axis, {
      ...axis, size: 64, filter: (_, ticks) => ticks, values: (_, ticks) => ticks.map(lasting),
      splits: (_, axisNumber, low, high) => TICKS.filter((tick) => tick >= low && tick <= high),
    }],
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
