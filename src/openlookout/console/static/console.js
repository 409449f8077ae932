// What pages do by themselves: the theme, parts that reload while work is under way, and copying.
"use strict";
(() => {
  const root = document.documentElement;

  document.addEventListener("click", (event) => {
    const theme = event.target.closest("[data-theme-switch]");
    if (theme) {
      const dark = root.dataset.theme === "dark" ||
        (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
      root.dataset.theme = dark ? "light" : "dark";
      document.cookie = `openlookout_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
      document.dispatchEvent(new Event("themechange"));
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent)
        .then(() => { copy.textContent = "Copied"; });
    }
    // A question that pops up closes when something else is asked for.
    for (const open of document.querySelectorAll("details.confirm[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.confirm[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
  // A box with data-checks="name" ticks all boxes of that name.
  document.addEventListener("change", (event) => {
    const name = event.target.dataset && event.target.dataset.checks;
    if (!name) return;
    for (const box of document.querySelectorAll(`input[name="${name}"]`)) box.checked = event.target.checked;
  });

  // A file that is chosen is read into the field that data-into names.
  document.addEventListener("change", async (event) => {
    const into = event.target.dataset && event.target.dataset.into;
    if (into && event.target.files.length) document.getElementById(into).value = await event.target.files[0].text();
  });

  // Parts with data-live="seconds" are fetched again with the whole page and put in place by their id.
  const timers = new Map();
  const watch = () => {
    for (const part of document.querySelectorAll("[data-live]")) {
      if (timers.has(part.id)) continue;
      timers.set(part.id, setTimeout(() => refresh(part.id), 1000 * Number(part.dataset.live)));
    }
  };
  const refresh = async (id) => {
    timers.delete(id);
    const part = document.getElementById(id);
    if (document.hidden || part.contains(document.activeElement)) { watch(); return; }
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
      if (!answer.ok || !fresh) { location.reload(); return; }
      if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
      if (fresh.dataset.live) part.dataset.live = fresh.dataset.live; else delete part.dataset.live;
      document.dispatchEvent(new CustomEvent("refreshed", { detail: part }));
    } catch { /* The service restarts, or the session has ended: try again. */ }
    watch();
  };
  watch();
})();
