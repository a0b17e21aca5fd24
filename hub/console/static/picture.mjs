// The national picture: map and timeline beside the lists of the page. What they draw comes from the same view as the
// lists (data-source, with the fields of the form #view), again whenever something of it changed.

import { createMap } from "../map.mjs";
import { createMarks } from "../marks.mjs";
import { createTimeline } from "../timeline.mjs";
import { live } from "../live.mjs";

const SETTLED_MS = 300;
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

async function draw() {
  const turn = (asked += 1);
  const answer = await fetch(`${box.dataset.source}?${query()}`, { headers: { Accept: "application/json" } });
  if (!answer.ok || turn !== asked) return;
  const drawn = await answer.json();
  for (const [kind, items] of Object.entries(drawn.marks)) marks.set(kind, items);
  timeline.set(drawn.timeline);
  box.dataset.drawn = String(turn);
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

function place() {
  const [lat, lon, zoom] = (box.dataset.at ?? "").split(",").map(Number);
  return box.dataset.at && !new URLSearchParams(location.search).has("at") ? { lat, lon, zoom } : null;
}

async function start() {
  const words = JSON.parse(box.dataset.words);
  const layers = marks.layers(words).filter(({ id }) => ["indicators", "sightings", "links", "tracks"].includes(id));
  timeline = createTimeline(band, {
    words: JSON.parse(band.dataset.words),
    zone: document.documentElement.dataset.zone,
    locale: document.documentElement.lang,
  });
  const chart = await createMap(box, { label: box.dataset.label, words, layers, view: place() });
  marks.join(chart);
  await draw();
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
