// The limit of a what-if: the slider and the number go together, and what follows them is fetched with the new address.
"use strict";
(() => {
  const form = document.querySelector("[data-factor]");
  if (!form) return;
  const number = form.elements.factor, slide = document.getElementById("slide");
  slide.closest(".field").hidden = false;
  let asked = null;

  async function follow() {
    if (!form.reportValidity()) return;
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) url.searchParams.set(name, value);
    for (const name of ["from", "to"]) {
      const kept = new URL(location.href).searchParams.get(name);
      if (kept) url.searchParams.set(name, kept);
    }
    history.replaceState(null, "", url);
    if (asked) asked.abort();
    asked = new AbortController();
    let fresh;
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" }, redirect: "error", signal: asked.signal });
      if (!answer.ok) { location.reload(); return; }
      fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch { return; }  // Another value was asked for, or the service restarts.
    for (const part of document.querySelectorAll("[data-follows]")) {
      const other = fresh.getElementById(part.id);
      if (other) part.replaceChildren(...other.childNodes);
    }
    for (const chart of document.querySelectorAll("[data-chart]")) {
      const other = fresh.getElementById(chart.id);
      if (other && other.dataset.chart !== chart.dataset.chart) {
        chart.dataset.chart = other.dataset.chart;
        window.openlookoutCharts.source(chart.id, other.dataset.chart);
      }
    }
    for (const carried of document.querySelectorAll("[data-carries-factor] [name=factor]")) carried.value = number.value;
  }

  slide.addEventListener("input", () => { number.value = slide.value; });
  slide.addEventListener("change", follow);
  form.addEventListener("change", (event) => {
    if (event.target === slide) return;
    if (event.target === number && number.checkValidity()) slide.value = number.value;
    follow();
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); follow(); });
})();
