// The map of a page: the offline basemap, its controls and its memory. `trusted.js` comes before this module.
//
//   const chart = await createMap(element, {label, words, layers, basemap, view});
//   chart.map         the Leaflet map        chart.leaflet   Leaflet itself
//   chart.palette     colours of now         chart.onPalette(fn)   called now and at every change of theme
//   chart.pick()      promise of {lat, lon}, or null when given up (Escape)
//   chart.show(id, on)  switch a layer       chart.remove()
//
// `layers`: [{id, label, layer, on}] are offered in the layer switch, below those of the basemap; `layer` is a Leaflet
// layer. Which are on is kept in this browser and in the page's address (`layers=`), the view in the address (`at=`).
// `basemap`: the address of a .pmtiles file of the operator, drawn instead of the built-in land and water.
// `words`: see WORDS; the page gives them in the reader's language.
// The element becomes a region with a label, reachable by Tab: arrows pan, + and - zoom. What the map shows must
// also stand in a list or table of the page: a canvas says nothing to a screen reader.

import L from "./vendor/leaflet.js";
import { Places } from "./labels.mjs";
import { isStill, onThemeChange, readPalette } from "./palette.mjs";

/** Every word this module shows, in English. */
export const WORDS = {
  attribution: "\u00a9 OpenStreetMap contributors (ODbL), Natural Earth. Schematic waterways, not for navigation.",
  layers: "Layers",
  zoom_in: "Zoom in",
  zoom_out: "Zoom out",
  pick: "Click a position, or move the cross with the arrow keys and press Enter. Escape gives up.",
  borders: "Provinces",
  sea_limits: "Territorial sea",
  waterways: "Waterways",
  names: "Names",
};

const HOME = { lat: 51.1, lon: 4.05, zoom: 9 };
const STORE = "p2p.map.layers";
const OURS = new URL("./basemap/", import.meta.url);

/** Leaflet's own writes its text as HTML, which Trusted Types rightly refuse. */
const Scale = L.Control.Scale.extend({
  _updateScale(bar, text, ratio) {
    bar.style.width = `${Math.round(this.options.maxWidth * ratio)}px`;
    bar.textContent = text;
  },
});

const options = (style) => ({ interactive: false, style: () => style, smoothFactor: 1.5 });

/** Make `element` a map. Resolves once the basemap is drawn. */
export async function createMap(element, { label, words = {}, layers = [], basemap = null, view = null } = {}) {
  const chart = new Chart(element, { ...WORDS, ...words }, view);
  element.setAttribute("role", "region");
  if (label) element.setAttribute("aria-label", label);
  await chart.drawBasemap(basemap);
  chart.addControls(layers);
  chart.follow();
  return chart;
}

class Chart {
  constructor(element, words, view) {
    element.classList.add("p2p-map");
    this.leaflet = L;
    this.element = element;
    this.words = words;
    this.palette = readPalette(element);
    this.switches = new Map();
    this.painters = new Set();
    const start = view ?? fromAddress() ?? HOME;
    const still = isStill();
    this.map = L.map(element, {
      preferCanvas: true,
      renderer: L.canvas({ padding: 0.3 }),
      zoomControl: false,
      attributionControl: false,
      zoomSnap: 0.5,
      minZoom: 6,
      maxZoom: 17,
      fadeAnimation: false,
      zoomAnimation: !still,
      inertia: !still,
    }).setView([start.lat, start.lon], start.zoom);
    this.stop = onThemeChange(() => this.repaint());
  }

  /** Call `paint(palette)` now and whenever the colours change; returns a function that ends it. */
  onPalette(paint) {
    this.painters.add(paint);
    paint(this.palette);
    return () => this.painters.delete(paint);
  }

  repaint() {
    this.palette = readPalette(this.element);
    for (const paint of this.painters) paint(this.palette);
    this.element.dispatchEvent(new CustomEvent("palette", { detail: this.palette }));
  }

