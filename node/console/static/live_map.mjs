// This node's own traffic on the map, and the ships in view as a table where the page has one.
import { live } from "../live.mjs";
import { createMap } from "../map.mjs";
import { STATES, Vessels } from "../vessels.mjs";

const ROWS = 50;
const EVERY_MS = 2_000;
const element = document.querySelector("#live-map");
const body = document.querySelector("#in-view tbody");
const words = JSON.parse(element.dataset.words);
const vessels = new Vessels();
const layers = [{ id: "vessels", label: words.vessels, layer: vessels }];
const chart = await createMap(element, { label: element.dataset.label, layers, words: words.map });
chart.onPalette((palette) => vessels.paint(palette));
live.positions("positions", "vessels", (items) => {
  vessels.takeLive(items);
  element.dataset.taken = String(Number(element.dataset.taken ?? 0) + 1);
});

const cell = (text, kind = "") => {
  const made = document.createElement("td");
  made.className = kind;
  made.textContent = text;
  return made;
};
const known = (value, digits) => (value === null || value === undefined || value < 0 ? "–" : value.toFixed(digits));

// Not while somebody reads the table with the keyboard: nothing moves under the focus.
function fill() {
  if (body.closest(".table-box").contains(document.activeElement) || !vessels.base) return;
  const rows = vessels.inView().slice(0, ROWS).map((one) => {
    const row = document.createElement("tr");
    const state = typeof one.state === "number" ? STATES[one.state] : one.state;
    row.append(cell(one.key), cell(one.name), cell(words[state] ?? state), cell(known(one.speed, 1), "num"), cell(known(one.course, 0), "num"));
    return row;
  });
  body.replaceChildren(...rows);
}
if (body) setInterval(fill, EVERY_MS);
