// Small plots by uPlot, in the colours of the theme, each with its numbers as a table for whoever cannot see it.

import uPlot from "/web/vendor/uplot/uPlot.esm.js";
import { element } from "./dom.js";
import { timeWords } from "./words.js";

const HEIGHT = 200;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 4]];

/** A plot of series `[name, values]` over the bins of `trends`; `null` is no point. */
export function plot(title, unit, trends, series) {
  const place = element("div", { class: "canvas", "aria-hidden": "true" });
  const rows = trends.starts.map((start, at) => ({ start, values: series.map(([, values]) => values[at]) })).filter(({ values }) => values.some(Boolean));
  const number = (value) => (value === null ? "–" : Number.isInteger(value) ? String(value) : value.toFixed(0));
  const table = element("details", {}, element("summary", {}, "Numbers"), element("table", {},
    element("caption", { class: "unseen" }, `${title}, ${unit}`), element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "From"), series.map(([name]) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, rows.map(({ start, values }) => element("tr", {}, element("th", { scope: "row" }, timeWords(start)), values.map((value) => element("td", {}, number(value))))))));
  const box = element("figure", { class: "plot" }, element("figcaption", {}, element("strong", {}, title), ` ${unit}`), place, table);
  requestAnimationFrame(() => {
    if (!box.isConnected) return;
    const drawing = new uPlot(options(box, trends, series), [trends.starts, ...series.map(([, values]) => values)], place);
    const size = new ResizeObserver(() => drawing.setSize({ width: place.clientWidth, height: HEIGHT }));
    size.observe(place);
    box.end = () => { size.disconnect(); drawing.destroy(); };
  });
  return box;
}

function options(box, trends, series) {
  const style = getComputedStyle(box);
  const ink = style.getPropertyValue("--muted");
  const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
  const days = trends.bin_seconds >= 86400;
  const when = (_, splits) => splits.map((second) => new Date(second * 1000).toLocaleString([], days ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hour12: false }));
  const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  return {
    width: box.clientWidth - 2, height: HEIGHT, cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high ?? 1) * 1.05] } },
    axes: [{ ...axis, values: when }, { ...axis, size: 44 }],
    series: [{ label: "from", value: (_, second) => (second === null ? "–" : timeWords(second)) }, ...series.map(([label], place) => ({
      label, stroke: style.getPropertyValue(`--series-${place}`), width: 2, dash: DASHES[place % DASHES.length], points: { show: true, size: 5 }, spanGaps: true,
      value: (_, value) => (value === null ? "–" : value.toFixed(0)),
    }))],
  };
}
