// Small plots of the last minute.
import { $, make, setText } from "./dom.js";

const SPAN = 60_000; // ms
const PLOTS = [
  { name: "confidence", unit: "", top: 1, digits: 2, value: (s) => s.action?.confidence },
  { name: "latency", unit: "ms", digits: 0, value: (s) => s.action && s.action.latency * 1000 },
  { name: "image age", unit: "ms", digits: 0, value: (s) => ofCameras(s, "age", Math.max, 1000) },
  { name: "images", unit: "Hz", digits: 1, value: (s) => ofCameras(s, "rate", Math.min, 1) },
  { name: "actions", unit: "Hz", digits: 1, value: (s) => s.action_rate },
];

function ofCameras(state, figure, choose, factor) {
  const values = Object.values(state.cameras).map((one) => one[figure]).filter((one) => typeof one === "number");
  return values.length ? choose(...values) * factor : null;
}

export class Plots {
  constructor() {
    this.samples = [];
    this.parts = PLOTS.map((plot) => {
      const figure = make("figure", "plot");
      const canvas = make("canvas");
      const value = make("b", "", "–");
      const caption = make("figcaption", "", plot.name);
      caption.append(value);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${plot.name} over the last minute`);
      figure.append(caption, canvas);
      $("plots").append(figure);
      return { plot, canvas, value };
    });
    setInterval(() => document.hidden || this.draw(), 250);
  }

  add(state) {
    const at = performance.now();
    const moving = state.action && state.action.age < 1.5;
    const values = PLOTS.map((plot, index) => (index < 2 && !moving ? null : plot.value(state)));
    this.samples.push({ at, values });
    while (this.samples.length && at - this.samples[0].at > SPAN) this.samples.shift();
  }

  draw() {
    const style = getComputedStyle(document.documentElement);
    const [ink, grid] = [style.getPropertyValue("--c0"), style.getPropertyValue("--line")];
    this.parts.forEach((part, index) => this.drawOne(part, index, ink, grid));
  }

  drawOne({ plot, canvas, value }, index, ink, grid) {
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const points = this.samples.map((one) => [one.at, one.values[index]]);
    const known = points.map((point) => point[1]).filter((one) => typeof one === "number");
    const top = plot.top ?? niceTop(1.05 * Math.max(...known, 0));
    const now = performance.now();
    pen.strokeStyle = grid;
    pen.strokeRect(0.5, 0.5, width - 1, height - 1);
    pen.strokeStyle = ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    let before = null;
    for (const [at, one] of points) {
      if (typeof one !== "number") {
        before = null;
        continue;
      }
      const x = width * (1 - (now - at) / SPAN);
      const y = height - 2 - (height - 4) * Math.min(1, Math.max(0, one / top));
      if (before === null) pen.moveTo(x, y);
      else pen.lineTo(x, y);
      before = one;
    }
    pen.stroke();
    const newest = points.at(-1)?.[1];
    setText(value, typeof newest === "number" ? `${newest.toFixed(plot.digits)} ${plot.unit}` : "–");
    canvas.title = `0 to ${top} ${plot.unit}`;
  }
}

function niceTop(most) {
  if (most <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((one) => one * unit).find((one) => one >= most);
}
