// The form of a new model: the charts follow what is chosen, and ranges stand in them as they are typed or dragged.
"use strict";
(() => {
  const form = document.getElementById("wizard");
  const field = (name) => form.elements[name];
  const ms = (text) => { const at = Date.parse(`${text.trim().replace(" ", "T")}Z`); return Number.isNaN(at) ? null : at; };
  const source = (more) => `${form.getAttribute("data-readings")}?${new URLSearchParams(more)}`;

  function ranges() {
    const shown = [];
    const add = (kind, from, to) => { if (from !== null && to !== null && from < to) shown.push({ kind, start: from, end: to }); };
    add("train", ms(field("train_from").value), ms(field("train_to").value));
    add("evaluate", ms(field("evaluate_from").value), ms(field("evaluate_to").value));
    if (field("labels").value === "drawn") {
      for (const line of field("drawn").value.split("\n")) {
        const [from, to] = line.split(/[,;]/);
        if (to) add("label", ms(from), ms(to));
      }
    }
    window.openlookoutCharts.ranges("readings", shown);
  }
  function off() {
    const [sensor, value] = [field("off_sensor").value, field("off_value").value.trim()];
    const preview = document.getElementById("off-preview");
    preview.hidden = !sensor || value === "" || Number.isNaN(Number(value));
    if (!preview.hidden) window.openlookoutCharts.source("off", source({ sensor, off_is: field("off_is").value, off_value: value }));
  }
  function labels() {
    for (const part of form.querySelectorAll("[data-labels]")) part.hidden = part.dataset.labels !== field("labels").value;
  }
  form.addEventListener("change", (event) => {
    const name = event.target.name;
    if (name === "look") window.openlookoutCharts.source("readings", source({ sensor: event.target.value }));
    if (name.startsWith("off_")) off();
    if (name === "labels") labels();
    ranges();
  });
  document.addEventListener("picked", (event) => {
    if (event.detail.what !== "label") return;
    const shown = (at) => new Date(at).toISOString().slice(0, 16).replace("T", " ");
    field("labels").value = "drawn";
    field("drawn").value = `${field("drawn").value.trimEnd()}\n${shown(event.detail.start)}, ${shown(event.detail.end)}, `.trimStart();
    labels();
    ranges();
  });
  labels();
  ranges();
})();
