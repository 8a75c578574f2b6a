// Series over days or hours: a chart by uPlot, read by pointing or with the arrow keys, and a table behind it.

/* global uPlot */
import { make, table } from "./dom.js";

const HEIGHT = 220;
const charts = new Map();

/**
 * Draws series over labels. `spec` is {title, unit, labels, longLabels, bars, series: [{name, values, show}]}.
 * A chart that is there already takes the new values, and keeps what is being read.
 */
export function draw(place, spec) {
  let chart = charts.get(place);
  const shape = JSON.stringify([spec.labels, spec.series.map((series) => series.name)]);
  if (chart?.shape !== shape) {
    chart?.remove();
    chart = build(place, spec);
    chart.shape = shape;
    charts.set(place, chart);
  }
  chart.show(spec);
}

/** Draws all anew: the colours have changed. */
export function redraw() {
  for (const [place, chart] of [...charts]) {
    chart.remove();
    charts.delete(place);
    draw(place, chart.spec());
  }
}

function build(place, first) {
  let spec = first;
  const plot = make("div", {
    className: "plot",
    tabIndex: 0,
    attributes: { role: "group", "aria-label": `${spec.title}. Chart: read it with the arrow keys.` },
  });
  const reading = make("p", { className: "reading", attributes: { "aria-live": "polite" } });
  const keys = make("ul", { className: "keys" });
  const behind = make("div");
  const details = make("details", {}, make("summary", {}, "Table"), behind);
  place.replaceChildren(...(spec.series.length > 1 ? [keys] : []), plot, reading, details);

  let at = null;
  const read = (index) => {
    at = index;
    const values = spec.series.map((series) => `${series.name} ${series.show(series.values[index] ?? 0)}`);
    reading.textContent = index === null ? "" : `${(spec.longLabels ?? spec.labels)[index]}: ${values.join(", ")}`;
  };
  const chart = new uPlot(options(spec, plot, (index) => index !== at && read(index)), data(spec), plot);
  const sized = new ResizeObserver(() => chart.setSize({ width: plot.clientWidth, height: HEIGHT }));
  sized.observe(plot);
  plot.addEventListener("keydown", (event) => move(event, chart, at, spec.labels.length));
  plot.addEventListener("blur", () => chart.setCursor({ left: -10, top: -10 }));

  return {
    spec: () => spec,
    remove: () => {
      sized.disconnect();
      chart.destroy();
    },
    show: (next) => {
      spec = next;
      chart.setData(data(spec));
      if (at !== null) read(at);
      keys.replaceChildren(...spec.series.map((series, n) => make("li", {}, make("span", { className: `series-${n + 1}` }), series.name)));
      const columns = [
        { title: spec.unit, of: (n) => (spec.longLabels ?? spec.labels)[n] },
        ...spec.series.map((series) => ({ title: series.name, of: (n) => series.show(series.values[n]), number: true })),
      ];
      behind.replaceChildren(table(spec.title, columns, [...spec.labels.keys()]));
    },
  };
}

const data = (spec) => [[...spec.labels.keys()], ...spec.series.map((series) => series.values)];

function move(event, chart, at, count) {
  const steps = { ArrowLeft: (at ?? count) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: count - 1 };
  if (event.key === "Escape") return chart.setCursor({ left: -10, top: -10 });
  if (!(event.key in steps) || count === 0) return;
  event.preventDefault();
  const index = Math.min(Math.max(steps[event.key], 0), count - 1);
  chart.setCursor({ left: chart.valToPos(index, "x"), top: HEIGHT / 4 });
}

function options(spec, plot, read) {
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const series = spec.series.map((one, n) => ({
    label: one.name,
    stroke: color(`--series-${n + 1}`),
    width: 2,
    points: { show: !spec.bars && spec.labels.length <= 31, size: 6 },
    ...(spec.bars && { paths: uPlot.paths.bars({ size: [0.7, 48] }), fill: color("--bar") }),
  }));
  return {
    width: plot.clientWidth || 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { show: !spec.bars } },
    scales: { x: { time: false, range: () => [-0.5, spec.labels.length - 0.5] }, y: { range: (_, low, high) => [Math.min(low, 0), high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, incrs: [1, 2, 3, 4, 6, 7, 14, 30, 60, 90], values: (_, splits) => splits.map((n) => spec.labels[n] ?? "") },
      { ...axis, size: 64, values: (_, splits) => splits.map((value) => (spec.axis ?? spec.series[0].show)(value)) },
    ],
    series: [{}, ...series],
    hooks: { setCursor: [(chart) => read(chart.cursor.left < 0 ? null : (chart.cursor.idx ?? null))] },
  };
}
