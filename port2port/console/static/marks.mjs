// What is on the map besides traffic: indicators, sightings, links between ports, forecasts, evidence tracks, places.
//
//   const marks = createMarks();        before the map: marks.layers(words) are entries for createMap({layers})
//   marks.join(chart);                  after it: colours follow the theme
//   marks.set("indicators", [...])      replaces all of a kind; items carry `id` and `label` (foreign text is safe)
//
// indicators {id, label, lat, lon, severity, radius_m?}    a glyph of the severity's shape; a ring where it reaches
// sightings  {id, label, lat, lon, severity?}              a small cross in a circle
// links      {id, label, from: [lat, lon], to: [lat, lon]} an arc with its reason in the middle
// forecasts  {id, label, south, west, north, east}         hatched, dashed, never coloured like facts
// tracks     {id, label, points: [[lat, lon], ...]}        evidence: a line with a dot for each observation
// places     {id, label, ring: [[lat, lon], ...]}          fences, quays, zones
// A click sends "mark" {detail: {kind, id}} from the map's element. The page's list is the keyboard's way to them.

import L from "./vendor/leaflet.js";

const CORNERS = { low: 0, medium: 3, high: 4, critical: 8 };
const ARC_STEPS = 24;
const HATCHES = 8;

/** A glyph whose shape tells the severity: circle, triangle, diamond, octagon; or a cross for a sighting. */
const Glyph = L.CircleMarker.extend({
  _updatePath() {
    const renderer = this._renderer;
    if (!renderer._drawing || this._empty()) return;
    const g = renderer._ctx;
    const { x, y } = this._point;
    g.beginPath();
    shape(g, x, y, this._radius, this.options.corners);
    renderer._fillStroke(g, this);
    if (!this.options.cross) return;
    g.moveTo(x - 3, y);
    g.lineTo(x + 3, y);
    g.moveTo(x, y - 3);
    g.lineTo(x, y + 3);
    g.stroke();
  },
});

function shape(g, x, y, radius, corners) {
  if (!corners) {
    g.arc(x, y, radius, 0, 2 * Math.PI);
    return;
  }
  const turn = corners === 8 ? Math.PI / 8 : -Math.PI / 2;
  for (let at = 0; at < corners; at += 1) {
    const angle = turn + (at * 2 * Math.PI) / corners;
    g.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  g.closePath();
}

const DRAW = {
  indicators: (item, p) => {
    const colour = p[item.severity] ?? p.medium;
    const corners = CORNERS[item.severity] ?? 0;
    const glyph = new Glyph([item.lat, item.lon], { radius: 8, corners, color: p.halo, weight: 1.5, fillColor: colour, fillOpacity: 1 });
    if (!item.radius_m) return [glyph];
    const ring = { radius: item.radius_m, color: colour, weight: 2, dashArray: "6 4", fill: true, fillOpacity: 0.08 };
    return [L.circle([item.lat, item.lon], { ...ring, interactive: false }), glyph];
  },
  sightings: (item, p) => [
    new Glyph([item.lat, item.lon], { radius: 6, cross: true, color: p.sighting, weight: 2, fillColor: p.halo, fillOpacity: 1 }),
  ],
  links: (item, p) => [L.polyline(arc(item.from, item.to), { color: p.link, weight: 2.5 })],
  forecasts: ({ south, west, north, east }, p) => [
    L.rectangle([[south, west], [north, east]], { color: p.forecast, weight: 1, dashArray: "2 4", fillOpacity: 0.04 }),
    L.polyline(hatch(south, west, north, east), { color: p.forecast, weight: 1, opacity: 0.7, interactive: false }),
  ],
  tracks: ({ points }, p) => [
    L.polyline(points, { color: p.track, weight: 3 }),
    ...points.map((at) => L.circleMarker(at, { radius: 3, color: p.halo, weight: 1, fillColor: p.track, fillOpacity: 1, interactive: false })),
  ],
  places: (item, p) => [L.polygon(item.ring, { color: p.place, weight: 1.5, dashArray: "1 4", fillOpacity: 0.06 })],
};

export const KINDS = Object.keys(DRAW);

export function createMarks() {
  return new Marks();
}

class Marks {
  constructor() {
    this.items = new Map(KINDS.map((kind) => [kind, []]));
    this.groups = new Map(KINDS.map((kind) => [kind, L.layerGroup()]));
    this.chart = null;
  }

  /** Entries for the layer switch; forecasts are off until somebody asks for them. */
  layers(words) {
    return KINDS.map((kind) => ({
      id: kind,
      label: words[kind] ?? kind,
      layer: this.groups.get(kind),
      on: kind !== "forecasts",
    }));
  }

  join(chart) {
    this.chart = chart;
    chart.onPalette(() => KINDS.forEach((kind) => this.draw(kind)));
  }

  set(kind, items) {
    this.items.set(kind, items);
    if (this.chart) this.draw(kind);
  }

  draw(kind) {
    const group = this.groups.get(kind).clearLayers();
    for (const item of this.items.get(kind)) {
      for (const layer of DRAW[kind](item, this.chart.palette)) {
        if (layer.options.interactive !== false) this.name(layer, kind, item);
        group.addLayer(layer);
      }
    }
  }

  /** The label as an element (never HTML text), and the click. */
  name(layer, kind, item) {
    const tip = document.createElement("span");
    tip.textContent = item.label ?? item.id;
    const always = kind === "links";
    layer.bindTooltip(tip, { className: "p2p-map-tip", permanent: always, direction: always ? "center" : "top", sticky: !always });
    layer.on("click", (event) => {
      L.DomEvent.stopPropagation(event);
      const detail = { kind, id: item.id };
      this.chart.element.dispatchEvent(new CustomEvent("mark", { detail, bubbles: true }));
    });
  }
}

/** A bow between two places, bent to the left of the way, with an arrow head: links in both directions stay apart. */
export function arc([lat1, lon1], [lat2, lon2]) {
  const bend = 0.18;
  const shrink = Math.cos((((lat1 + lat2) / 2) * Math.PI) / 180);
  const midLat = (lat1 + lat2) / 2 + bend * (lon2 - lon1) * shrink;
  const midLon = (lon1 + lon2) / 2 - (bend * (lat2 - lat1)) / shrink;
  const at = (t) => [
    (1 - t) ** 2 * lat1 + 2 * t * (1 - t) * midLat + t ** 2 * lat2,
    (1 - t) ** 2 * lon1 + 2 * t * (1 - t) * midLon + t ** 2 * lon2,
  ];
  const line = Array.from({ length: ARC_STEPS + 1 }, (_, step) => at(step / ARC_STEPS));
  return [line, arrow(at(0.88), [lat2, lon2], shrink)];
}

function arrow([lat1, lon1], [lat2, lon2], shrink) {
  const back = [(lat1 - lat2) * 0.5, (lon1 - lon2) * 0.5];
  const side = [back[1] * shrink * 0.5, (-back[0] / shrink) * 0.5];
  const left = [lat2 + back[0] + side[0], lon2 + back[1] + side[1]];
  const right = [lat2 + back[0] - side[0], lon2 + back[1] - side[1]];
  return [left, [lat2, lon2], right];
}

/** Diagonal lines across a cell. */
function hatch(south, west, north, east) {
  const lines = [];
  for (let at = 1; at < 2 * HATCHES; at += 1) {
    const t = at / HATCHES;
    const point = (u) => [south + (north - south) * (t - u), west + (east - west) * u];
    lines.push([point(Math.max(0, t - 1)), point(Math.min(1, t))]);
  }
  return lines;
}
