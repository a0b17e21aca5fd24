// Counts down what ends: <span data-left="seconds" data-words="%(left)s left" data-over="late">.
//
// The seconds are the server's, counted from when this element arrived: this machine's clock is never asked.

const ENDS = new WeakMap();
const two = (number) => String(number).padStart(2, "0");

function words(left) {
  const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor((left % 3600) / 60), left % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-left]")) {
    if (!ENDS.has(element)) ENDS.set(element, performance.now() + Number(element.dataset.left) * 1000);
    const left = Math.max(0, Math.ceil((ENDS.get(element) - performance.now()) / 1000));
    const said = left ? element.dataset.words.replace("%(left)s", words(left)) : element.dataset.over;
    if (element.textContent !== said) element.textContent = said;
    element.classList.toggle("over", !left);
  }
}

tick();
setInterval(tick, 1000);
