// A Leaflet layer that is one canvas, a little larger than the view, drawn by its subclass's `draw(g, view)`.
// `view` turns Mercator units (0 to 1 over the world) into pixels of the canvas: x * scale - left, y * scale - top.

import L from "./vendor/leaflet.js";

const MARGIN = 0.1;
const RADIANS = Math.PI / 180;

export const CanvasLayer = L.Layer.extend({
  pane: "overlayPane",

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "leaflet-zoom-hide", map.getPane(this.pane));
    this.canvas.setAttribute("aria-hidden", "true");
    this.canvas.style.pointerEvents = "none";
    map.on("moveend zoomend viewreset resize", this.redraw, this);
    map.on("move", this.dragged, this);
    this.redraw();
    return this;
  },

  /** While the map is dragged, draw again as soon as the margin is used up. */
  dragged() {
    const margin = this._map.getSize().multiplyBy(MARGIN);
    const away = this._map.containerPointToLayerPoint([0, 0]).subtract(this.corner).subtract(margin);
    if (Math.abs(away.x) > margin.x || Math.abs(away.y) > margin.y) this.redraw();
  },

  onRemove(map) {
    map.off("moveend zoomend viewreset resize", this.redraw, this);
    map.off("move", this.dragged, this);
    this.canvas.remove();
    this.canvas = null;
  },

  /** Draw all of it again; does nothing while the layer is not on a map. */
  redraw() {
    if (!this.canvas) return;
    const map = this._map;
    const size = map.getSize();
    const margin = L.point(Math.round(size.x * MARGIN), Math.round(size.y * MARGIN));
    const corner = map.containerPointToLayerPoint(margin.multiplyBy(-1)).round();
    this.corner = corner;
    const whole = size.add(margin.multiplyBy(2));
    const g = this.prepare(whole, corner);
    const origin = map.getPixelOrigin().add(corner);
    const view = { scale: 256 * 2 ** map.getZoom(), left: origin.x, top: origin.y, zoom: map.getZoom() };
    this.draw(g, { ...view, width: whole.x, height: whole.y });
  },

  prepare(whole, corner) {
    const ratio = globalThis.devicePixelRatio || 1;
    const { canvas } = this;
    const [width, height] = [Math.round(whole.x * ratio), Math.round(whole.y * ratio)];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = `${whole.x}px`;
      canvas.style.height = `${whole.y}px`;
    }
    L.DomUtil.setPosition(canvas, corner);
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, whole.x, whole.y);
    return g;
  },
});

/** Mercator units of degrees. */
export const mercatorX = (lon) => lon / 360 + 0.5;

export function mercatorY(lat) {
  const sine = Math.sin(lat * RADIANS);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

/** Text with a halo, so that it is legible on land, water and lines. */
export function haloed(g, text, x, y, palette) {
  g.lineJoin = "round";
  g.lineWidth = 3;
  g.strokeStyle = palette.halo;
  g.strokeText(text, x, y);
  g.fillStyle = palette.label;
  g.fillText(text, x, y);
}
