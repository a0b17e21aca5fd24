// Live vessels: one canvas for thousands of them, fed by the frames and deltas of port2port/console/positions.py.
//
//   const vessels = new Vessels();  vessels.addTo(chart.map);  chart.onPalette((p) => vessels.paint(p));
//   vessels.take(message)      a parsed frame or delta; the newest wins, older ones and unknown bases change nothing
//   vessels.takeLive(items)    the same for `items` of a live event: {frame, delta}, either of them
//   vessels.hit(x, y)          the key of the vessel at a point of the map's container, or null
//   vessels.select(key)        draw it as selected (null: none)
//   vessels.trail(key, minutes)  show where it was since the page has known it (0: no longer)
//   vessels.inView()           [{key, name, lat, lon, course, speed, state}] for the table twin
//   vessels.get(key)           one of these, or null
// Events on the map's element: "vessel" {detail: {key}} when one is clicked, or {key: null} beside all;
// "resync" when deltas arrive for a frame that is not here: fetch a whole frame.
//
// A message: frame  {v:1, frame:n, at:ms, vessels:[[key,lat,lon,course,speed,state,name],...]}
//            delta  {v:1, base:n, at:ms, moved:[[slot,dlat,dlon,course,speed]], state:[[slot,state]],
//                    come:[[key,lat,lon,course,speed,state,name]], gone:[slot]}
// in 1e-5 degree, degrees, tenths of a knot, -1 unknown. A delta is reckoned from its frame, never from another delta.
// Between two messages vessels glide to their new position, unless the reader asked for little motion.
//
// Symbols after IEC 62288 (symbols.mjs); selected in a dashed square. Shape tells as much as colour.

import { CanvasLayer, haloed, mercatorX, mercatorY } from "./canvas_layer.mjs";
import { isStill } from "./palette.mjs";
import { stamp, symbolSheet } from "./symbols.mjs";

export const STATES = ["sleeping", "activated", "lost", "dangerous"];
const DANGEROUS = 3;
const ORDER = [0, 2, 1, DANGEROUS];
const HIT_PX = 14;
const LABELS_FROM = 12.5;
const STEP_PX = 0.5;
const STEP_MS = 100;
const TRAIL_POINTS = 3_600;
const GLIDE_MS = [200, 5_000];
const FONT = "12px ui-sans-serif, system-ui, sans-serif";

