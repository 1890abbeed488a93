"use strict";
// The library is packed to keep the page small; every browser since 2023 can unpack it.
async function unpacked(element) {
  const packed = atob(element.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place++) bytes[place] = packed.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
// Text, paper and grid in the colours of the page, whether it is light or dark.
function dressed(layout) {
  const ink = colour("--ink"), line = colour("--line"), paper = colour("--paper"), soft = colour("--soft");
  const result = structuredClone(layout);
  result.paper_bgcolor = result.plot_bgcolor = "rgba(0,0,0,0)";
  result.font = { family: "system-ui, sans-serif", size: 12, color: ink };
  result.hoverlabel = { ...result.hoverlabel, bgcolor: soft, bordercolor: line, font: { color: ink, size: 12 } };
  for (const axis of Object.keys(result).filter((name) => /^[xy]axis/.test(name))) {
    Object.assign(result[axis], { gridcolor: line, linecolor: line, tickcolor: line });
  }
  result.modebar = { bgcolor: paper };
  return result;
}
// A row may be folded away.
function show(anchor) {
  const row = document.getElementById(anchor);
  if (!row) return;
  row.closest("details")?.setAttribute("open", "");
  location.hash = anchor;
  row.scrollIntoView({ block: "center" });
}
function draw(element) {
  const { data, layout } = JSON.parse(document.querySelector(`[data-chart="${element.id}"]`).textContent);
  const drawn = Plotly.react(element, data, dressed(layout), { responsive: true, displayModeBar: false });
  element.removeAllListeners("plotly_click");
  element.on("plotly_click", (event) => show(event.points[0].customdata));
  element.dataset.drawn = "yes";
  return drawn;
}
const plots = () => [...document.querySelectorAll(".plot")];
// A picture costs a tenth of a second: those that nobody has scrolled to yet wait.
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    observer.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });
function arrange() {
  plots().forEach((plot) => observer.observe(plot));
}
function follow() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots().filter((plot) => plot.dataset.drawn).forEach(draw));
  addEventListener("beforeprint", () => plots().forEach(draw));
}
async function begin() {
  const library = document.createElement("script");
  library.textContent = await unpacked(document.getElementById("plotly"));
  document.head.append(library);
  arrange();
  follow();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("td a[href^='#']");
  if (link) show(link.hash.slice(1));
});
if (document.getElementById("plotly")) begin();
