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
    if (field("labels").value === "group" || field("labels").value === "files") shown.push(...known);
    window.openlookoutCharts.ranges("readings", shown);
  }
  // The labels of a group or of files are asked for, so that the chart shows what the model will be told.
  let known = [], asked = null;
  async function ask() {
    const from = field("labels").value, state = document.getElementById("labels-state");
    known = [];
    state.textContent = "";
    const query = from === "group" ? { group: field("group").value } : { bucket: field("labels_bucket").value.trim(), prefix: field("labels_prefix").value.trim() };
    if (asked) asked.abort();
    if ((from === "group" && query.group) || (from === "files" && query.bucket)) {
      asked = new AbortController();
      try {
        const answer = await fetch(`/new/model/labels?${new URLSearchParams(query)}`, { headers: { accept: "application/json" }, signal: asked.signal });
        const said = await answer.json();
        state.textContent = said.note || said.error;
        state.classList.toggle("bad", Boolean(said.failed || said.error));
        known = (said.ranges || []).map((range) => ({ ...range, kind: "label" }));
      } catch { return; }
    }
    ranges();
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
    if (name === "group" || name.startsWith("labels")) ask();
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
  ask();
})();