export const Vessels = CanvasLayer.extend({
  pane: "markerPane",

  initialize() {
    this.base = null;
    this.at = -Infinity;
    this.shown = new Map();
    this.selected = null;
    this.trails = new Map();
    this.palette = null;
    this.symbols = null;
    this.stale = false;
    this.drawn = 0;
    this.arrived = 0;
    this.glide = 1_000;
  },

  onAdd(map) {
    CanvasLayer.prototype.onAdd.call(this, map);
    map.on("click", this.clicked, this);
    const tick = (now) => {
      this.frame = requestAnimationFrame(tick);
      this.step(now);
    };
    this.frame = requestAnimationFrame(tick);
    return this;
  },

  onRemove(map) {
    cancelAnimationFrame(this.frame);
    map.off("click", this.clicked, this);
    CanvasLayer.prototype.onRemove.call(this, map);
  },

  paint(palette) {
    this.palette = palette;
    this.symbols = null;
    this.redraw();
  },

  /** Take a parsed message. Returns whether it changed the picture. */
  take(message) {
    if (message.v !== 1 || message.at < this.at) return false;
    const rows = message.vessels ? this.rebase(message) : this.patched(message);
    if (!rows) return false;
    const now = performance.now();
    if (this.arrived) this.glide = Math.min(Math.max(now - this.arrived, GLIDE_MS[0]), GLIDE_MS[1]);
    this.arrived = now;
    this.at = message.at;
    const before = this.shown;
    this.shown = new Map();
    for (const row of rows) this.shown.set(row[0], this.moved(before.get(row[0]), row, now));
    this.remember();
    this.stale = true; // drawn with the next frame of the screen, so that reading and drawing never share one
    return true;
  },

  /** What the live stream brings: the frame first, whatever the order in which they changed. */
  takeLive({ frame = null, delta = null }) {
    if (frame) this.take(frame);
    if (delta && !(frame && delta.base !== frame.frame)) this.take(delta);
  },

  rebase(message) {
    this.base = { number: message.frame, rows: message.vessels };
    return message.vessels;
  },

  patched(message) {
    if (this.base?.number !== message.base) {
      this._map?.getContainer().dispatchEvent(new CustomEvent("resync"));
      return null;
    }
    const rows = this.base.rows.slice();
    for (const [slot, dlat, dlon, course, speed] of message.moved) {
      const [key, lat, lon, , , state, name] = rows[slot];
      rows[slot] = [key, lat + dlat, lon + dlon, course, speed, state, name];
    }
    for (const [slot, state] of message.state) rows[slot] = rows[slot].with(5, state);
    const gone = new Set(message.gone);
    return [...rows.filter((_, slot) => !gone.has(slot)), ...message.come];
  },

  /** The vessel of a row; it starts from where it is drawn now and glides. */
  moved(old, row, now) {
    const [key, lat5, lon5, course, speed, state, name] = row;
    if (old && old.lat5 === lat5 && old.lon5 === lon5) {
      const [fromX, fromY] = this.place(old, now);
      return { ...old, course, speed, state, name, fromX, fromY };
    }
    const x = mercatorX(lon5 / 1e5);
    const y = mercatorY(lat5 / 1e5);
    const [fromX, fromY] = old && !isStill() ? this.place(old, now) : [x, y];
    return { key, lat5, lon5, x, y, fromX, fromY, course, speed, state, name };
  },

  place(vessel, now) {
    const part = Math.min(1, (now - this.arrived) / this.glide);
    return [vessel.fromX + (vessel.x - vessel.fromX) * part, vessel.fromY + (vessel.y - vessel.fromY) * part];
  },

  /** Draw again when something has moved far enough to be seen, ten times a second at most. */
  step(now) {
    if (this.canvas && this.stale) {
      this.redraw();
      return;
    }
    if (!this.canvas || now - this.drawn < STEP_MS || this.drawn > this.arrived + this.glide) return;
    const scale = 256 * 2 ** this._map.getZoom();
    const passed = (now - this.drawn) / this.glide;
    for (const { x, y, fromX, fromY } of this.shown.values()) {
      if ((Math.abs(x - fromX) + Math.abs(y - fromY)) * scale * passed >= STEP_PX) {
        this.redraw();
        return;
      }
    }
  },

  draw(g, view) {
    if (!this.palette) return;
    this.stale = false;
    this.drawn = performance.now();
    const ratio = globalThis.devicePixelRatio || 1;
    if (this.symbols?.ratio !== ratio) this.symbols = symbolSheet(this.palette, ratio);
    for (const trail of this.trails.values()) this.drawTrail(g, view, trail);
    const groups = [[], [], [], []];
    for (const vessel of this.shown.values()) {
      const [unitX, unitY] = this.place(vessel, this.drawn);
      const x = unitX * view.scale - view.left;
      const y = unitY * view.scale - view.top;
      if (x < -20 || y < -20 || x > view.width + 20 || y > view.height + 20) continue;
      groups[vessel.state]?.push({ vessel, x, y });
    }
    for (const state of ORDER) {
      for (const { vessel, x, y } of groups[state]) stamp(g, this.symbols, state, vessel.course, x, y);
    }
    this.drawSelected(g, groups);
    this.drawLabels(g, groups, view.zoom);
  },

  drawSelected(g, groups) {
    g.strokeStyle = this.palette.selected;
    g.lineWidth = 2;
    g.setLineDash([4, 3]);
    for (const { vessel, x, y } of groups.flat()) if (vessel.key === this.selected) g.strokeRect(x - 13, y - 13, 26, 26);
    g.setLineDash([]);
  },

  drawLabels(g, groups, zoom) {
    g.font = FONT;
    g.textBaseline = "middle";
    const taken = new Set();
    for (const { vessel, x, y } of groups.flat().reverse()) {
      const must = vessel.key === this.selected || vessel.state === DANGEROUS;
      const cell = `${Math.round(x / 90)},${Math.round(y / 16)}`;
      if (!must && (zoom < LABELS_FROM || taken.has(cell))) continue;
      taken.add(cell);
      haloed(g, vessel.name || vessel.key, x + 14, y, this.palette);
    }
  },

  drawTrail(g, view, { points, minutes }) {
    const since = this.at - minutes * 60_000;
    g.beginPath();
    for (const { at, x, y } of points) {
      if (at >= since) g.lineTo(x * view.scale - view.left, y * view.scale - view.top);
    }
    g.strokeStyle = this.palette.trail;
    g.lineWidth = 2;
    g.stroke();
  },

  remember() {
    for (const [key, trail] of this.trails) {
      const vessel = this.shown.get(key);
      const last = trail.points.at(-1);
      if (!vessel || (last && last.x === vessel.x && last.y === vessel.y)) continue;
      trail.points.push({ at: this.at, x: vessel.x, y: vessel.y });
      if (trail.points.length > TRAIL_POINTS) trail.points.shift();
    }
  },

  /** Show the way of one vessel for so many minutes back; `past`: [[lat, lon, ms], ...] that the server knows. */
  trail(key, minutes, past = []) {
    if (!minutes) this.trails.delete(key);
    else {
      const points = past.map(([lat, lon, at]) => ({ at, x: mercatorX(lon), y: mercatorY(lat) }));
      this.trails.set(key, { minutes, points: [...points, ...(this.trails.get(key)?.points ?? [])] });
      this.remember();
    }
    this.redraw();
  },

  select(key) {
    this.selected = key;
    this.redraw();
  },

  /** The nearest vessel within reach of a finger; dangerous ones first. */
  hit(x, y) {
    const map = this._map;
    const origin = map.getPixelOrigin().add(map.containerPointToLayerPoint([0, 0]));
    const scale = 256 * 2 ** map.getZoom();
    const now = performance.now();
    let best = null;
    for (const vessel of this.shown.values()) {
      const [unitX, unitY] = this.place(vessel, now);
      const away = Math.hypot(unitX * scale - origin.x - x, unitY * scale - origin.y - y);
      if (away > HIT_PX) continue;
      const order = away - (vessel.state === DANGEROUS ? HIT_PX : 0);
      if (!best || order < best.order) best = { key: vessel.key, order };
    }
    return best?.key ?? null;
  },

  clicked(event) {
    const key = this.hit(event.containerPoint.x, event.containerPoint.y);
    this._map.getContainer().dispatchEvent(new CustomEvent("vessel", { detail: { key }, bubbles: true }));
  },

  get(key) {
    const vessel = this.shown.get(key);
    return vessel ? facts(vessel) : null;
  },

  inView() {
    const bounds = this._map.getBounds();
    return [...this.shown.values()].map(facts).filter(({ lat, lon }) => bounds.contains([lat, lon]));
  },
});

const facts = ({ key, name, lat5, lon5, course, speed, state }) => ({
  key,
  name,
  lat: lat5 / 1e5,
  lon: lon5 / 1e5,
  course: course < 0 ? null : course,
  speed: speed < 0 ? null : speed / 10,
  state: STATES[state],
});
