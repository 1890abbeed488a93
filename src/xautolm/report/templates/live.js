// What follows is of the page that is watched: the server says when something changed.
async function put(place, address) {
  const response = await fetch(address);
  place.innerHTML = await response.text();
}
// The library is fetched once, when the first picture is there.
let library;
function loaded() {
  library ??= new Promise((resolve) => {
    const element = document.createElement("script");
    element.src = "/plotly.js";
    element.onload = resolve;
    document.head.append(element);
  });
  return library;
}
async function picture() {
  if (!document.querySelector(".plot")) return;
  await loaded();
  arrange();
}
// A reader who has unfolded something, or looks at a row, finds it so again.
async function renew(address) {
  const place = document.getElementById("report");
  const open = [...place.querySelectorAll("details")].map((element) => element.open);
  const height = place.offsetHeight;
  place.style.minHeight = `${height}px`;
  await put(place, address);
  [...place.querySelectorAll("details")].forEach((element, number) => { element.open = open[number] ?? false; });
  await picture();
  place.style.minHeight = "";
}
function watch(address) {
  const connection = document.getElementById("connection");
  const events = new EventSource(`${address}events`);
  events.addEventListener("now", (event) => {
    connection.hidden = true;
    document.getElementById("live").innerHTML = JSON.parse(event.data);
  });
  events.addEventListener("report", () => renew(`${address}report`));
  events.onerror = () => { connection.hidden = false; };
  events.onopen = () => { connection.hidden = true; };
}
follow();
picture();
if (document.body.dataset.address) watch(document.body.dataset.address);
