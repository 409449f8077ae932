// Charts: fetches figures, draws them with Plotly, fetches finer ones on zoom; the address keeps the range shown.
// A figure: {start, end, traces: [{name, x, y, kind, axis}], ranges: [{start, end, kind, text}], lines: [{y, text}],
// y: {title, log, low, high}}; times are milliseconds since 1970. See console/charts.py.
"use strict";
(() => {
  const plotly = new Promise((ready) => {
    if (document.readyState === "complete" || window.Plotly) ready(); else document.addEventListener("DOMContentLoaded", ready);
  });
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const charts = new Map();
  const RANGE_TONES = { label: "--s4", event: "--bad", gap: "--line-strong", off: "--line-strong", train: "--s1", evaluate: "--s3", chosen: "--accent" };
  const iso = (ms) => new Date(ms).toISOString();
  const shown = (ms) => iso(ms).slice(0, 19).replace("T", " ");
  const toMs = (value) => (typeof value === "number" ? value : Date.parse(`${String(value).replace(" ", "T")}Z`));

  function traces(figure) {
    let series = 0;
    return figure.traces.map((trace) => {
      const colour = css(trace.tone ? `--${trace.tone}` : `--s${(series++ % 6) + 1}`);
      const base = { name: trace.name, x: trace.x, y: trace.y, hoverinfo: trace.kind === "band" ? "skip" : "x+y+name", connectgaps: false };
      if (trace.axis === 2) base.yaxis = "y2";
      if (trace.kind === "marks") return { ...base, type: "scatter", mode: "markers", marker: { color: colour, size: 8, symbol: trace.symbol || "x-thin-open", line: { width: 2, color: colour } } };
      if (trace.kind === "bars") return { ...base, type: "bar", marker: { color: colour } };
      if (trace.kind === "band") return { ...base, type: "scatter", mode: "lines", line: { width: 0 }, fill: "toself", fillcolor: colour, opacity: 0.25, showlegend: false };
      return { ...base, type: "scatter", mode: "lines", line: { width: 1.4, color: colour, shape: trace.kind === "steps" ? "hv" : "linear", dash: trace.dash || "solid" } };
    });
  }

  function layout(chart, figure) {
    const shapes = [...(figure.ranges || []), ...(chart.extra || [])].map((range) => ({
      type: "rect", layer: "below", xref: "x", yref: "paper", x0: range.start, x1: range.end, y0: range.y0 || 0, y1: range.y1 === undefined ? 1 : range.y1, line: { width: 0 },
      fillcolor: css(RANGE_TONES[range.kind] || "--s6"), opacity: range.y1 !== undefined && range.y1 - range.y0 < 0.2 ? 0.9 : range.kind === "gap" || range.kind === "off" ? 0.22 : 0.2,
    }));
    for (const line of figure.lines || []) {
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: line.y, y1: line.y, line: { width: 1.5, dash: "dash", color: css("--bad") } });
    }
    const axis = { gridcolor: css("--grid"), linecolor: css("--line"), zeroline: false, tickfont: { size: 11 }, automargin: true };
    const y = figure.y || {}, isNumber = figure.x && figure.x.kind === "number"; // Of numbers the whole is there: no zoom.
    const ticks = { tickangle: 0, nticks: Math.max(4, Math.floor(chart.plot.clientWidth / 80)) };
    if (!isNumber && chart.plot.clientWidth < 500) ticks.tickformatstops = [{ dtickrange: [60000, 86400000 - 1], value: "%H:%M\n%b %-d" }]; // The year has no room.
    const result = {
      shapes, autosize: true, margin: { l: 48, r: 12, t: 8, b: 32 }, paper_bgcolor: "transparent", plot_bgcolor: "transparent",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--muted") },
      hovermode: "x unified", hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--ink") } },
      showlegend: figure.traces.length > 1, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      dragmode: chart.drag ? "select" : isNumber ? false : "zoom", selectdirection: "h", newselection: { line: { color: css("--accent") } },
      xaxis: { ...axis, ...ticks, type: isNumber ? "linear" : "date", fixedrange: Boolean(isNumber), title: figure.x && figure.x.title, range: figure.start === undefined ? undefined : [figure.start, figure.end] },
      yaxis: { ...axis, title: y.title, type: y.log ? "log" : "linear", dtick: y.step, fixedrange: true, range: y.low === undefined || y.low === null ? undefined : [y.low, y.high] },
      bargap: 0.02,
    };
    if (figure.traces.some((trace) => trace.axis === 2)) result.yaxis2 = { ...axis, overlaying: "y", side: "right", rangemode: "tozero", showgrid: false, fixedrange: true };
    return result;
  }

  function address(chart) {
    const url = new URL(chart.source, location.origin);
    const here = new URL(location.href).searchParams;
    for (const name of ["from", "to"]) if (here.has(name) && chart.element.dataset.group !== "none") url.searchParams.set(name, here.get(name));
    return url;
  }

  async function load(chart, quietly = false) {
    const url = address(chart);
    if (chart.asked) chart.asked.abort();
    const asked = chart.asked = new AbortController();
    if (!quietly) say(chart, "Loading …");
    let figure;
    try {
      const answer = await fetch(url, { headers: { accept: "application/json" }, signal: asked.signal });
      figure = await answer.json();
      if (!answer.ok) { say(chart, figure.error, true); return; }
    } catch (error) {
      if (quietly) return; // What is drawn stays; the next change asks again.
      if (error.name !== "AbortError") say(chart, "The chart could not be loaded: is the service running? Reload the page.", true);
      return;
    }
    await plotly; // Figures are asked for while it is still being read.
    if (chart.asked !== asked) return;
    chart.figure = figure;
    draw(chart);
    say(chart, figure.note || "");
  }

  function say(chart, text, bad = false) {
    chart.state.textContent = text;
    chart.state.classList.toggle("bad", bad);
  }

  function draw(chart) {
    const sketch = chart.plot.querySelector(".sketch");
    if (sketch) sketch.remove();
    const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
    Plotly.react(chart.plot, traces(chart.figure), layout(chart, chart.figure), config);
    table(chart);
    chart.element.dataset.shown = `${chart.figure.start} ${chart.figure.end}`;
    if (chart.bound) return;
    chart.bound = true;
    chart.plot.on("plotly_relayout", (change) => {
      if ("xaxis.range[0]" in change) zoom(chart, toMs(change["xaxis.range[0]"]), toMs(change["xaxis.range[1]"]));
    });
    chart.plot.on("plotly_selected", (chosen) => {
      if (chosen && chosen.range) picked(chart, toMs(chosen.range.x[0]), toMs(chosen.range.x[1]));
    });
    chart.plot.on("plotly_doubleclick", () => { if (chart.figure.start !== undefined) zoom(chart, null, null); });
    chart.element.dataset.drawn = "yes";
  }

  // Charts of one group show the same range; the address keeps it, so that it can be sent to somebody.
  function zoom(chart, start, end) {
    const url = new URL(location.href);
    if (start === null) { url.searchParams.delete("from"); url.searchParams.delete("to"); } else {
      url.searchParams.set("from", iso(Math.min(start, end)).slice(0, 19) + "Z");
      url.searchParams.set("to", iso(Math.max(start, end)).slice(0, 19) + "Z");
    }
    history.replaceState(null, "", url);
    for (const other of charts.values()) if (other === chart || (chart.group && other.group === chart.group)) load(other);
    document.dispatchEvent(new CustomEvent("zoomed", { detail: { start, end } }));
  }

  // A range dragged on a chart fills the two inputs of the kind that is chosen: data-fills="start-id end-id" on a radio.
  function picked(chart, start, end) {
    Plotly.relayout(chart.plot, { selections: [] });
    const what = document.querySelector(`input[name="${chart.drag}"]:checked`);
    if (!what) return;
    if (what.value === "zoom") { zoom(chart, start, end); return; }
    const [first, last] = [Math.min(start, end), Math.max(start, end)];
    if (what.dataset.fills) {
      const [from, to] = what.dataset.fills.split(" ").map((id) => document.getElementById(id));
      from.value = iso(first).slice(0, 19);
      to.value = iso(last).slice(0, 19);
      to.dispatchEvent(new Event("change", { bubbles: true }));
    }
    document.dispatchEvent(new CustomEvent("picked", { detail: { what: what.value, start: first, end: last } }));
  }

  function table(chart) {
    const place = chart.element.querySelector(".chart-table");
    const fill = () => {
      if (!place.open || !chart.figure) return;
      const rows = [];
      for (const trace of chart.figure.traces) {
        const step = Math.max(1, Math.ceil(trace.x.length / 100));
        for (let i = 0; i < trace.x.length; i += step) if (trace.y[i] !== null) rows.push([trace.name, typeof trace.x[i] === "number" && !(chart.figure.x && chart.figure.x.kind === "number") ? shown(trace.x[i]) : trace.x[i], trace.y[i]]);
      }
      for (const range of chart.figure.ranges || []) rows.push([range.text || range.kind, `${shown(range.start)} to ${shown(range.end)}`, ""]);
      const body = document.createElement("tbody");
      for (const row of rows) {
        const line = body.insertRow();
        for (const cell of row) line.insertCell().textContent = typeof cell === "number" ? Number(cell.toPrecision(5)).toString() : cell;
      }
      const whole = document.createElement("table");
      const head = whole.createTHead().insertRow();
      for (const name of ["Series", "Time (UTC)", "Value"]) { const cell = document.createElement("th"); cell.scope = "col"; cell.textContent = name; head.append(cell); }
      whole.append(body);
      place.querySelector(".scroll").replaceChildren(whole);
    };
    place.ontoggle = fill;
    fill();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    const chart = button && charts.get(button.closest(".chart"));
    if (!chart || !chart.figure || chart.figure.start === undefined) return;
    const { start, end } = chart.figure, width = end - start, how = button.dataset.zoom;
    if (how === "all") zoom(chart, null, null);
    if (how === "in") zoom(chart, start + width / 4, end - width / 4);
    if (how === "out") zoom(chart, start - width / 2, end + width / 2);
    if (how === "earlier") zoom(chart, start - width / 2, end - width / 2);
    if (how === "later") zoom(chart, start + width / 2, end + width / 2);
  });
  const redraw = () => { for (const chart of charts.values()) if (chart.figure) draw(chart); };
  document.addEventListener("themechange", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  function start(element) {
    if (charts.has(element)) return;
    const chart = { element, source: element.dataset.chart, group: element.dataset.group, drag: element.dataset.drag, plot: element.querySelector(".plot"), state: element.querySelector(".chart-state") };
    charts.set(element, chart);
    load(chart);
  }
  // For pages that change what a chart shows: another source, or ranges drawn over the figure's own.
  window.openlookoutCharts = {
    source(id, source) { const chart = charts.get(document.getElementById(id)); if (chart) { chart.source = source; load(chart); } },
    ranges(id, ranges) { const chart = charts.get(document.getElementById(id)); if (chart) { chart.extra = ranges; if (chart.figure) draw(chart); } },
  };
  for (const element of document.querySelectorAll("[data-chart]")) start(element);
  // A part of the page has changed by itself: charts in it are new, those that follow it have newer figures.
  document.addEventListener("refreshed", (event) => {
    for (const element of event.detail.querySelectorAll("[data-chart]")) start(element);
    for (const chart of charts.values()) if (chart.element.dataset.after === event.detail.id) load(chart, true);
  });
})();
