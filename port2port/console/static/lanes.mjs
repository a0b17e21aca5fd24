// One line for each port with the events on it, as SVG: shape and colour tell the severity, the title says it.

export const SEVERITIES = ["low", "medium", "high", "critical"];
const ROW = 22;
const SVG = "http://www.w3.org/2000/svg";
const SHAPES = {
  low: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
  medium: "M0-6L6 5H-6Z",
  high: "M0-6L6 0L0 6L-6 0Z",
  critical: "M-2.5-6H2.5L6-2.5V2.5L2.5 6H-2.5L-6 2.5V-2.5Z",
};

/** The path of a severity's glyph around 0, 0. */
export const glyph = (severity) => SHAPES[severity] ?? SHAPES.low;

/** An SVG element; attributes as an object, children after. */
export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** The lanes between two moments (seconds); `chosen({lane, id})` when an event is clicked. */
export function drawLanes(lanes, { width, left, from, to, palette }, chosen) {
  const height = Math.max(ROW * lanes.length, 1);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "group" });
  for (const [row, lane] of lanes.entries()) {
    const y = row * ROW + ROW / 2;
    picture.append(svg("line", { class: "p2p-lane", x1: left, x2: width, y1: y, y2: y }));
    for (const event of lane.events) {
      if (event.at < from || event.at > to) continue;
      const x = left + ((event.at - from) / (to - from)) * (width - left);
      picture.append(mark(lane, event, { x, y, palette }, chosen));
    }
    picture.append(svg("text", { x: 4, y: y + 4, "paint-order": "stroke", stroke: palette.halo, "stroke-width": 3 }, lane.label));
  }
  return picture;
}

function mark(lane, event, { x, y, palette }, chosen) {
  const title = svg("title", {}, event.label);
  const fill = palette[event.severity] ?? palette.low;
  const path = svg("path", { d: glyph(event.severity), transform: `translate(${x} ${y})`, fill }, title);
  path.addEventListener("click", () => chosen({ lane: lane.id, id: event.id }));
  return path;
}
