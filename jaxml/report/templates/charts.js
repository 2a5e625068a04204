// Draws every chart of the page, and draws them anew when the reader's colour scheme changes.
const specs = JSON.parse(document.getElementById("specs").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function config() {
  const ink = dark.matches ? "#e4e1da" : "#23262a";
  const muted = dark.matches ? "#a2a6ab" : "#5b6066";
  const grid = dark.matches ? "#2c3036" : "#e6e3da";
  const paper = dark.matches ? "#15171a" : "#fcfbf8";
  const font = "system-ui, sans-serif";
  return {
    background: null,
    font,
    view: { stroke: null },
    axis: {
      domainColor: muted, tickColor: muted, gridColor: grid, labelColor: muted, titleColor: ink,
      labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", titlePadding: 8, domainOpacity: 0.5,
    },
    axisX: { grid: false },
    legend: { labelColor: muted, titleColor: ink, titleFontWeight: "normal" },
    rule: { color: ink },
    text: { color: ink, fontSize: 11 },
    style: {
      tile: { stroke: paper, strokeWidth: 1 },
      boundary: { color: ink },
      computed: { color: ink, opacity: 0.55 },
    },
  };
}

// Shows a point's numbers beside it, as text; placed through the object model, since the page allows no inline styles.
const tip = document.body.appendChild(document.createElement("table"));
tip.id = "tip";
tip.hidden = true;

function tooltip(handler, event, item, value) {
  tip.hidden = value === null || value === undefined || value === "";
  if (tip.hidden) return;
  tip.replaceChildren();
  for (const [name, text] of Object.entries(value)) {
    const row = tip.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = text;
  }
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 14 + box.width < window.innerWidth;
  tip.style.left = `${Math.max(4, right ? event.clientX + 14 : event.clientX - 14 - box.width)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, window.innerHeight - box.height - 4))}px`;
}

async function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    try {
      await vegaEmbed(place, specs[Number(place.dataset.chart)], {
        mode: "vega-lite",
        ast: true, // expressions are interpreted: the page allows no eval
        actions: false,
        defaultStyle: false,
        renderer: "svg",
        config: config(),
        tooltip,
        loader: { load: () => Promise.reject(new Error("this page loads nothing")) },
      });
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
    }
  }
  document.documentElement.dataset.drawn = "true";
}

dark.addEventListener("change", draw);
draw();
