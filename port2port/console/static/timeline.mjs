// Time under the map: bars by severity, a lane of events for each port, and a brush that filters everything.
//
//   const timeline = createTimeline(element, {words, zone, locale});
//   timeline.set({step, from, counts: {low: [...], medium: [...], high: [...], critical: [...]},
//                 lanes: [{id, label, events: [{id, at, severity, label}]}]})      seconds since 1970 throughout
//   timeline.window(from, to)    choose a window from outside; timeline.window(null) for all, up to now
//
// Events on the element: "window" {detail: {from, to, live}} in seconds, whenever the window changes (from and to are
// null, and live true, when nothing is chosen); "event" {detail: {lane, id}} when an event is chosen.
// With the mouse: drag across the bars. With keys, once the bars have the focus: left and right move the window by a
// step, Shift widens or narrows it, Home and End go to the ends, n or Escape back to now, Space plays.
// Playing moves the window on, ten or sixty times as fast as time.

import uPlot from "./vendor/uPlot.iife.min.js";
import { isStill, onThemeChange, readPalette } from "./palette.mjs";
import { SEVERITIES, drawLanes, glyph, svg } from "./lanes.mjs";

export const WORDS = {
  label: "Timeline: choose a period",
  now: "Back to now",
  play: "Play",
  pause: "Pause",
  faster: "Speed",
  all: "All, up to now",
  low: "Low",
  medium: "Medium",
  high: "High",
  critical: "Critical",
};

const SPEEDS = [10, 60];
const TICK_MS = 200;
const HEIGHT = 96;
const AXIS_PX = 36;

export function createTimeline(element, { words = {}, zone = undefined, locale = undefined } = {}) {
  return new Timeline(element, { ...WORDS, ...words }, { zone, locale });
}

class Timeline {
  constructor(element, words, { zone, locale }) {
    this.element = element;
    this.words = words;
    this.chosen = null;
    this.playing = null;
    this.speed = SPEEDS[0];
    this.data = null;
    const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
    this.hours = new Intl.DateTimeFormat(locale, form);
    this.days = new Intl.DateTimeFormat(locale, { ...form, day: "numeric", month: "short" });
    element.classList.add("p2p-timeline");
    this.build();
    this.stop = onThemeChange(() => this.draw());
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(element);
  }

  build() {
    const bar = document.createElement("div");
    bar.className = "p2p-timeline-bar";
    this.playButton = button(this.words.play, () => this.toggle());
    const speed = button(`\u00d7${this.speed}`, () => {
      this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
      speed.textContent = `\u00d7${this.speed}`;
    });
    speed.setAttribute("aria-label", this.words.faster);
    this.shown = document.createElement("output");
    this.shown.textContent = this.words.all;
    bar.append(button(this.words.now, () => this.window(null)), this.playButton, speed, this.shown, this.legend());
    this.plotBox = document.createElement("div");
    this.plotBox.className = "p2p-timeline-plot";
    this.plotBox.tabIndex = 0;
    this.plotBox.setAttribute("role", "slider");
    this.plotBox.setAttribute("aria-label", this.words.label);
    this.plotBox.addEventListener("keydown", (event) => this.pressed(event));
    this.laneBox = document.createElement("div");
    this.element.append(bar, this.plotBox, this.laneBox);
  }

