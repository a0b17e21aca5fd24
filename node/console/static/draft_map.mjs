// The evidence of a draft on a map: one line for each number, in the order in which it was heard.
import { createMap } from "../map.mjs";

const element = document.querySelector("#evidence-map");
const points = JSON.parse(element.dataset.points);
const view = { lat: points[0].lat, lon: points[0].lon, zoom: 10 };
const chart = await createMap(element, { label: element.dataset.label, view, words: JSON.parse(element.dataset.words ?? "{}") });
const tracks = new Map();
for (const point of points) tracks.set(point.key, [...(tracks.get(point.key) ?? []), [point.lat, point.lon]]);
const drawn = [...tracks.values()].flatMap((track) => [
  chart.leaflet.polyline(track, { interactive: false, weight: 2 }).addTo(chart.map),
  ...track.map((at) => chart.leaflet.circleMarker(at, { interactive: false, radius: 4 }).addTo(chart.map)),
]);
chart.onPalette((palette) => {
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--high") || palette.border;
  for (const each of drawn) each.setStyle({ color: colour });
});
chart.map.fitBounds(chart.leaflet.latLngBounds(points.map((p) => [p.lat, p.lon])).pad(0.3), { maxZoom: 13 });
element.dataset.drawn = String(points.length);
