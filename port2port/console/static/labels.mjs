// Names of places, ports and locks on the basemap, drawn on one canvas; the important first, none over another.

import { CanvasLayer, haloed, mercatorX, mercatorY } from "./canvas_layer.mjs";

const FONT = "ui-sans-serif, system-ui, sans-serif";
const FROM_ZOOM = { port: 7.5, place: 8, province: 99, lock: 11.5 };

export const Places = CanvasLayer.extend({
  initialize(features) {
    const rank = { port: 0, place: 1, lock: 3, province: 9 };
    this.points = features
      .map(({ geometry, properties: { kind, name, rank: minor = 0 } }) => ({
        kind,
        name,
        from: FROM_ZOOM[kind] + (kind === "place" ? Math.max(0, minor - 1) : 0),
        order: rank[kind] + minor / 10,
        x: mercatorX(geometry.coordinates[0]),
        y: mercatorY(geometry.coordinates[1]),
      }))
      .sort((a, b) => a.order - b.order);
    this.palette = null;
  },

  paint(palette) {
    this.palette = palette;
    this.redraw();
  },

  draw(g, view) {
    if (!this.palette) return;
    const taken = [];
    g.textBaseline = "middle";
    for (const point of this.points) {
      if (view.zoom < point.from) continue;
      const x = point.x * view.scale - view.left;
      const y = point.y * view.scale - view.top;
      if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
      g.font = point.kind === "port" ? `700 13px ${FONT}` : `12px ${FONT}`;
      const box = { left: x, right: x + g.measureText(point.name).width + 10, top: y - 9, bottom: y + 9 };
      if (taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      this.dot(g, point.kind, x, y);
      haloed(g, point.name, x + 8, y, this.palette);
    }
  },

  dot(g, kind, x, y) {
    g.strokeStyle = this.palette.label;
    g.fillStyle = this.palette.halo;
    g.lineWidth = 1.5;
    g.beginPath();
    if (kind === "port") g.rect(x - 4, y - 4, 8, 8);
    else if (kind === "lock") g.rect(x - 4, y - 1.5, 8, 3);
    else g.arc(x, y, 2.5, 0, 2 * Math.PI);
    g.fill();
    g.stroke();
  },
});

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
