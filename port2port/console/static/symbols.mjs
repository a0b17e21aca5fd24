// The vessels' symbols, drawn once for each state and course into one sheet, then stamped: stamping thousands is far
// cheaper than drawing their outlines, above all where no graphics card helps. Courses are rounded to five degrees.
// After IEC 62288: sleeping small and hollow, activated a filled triangle with its course, lost crossed out, dangerous
// large and bold with a ring. A dot where the course is unknown.

const CELL = 40;
const STEP = 5;
const COLUMNS = 360 / STEP + 1;
const RADIANS = Math.PI / 180;

const DRAW = [
  (g, course, p) => outline(g, course, 5, { fill: p.halo, line: p["vessel-dim"], width: 1.25 }),
  (g, course, p) => {
    outline(g, course, 7, { fill: p.vessel, line: p["vessel-edge"], width: 1 });
    if (course >= 0) ahead(g, course, 15, p.vessel);
  },
  (g, course, p) => {
    outline(g, course, 6, { fill: p.halo, line: p["vessel-dim"], width: 1.25 });
    g.beginPath();
    g.moveTo(-6, -6);
    g.lineTo(6, 6);
    g.stroke();
  },
  (g, course, p) => {
    outline(g, course, 9, { fill: p.danger, line: p["vessel-edge"], width: 1 });
    g.beginPath();
    g.arc(0, 0, 14, 0, 2 * Math.PI);
    g.strokeStyle = p.danger;
    g.lineWidth = 2.5;
    g.stroke();
  },
];

/** The sheet of all symbols in these colours, sharp at this ratio of device pixels. */
export function symbolSheet(palette, ratio) {
  const sheet = document.createElement("canvas");
  sheet.width = CELL * COLUMNS * ratio;
  sheet.height = CELL * DRAW.length * ratio;
  const g = sheet.getContext("2d");
  for (const [state, draw] of DRAW.entries()) {
    for (let column = 0; column < COLUMNS; column += 1) {
      g.setTransform(ratio, 0, 0, ratio, (column + 0.5) * CELL * ratio, (state + 0.5) * CELL * ratio);
      draw(g, column ? (column - 1) * STEP : -1, palette);
    }
  }
  return { sheet, ratio };
}

/** Stamp one symbol with its middle at x, y (in CSS pixels, laid on whole device pixels to stay sharp). */
export function stamp(g, { sheet, ratio }, state, course, x, y) {
  const column = course < 0 ? 0 : 1 + (Math.round(course / STEP) % (COLUMNS - 1));
  const size = CELL * ratio;
  const left = Math.round((x - CELL / 2) * ratio) / ratio;
  const top = Math.round((y - CELL / 2) * ratio) / ratio;
  g.drawImage(sheet, column * size, state * size, size, size, left, top, CELL, CELL);
}

function outline(g, course, size, { fill, line, width }) {
  g.beginPath();
  if (course < 0) g.arc(0, 0, size * 0.6, 0, 2 * Math.PI);
  else {
    const ux = Math.sin(course * RADIANS);
    const uy = -Math.cos(course * RADIANS);
    const [back, side] = [size * 0.7, size * 0.55];
    g.moveTo(ux * size, uy * size);
    g.lineTo(-ux * back - uy * side, -uy * back + ux * side);
    g.lineTo(-ux * back + uy * side, -uy * back - ux * side);
    g.closePath();
  }
  g.fillStyle = fill;
  g.strokeStyle = line;
  g.lineWidth = width;
  g.fill();
  g.stroke();
}

function ahead(g, course, length, colour) {
  g.beginPath();
  g.moveTo(0, 0);
  g.lineTo(Math.sin(course * RADIANS) * length, -Math.cos(course * RADIANS) * length);
  g.strokeStyle = colour;
  g.stroke();
}