  async drawBasemap(address) {
    const names = ["land", "water", "provinces", "sea_limits", "waterways", "points"];
    const data = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await layerData(name)])));
    if (address) await this.addTiles(address);
    else this.addLand(data);
    this.addLines("borders", data.provinces, (p) => ({ color: p.border, weight: 1, dashArray: "4 4" }));
    this.addLines("sea_limits", data.sea_limits, (p) => ({ color: p["sea-limit"], weight: 1, dashArray: "8 4" }));
    this.addLines("waterways", data.waterways, (p) => ({ color: p.waterway, weight: 1.5 }));
    const placeNames = new Places(data.points.features);
    this.onPalette((palette) => placeNames.paint(palette));
    this.switches.set("names", { label: this.words.names, layer: placeNames, on: true });
  }

  addLand({ land, water }) {
    const shore = L.geoJSON(land, options({})).addTo(this.map);
    const docks = L.geoJSON(water, options({})).addTo(this.map);
    this.onPalette((p) => {
      shore.setStyle({ color: p.coast, weight: 1, fillColor: p.land, fillOpacity: 1 });
      docks.setStyle({ stroke: false, fillColor: p.water, fillOpacity: 1 });
    });
  }

  addLines(id, data, style) {
    const layer = L.geoJSON(data, options({}));
    this.onPalette((palette) => layer.setStyle(style(palette)));
    this.switches.set(id, { label: this.words[id], layer, on: true });
  }

  async addTiles(address) {
    const { default: protomaps } = await import("./vendor/protomaps-leaflet.js");
    let tiles = null;
    this.onPalette((p) => {
      tiles?.remove();
      const fill = (name, colour) => ({ dataLayer: name, symbolizer: new protomaps.PolygonSymbolizer({ fill: colour }) });
      const line = (name, colour) => ({ dataLayer: name, symbolizer: new protomaps.LineSymbolizer({ color: colour, width: 1 }) });
      const paintRules = [fill("earth", p.land), fill("land", p.land), fill("water", p.water)];
      paintRules.push(line("roads", p.border), line("waterways", p.waterway), line("boundaries", p.border));
      const given = { url: address, paintRules, labelRules: [], backgroundColor: p.water, maxDataZoom: 15 };
      tiles = protomaps.leafletLayer(given).addTo(this.map);
      tiles.bringToBack?.();
    });
  }

  addControls(layers) {
    for (const { id, ...rest } of layers) this.switches.set(id, rest);
    const chosen = rememberedLayers();
    for (const [id, item] of this.switches) {
      item.on = chosen ? chosen.get(id) ?? item.on !== false : item.on !== false;
      if (item.on) item.layer.addTo(this.map);
    }
    this.place("topleft", this.buttons());
    new Scale({ imperial: false, position: "bottomleft" }).addTo(this.map);
    const attribution = made("div", "p2p-map-attribution p2p-map-box");
    attribution.textContent = this.words.attribution;
    this.place("bottomright", attribution);
  }

  place(position, node) {
    const control = L.control({ position });
    control.onAdd = () => {
      L.DomEvent.disableClickPropagation(node).disableScrollPropagation(node);
      return node;
    };
    control.addTo(this.map);
  }

  buttons() {
    const box = made("div", "p2p-map-controls");
    box.append(
      button("+", this.words.zoom_in, () => this.map.zoomIn(1)),
      button("\u2212", this.words.zoom_out, () => this.map.zoomOut(1)),
      this.layerSwitch(),
    );
    return box;
  }

  layerSwitch() {
    const details = made("details", "p2p-map-layers p2p-map-box");
    const summary = document.createElement("summary");
    summary.textContent = this.words.layers;
    const fieldset = document.createElement("fieldset");
    for (const [id, item] of this.switches) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = item.on;
      box.value = id;
      box.addEventListener("change", () => this.show(id, box.checked));
      item.box = box;
      label.append(box, item.label);
      fieldset.append(label);
    }
    details.append(summary, fieldset);
    return details;
  }

  /** Switch a layer on or off, and remember it. */
  show(id, on) {
    const item = this.switches.get(id);
    item.on = on;
    item.box.checked = on;
    if (on) item.layer.addTo(this.map);
    else item.layer.remove();
    const off = [...this.switches].filter(([, each]) => !each.on).map(([name]) => name);
    try {
      localStorage.setItem(STORE, JSON.stringify(Object.fromEntries([...this.switches].map(([k, v]) => [k, v.on]))));
    } catch {
      // a browser that keeps nothing: the address still remembers
    }
    writeAddress({ hide: off.join(",") || null });
  }

  follow() {
    this.map.on("moveend", () => {
      const { lat, lng } = this.map.getCenter();
      writeAddress({ at: `${lat.toFixed(4)},${lng.toFixed(4)},${this.map.getZoom()}` });
    });
  }

  /** Let the reader choose a position: a click, or Enter at the cross in the middle. Null when given up. */
  pick() {
    const hint = made("div", "p2p-map-pick p2p-map-box");
    hint.textContent = this.words.pick;
    hint.setAttribute("role", "status");
    const cross = made("div", "p2p-map-crosshair");
    this.element.append(cross);
    const control = L.control({ position: "topright" });
    control.onAdd = () => hint;
    control.addTo(this.map);
    this.element.focus({ preventScroll: true });
    const ending = new AbortController();
    return new Promise((resolve) => {
      const end = (place) => {
        ending.abort();
        this.map.off("click", clicked);
        control.remove();
        cross.remove();
        resolve(place && { lat: round5(place.lat), lon: round5(place.lng) });
      };
      const clicked = (event) => end(event.latlng);
      const pressed = (event) => {
        if (event.key === "Enter") end(this.map.getCenter());
        if (event.key === "Escape") end(null);
        if (["Enter", "Escape"].includes(event.key)) event.stopPropagation();
      };
      this.map.on("click", clicked);
      this.element.addEventListener("keydown", pressed, { signal: ending.signal });
    });
  }

  /** Take the map away and let go of everything. */
  remove() {
    this.stop();
    this.map.remove();
  }
}

const round5 = (degrees) => Math.round(degrees * 1e5) / 1e5;

async function layerData(name) {
  const answer = await fetch(new URL(`${name}.geojson`, OURS));
  if (!answer.ok) throw new Error(`basemap layer ${name}: ${answer.status}`);
  return answer.json();
}

function made(tag, classes) {
  const node = document.createElement(tag);
  node.className = classes;
  return node;
}

function button(text, label, pressed) {
  const node = made("button", "p2p-map-box");
  node.type = "button";
  node.textContent = text;
  node.setAttribute("aria-label", label);
  node.title = label;
  node.addEventListener("click", pressed);
  return node;
}

function fromAddress() {
  const [lat, lon, zoom] = (new URLSearchParams(location.search).get("at") ?? "").split(",").map(Number);
  const valid = Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && zoom >= 0 && zoom <= 22;
  return valid ? { lat, lon, zoom } : null;
}

function rememberedLayers() {
  const hidden = new URLSearchParams(location.search).get("hide");
  if (hidden !== null) return new Map(hidden.split(",").map((id) => [id, false]));
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) ?? "null");
    return kept && new Map(Object.entries(kept));
  } catch {
    return null;
  }
}

function writeAddress(changes) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  history.replaceState(history.state, "", address);
}
