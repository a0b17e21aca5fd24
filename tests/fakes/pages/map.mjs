// The page under test: every module once, within reach of the test as `globalThis.p2p`.
const base = new URL(document.querySelector("#map").dataset.static, location.href);
const load = (name) => import(new URL(name, base));
const [maps, vessels, marks, timelines, ladders, proof, bytes, signature] = await Promise.all(
  ["map", "vessels", "marks", "timeline", "ladder", "proof", "bytes", "signature"].map((name) => load(`./${name}.mjs`)),
);
const query = new URLSearchParams(location.search);
const p2p = { events: [], maps, marks, ladders, proof, bytes, signature, frames: [] };
globalThis.p2p = p2p;

p2p.vessels = new vessels.Vessels();
p2p.marked = marks.createMarks();
const layers = [{ id: "vessels", label: "Vessels", layer: p2p.vessels }, ...p2p.marked.layers({})];
const element = document.querySelector("#map");
p2p.chart = await maps.createMap(element, { label: "Map of the port", layers, basemap: query.get("basemap") });
p2p.chart.onPalette((palette) => p2p.vessels.paint(palette));
p2p.marked.join(p2p.chart);
for (const name of ["vessel", "mark", "resync", "window", "event"]) {
  document.addEventListener(name, (event) => p2p.events.push([name, event.detail ?? null]), true);
}
p2p.timeline = timelines.createTimeline(document.querySelector("#timeline"), { zone: "Europe/Brussels", locale: "nl-BE" });

p2p.fleet = (count, seconds) => {
  const rows = [];
  for (let n = 0; n < count; n += 1) {
    const [lat, lon] = [5080000 + (n % 50) * 1200, 330000 + Math.floor(n / 50) * 3000];
    rows.push([String(205000000 + n), lat + seconds * 10, lon + seconds * 10, (n * 7) % 360, n % 200, n % 3, `SHIP ${n}`]);
  }
  return rows;
};
p2p.sail = (count, hertz) => {
  let second = 0;
  p2p.vessels.take({ v: 1, frame: 1, at: 0, vessels: p2p.fleet(count, 0) });
  const first = p2p.fleet(count, 0);
  return setInterval(() => {
    second += 1;
    const moved = first.map((row, slot) => [slot, second * 10, second * 10, row[3], row[4]]);
    p2p.vessels.take({ v: 1, base: 1, at: second * 1000, moved, state: [], come: [], gone: [] });
  }, 1000 / hertz);
};
let last = performance.now();
const tick = (now) => {
  p2p.frames.push(now - last);
  last = now;
  requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
/** The colour of the map at a point of it, after the canvases below each other are laid together. */
p2p.colour = (x, y) => {
  const box = element.getBoundingClientRect();
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [1, 1];
  const g = sheet.getContext("2d");
  for (const canvas of element.querySelectorAll("canvas")) {
    const at = canvas.getBoundingClientRect();
    const ratio = canvas.width / at.width;
    g.drawImage(canvas, (box.left + x - at.left) * ratio, (box.top + y - at.top) * ratio, 1, 1, 0, 0, 1, 1);
  }
  return [...g.getImageData(0, 0, 1, 1).data];
};
document.documentElement.dataset.ready = "yes";