  /** What shapes and colours mean. */
  legend() {
    const list = document.createElement("span");
    list.className = "p2p-timeline-legend";
    for (const severity of SEVERITIES) {
      const sign = svg("svg", { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" });
      sign.append(svg("path", { d: glyph(severity), class: `p2p-${severity}` }));
      const entry = document.createElement("span");
      entry.append(sign, ` ${this.words[severity]}`);
      list.append(entry);
    }
    return list;
  }

  set(data) {
    this.data = data;
    this.draw();
  }

  get end() {
    return this.data.from + this.data.step * this.data.counts.low.length;
  }

  draw() {
    const width = Math.round(this.element.clientWidth);
    if (!this.data || !width) return;
    const palette = readPalette(this.element);
    this.plot?.destroy();
    this.plot = new uPlot(this.options(width, palette), this.columns(), this.plotBox);
    this.laneBox.replaceChildren(
      drawLanes(this.data.lanes, { width, left: AXIS_PX, from: this.data.from, to: this.end, palette }, (detail) =>
        this.element.dispatchEvent(new CustomEvent("event", { detail, bubbles: true })),
      ),
    );
    this.mark();
  }

  options(width, palette) {
    const font = "11px ui-sans-serif, system-ui, sans-serif";
    const axis = { stroke: palette.text, font, grid: { stroke: palette.grid, width: 1 }, ticks: { show: false } };
    const bars = uPlot.paths.bars({ size: [0.9, 40], align: 1 });
    const series = [...SEVERITIES].reverse().map((severity) => ({
      label: severity,
      fill: palette[severity],
      stroke: palette.halo,
      width: 1,
      paths: bars,
      points: { show: false },
    }));
    return {
      width,
      height: HEIGHT,
      padding: [4, 0, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      select: { show: true, left: 0, top: 0, width: 0, height: 0 },
      scales: { x: { time: true, range: () => [this.data.from, this.end] }, y: { range: (_u, _low, high) => [0, Math.max(high, 1)] } },
      axes: [
        { ...axis, size: 22, values: (_plot, ticks) => ticks.map((tick) => this.tick(tick)) },
        { ...axis, size: AXIS_PX, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
      ],
      series: [{}, ...series],
      hooks: { setSelect: [(plot) => this.brushed(plot)] },
    };
  }

  tick(second) {
    const moment = new Date(second * 1000);
    return this.end - this.data.from > 86_400 ? this.days.format(moment) : this.hours.format(moment);
  }

  /** Times, then the sums from critical downwards: the highest is drawn first, the others over it. */
  columns() {
    const { from, step, counts } = this.data;
    const sums = [];
    let below = new Array(counts.low.length).fill(0);
    for (const severity of SEVERITIES) {
      below = below.map((sum, at) => sum + (counts[severity]?.[at] ?? 0));
      sums.unshift(below);
    }
    return [counts.low.map((_, at) => from + at * step), ...sums];
  }

  brushed(plot) {
    const { left, width } = plot.select;
    if (this.marking || width < 2) return;
    const second = (pixel) => this.rounded(plot.posToVal(pixel, "x"));
    this.window(second(left), Math.max(second(left + width), second(left) + this.data.step));
  }

  rounded(second) {
    const { from, step } = this.data;
    return from + Math.round((second - from) / step) * step;
  }

  /** Choose a window, in seconds; null for everything up to now. */
  window(from, to) {
    const wanted = from === null ? null : { from: Math.max(from, this.data.from), to: Math.min(to, this.end) };
    if (wanted === null) this.pause();
    this.chosen = wanted;
    this.mark();
    const detail = { from: wanted?.from ?? null, to: wanted?.to ?? null, live: wanted === null };
    this.element.dispatchEvent(new CustomEvent("window", { detail, bubbles: true }));
  }

  mark() {
    const words = this.chosen ? this.spoken(this.chosen) : this.words.all;
    this.shown.textContent = words;
    const facts = { min: this.data.from, max: this.end, now: this.chosen?.to ?? this.end, text: words };
    for (const [name, value] of Object.entries(facts)) this.plotBox.setAttribute(`aria-value${name}`, value);
    this.plotBox.dataset.chosen = String(this.chosen !== null);
    if (!this.plot) return;
    this.marking = true;
    const left = this.chosen ? this.plot.valToPos(this.chosen.from, "x") : 0;
    const right = this.chosen ? this.plot.valToPos(this.chosen.to, "x") : 0;
    const height = this.plot.over.clientHeight || HEIGHT;
    this.plot.setSelect({ left, width: right - left, top: 0, height }, false);
    this.marking = false;
  }

  spoken({ from, to }) {
    return this.days.formatRange(new Date(from * 1000), new Date(to * 1000));
  }

  pressed(event) {
    if (!this.data || event.ctrlKey || event.altKey || event.metaKey) return;
    const { step } = this.data;
    const { from, to } = this.chosen ?? { from: this.end - step, to: this.end };
    const grown = Math.max(to - step, from + step);
    const moves = {
      ArrowLeft: () => (event.shiftKey ? this.window(from, grown) : this.moveBy(from, to, -step)),
      ArrowRight: () => (event.shiftKey ? this.window(from, to + step) : this.moveBy(from, to, step)),
      Home: () => this.window(this.data.from, this.data.from + (to - from)),
      End: () => this.window(this.end - (to - from), this.end),
      Escape: () => this.window(null),
      n: () => this.window(null),
      " ": () => this.toggle(),
    };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  }

  moveBy(from, to, by) {
    const shift = Math.min(Math.max(by, this.data.from - from), this.end - to);
    this.window(from + shift, to + shift);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    const { from, step } = this.data;
    if (!this.chosen || this.chosen.to >= this.end) this.window(from, from + step);
    this.playButton.textContent = this.words.pause;
    const still = isStill() ? 5 : 1;
    let last = performance.now();
    this.playing = setInterval(() => {
      const now = performance.now();
      const by = ((now - last) / 1000) * this.speed;
      last = now;
      if (this.chosen.to + by >= this.end) this.window(null);
      else this.window(this.chosen.from + by, this.chosen.to + by);
    }, TICK_MS * still);
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    this.playButton.textContent = this.words.play;
  }

  remove() {
    this.pause();
    this.stop();
    this.watcher.disconnect();
    this.plot?.destroy();
    this.element.replaceChildren();
  }
}

function button(text, pressed) {
  const node = document.createElement("button");
  node.type = "button";
  node.textContent = text;
  node.addEventListener("click", pressed);
  return node;
}
