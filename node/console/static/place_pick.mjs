// Click a place on the map: its position goes into the field "where". Without this script the field is typed.
import { createMap } from "../map.mjs";

const button = document.querySelector("#pick");
const box = document.querySelector("#pick-map");
const field = document.querySelector("#f-where");
let chart = null;

async function pick() {
  box.hidden = false;
  const words = {
    attribution: box.dataset.attribution,
    pick: box.dataset.pick,
    layers: box.dataset.layers,
    zoom_in: box.dataset.in,
    zoom_out: box.dataset.out,
  };
  chart ??= await createMap(box, { label: box.dataset.label, words });
  chart.map.invalidateSize();
  box.dataset.ready = "";
  const found = await chart.pick();
  if (found) {
    field.value = `${found.lat.toFixed(5)}, ${found.lon.toFixed(5)}`;
    box.hidden = true;
  }
  field.focus();
}

button.hidden = false;
button.addEventListener("click", pick);
