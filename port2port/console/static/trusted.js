// The one Trusted Types policy besides htmx's own: load it before Leaflet, as a classic script.
// Leaflet, while it loads, writes two constants as HTML to see what the browser can do. Those two pass; nothing else
// ever becomes HTML, a script or a script's address. Content security policy: `trusted-types default htmx`.
(() => {
  const constants = new Set(["<svg/>", '<v:shape adj="1"/>']);
  globalThis.trustedTypes?.createPolicy("default", { createHTML: (html) => (constants.has(html) ? html : null) });
})();
