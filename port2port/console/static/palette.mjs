// The colours that canvases draw with: read from the custom properties of map.css, because a canvas does not follow
// them by itself. Every canvas asks again when the theme, the system's scheme or forced colours change.

const NAMES = (
  "land coast border water waterway sea-limit label halo vessel vessel-dim vessel-edge danger selected trail " +
  "low medium high critical sighting link forecast place track grid text"
).split(" ");

/** All colours by name, as the browser resolves them at `element` (system colours included). */
export function readPalette(element) {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  const style = getComputedStyle(probe);
  const palette = {};
  for (const name of NAMES) {
    probe.style.color = `var(--map-${name})`;
    palette[name] = style.color;
  }
  probe.remove();
  return palette;
}

/** Call `changed` whenever colours may have changed, until the returned function is called. */
export function onThemeChange(changed) {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  const queries = ["(prefers-color-scheme: light)", "(forced-colors: active)", "(prefers-contrast: more)"];
  const lists = queries.map((query) => matchMedia(query));
  for (const list of lists) list.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    for (const list of lists) list.removeEventListener("change", changed);
  };
}

/** Whether the reader asked for as little motion as possible. */
export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
