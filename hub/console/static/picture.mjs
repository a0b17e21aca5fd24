// The national picture: map and timeline beside the lists of the page. What they draw comes from the same view as the
// lists (data-source, with the fields of the form #view), again whenever something of it changed.

import { createMap } from "../map.mjs";
import { createMarks } from "../marks.mjs";
import { createTimeline } from "../timeline.mjs";
import { live } from "../live.mjs";

const SETTLED_MS = 300;
const TILE_PX = 256;
const LEAST_DEG = 0.2; // as far as the map is drawn in by itself
const ROOM = 0.6; // of the map, for what is drawn
const $ = (selector) => document.querySelector(selector);
const form = $("#view");
const box = $("#map");
const band = $("#timeline");
const marks = createMarks();
let timeline = null;
let waiting = null;
let asked = 0;

function query() {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) given.set(name, value);
  return given;
}

/** The address of a view, with the place on the map and the layers as they are. */
function address(given) {
  const here = new URLSearchParams(location.search);
  for (const name of ["at", "hide"]) if (here.has(name)) given.set(name, here.get(name));
  const text = given.toString();
  return text ? `/?${text}` : "/";
}

/** What the view draws; null when it cannot be had, or when something newer was asked for meanwhile. */
async function fetched() {
  const turn = (asked += 1);
  const answer = await fetch(`${box.dataset.source}?${query()}`, { headers: { Accept: "application/json" } });
  return answer.ok && turn === asked ? answer.json() : null;
}

async function draw(given = null) {
  const drawn = given ?? (await fetched());
  if (!drawn) return;
  for (const [kind, items] of Object.entries(drawn.marks)) marks.set(kind, items);
  timeline.set(drawn.timeline);
  box.dataset.drawn = String(asked);
}

/** A window was brushed: lists and map follow at once, the address too; no page is loaded. */
function narrow({ from, to, live: all }) {
  const field = (name) => form.elements.namedItem(name);
  field("from").value = all ? "" : String(Math.round(from * 1000));
  field("to").value = all ? "" : String(Math.round(to * 1000));
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    history.replaceState(history.state, "", address(query()));
    for (const part of ["#feed", "#strip", "#spill-over"]) $(part).dispatchEvent(new CustomEvent("live"));
    draw();
  }, SETTLED_MS);
}

function open(index) {
  const given = query();
  given.set("item", String(index));
  location.assign(address(given));
}

/** Where the map begins: where the address says, else where the saved view says, else around what is drawn. */
function place(drawn) {
  if (new URLSearchParams(location.search).has("at")) return null;
  const [lat, lon, zoom] = (box.dataset.at ?? "").split(",").map(Number);
  return box.dataset.at ? { lat, lon, zoom } : around(Object.values(drawn?.marks ?? {}).flat().flatMap(points));
}

const points = (mark) => mark.points ?? (mark.from ? [mark.from, mark.to] : [[mark.lat, mark.lon]]);

/** The view that shows all of these positions, with room at the edges; null without any. */
function around(all) {
  if (!all.length) return null;
  const lats = all.map(([lat]) => lat);
  const lons = all.map(([, lon]) => lon);
  const [south, north, west, east] = [Math.min(...lats), Math.max(...lats), Math.min(...lons), Math.max(...lons)];
  const lat = (south + north) / 2;
  const fits = (pixels, degrees) => Math.log2((pixels * ROOM * 360) / (TILE_PX * Math.max(degrees, LEAST_DEG)));
  const zoom = Math.min(fits(box.clientWidth, east - west), fits(box.clientHeight, (north - south) / Math.cos((lat * Math.PI) / 180)));
  return { lat, lon: (west + east) / 2, zoom: Math.max(7, Math.floor(zoom * 2) / 2) };
}

async function start() {
  const words = JSON.parse(box.dataset.words);
  const layers = marks.layers(words).filter(({ id }) => ["indicators", "sightings", "links", "tracks"].includes(id));
  timeline = createTimeline(band, {
    words: JSON.parse(band.dataset.words),
    zone: document.documentElement.dataset.zone,
    locale: document.documentElement.lang,
  });
  const drawn = await fetched();
  const chart = await createMap(box, { label: box.dataset.label, words, layers, view: place(drawn) });
  marks.join(chart);
  await draw(drawn);
  if (band.dataset.from && band.dataset.to) timeline.window(Number(band.dataset.from), Number(band.dataset.to));
  band.addEventListener("window", (event) => narrow(event.detail));
  band.addEventListener("event", (event) => open(event.detail.id));
  box.addEventListener("mark", (event) => open(event.detail.id));
  live.on("picture", "changed", () => draw());
}

// Links within the page and the view that is kept take the place on the map along.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("main a[href^='/?'], main a[href='/']");
  if (link) link.href = address(new URLSearchParams(new URL(link.href).search));
}, true);
document.addEventListener("submit", (event) => {
  const kept = event.target.querySelector?.("input[name='query']");
  const at = new URLSearchParams(location.search).get("at");
  if (kept && at && event.target.matches("[data-view-save]")) {
    const given = query();
    const [lat, lon, zoom] = at.split(",").map(Number);
    given.set("map", `${lat.toFixed(4)},${lon.toFixed(4)},${Math.round(zoom)}`);
    kept.value = given.toString();
  }
}, true);

start();
