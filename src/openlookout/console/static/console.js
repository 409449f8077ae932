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
  // It also closes when the focus goes on, so that it lies over nothing that has it.
  document.addEventListener("focusout", (event) => {
    const open = event.target.closest("details.confirm[open]");
    if (open && event.relatedTarget && !open.contains(event.relatedTarget)) open.open = false;
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

  // Parts with data-live="seconds" are taken out of the same page, fetched again, and put in place by their id.
  let timer = null;
  const watch = () => {
    const seconds = [...document.querySelectorAll("[data-live]")].map((part) => Number(part.dataset.live));
    if (timer === null && seconds.length) timer = setTimeout(refresh, 1000 * Math.min(...seconds));
  };
  const refresh = async () => {
    clearTimeout(timer);
    timer = null;
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          if (part.contains(document.activeElement)) continue; // Nobody's button goes away under their hand.
          const fresh = page.getElementById(part.id);
          if (!answer.ok || !fresh) { location.reload(); return; }
          if (fresh.innerHTML === part.innerHTML && fresh.dataset.live === part.dataset.live) continue;
          if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
          if (fresh.dataset.live) part.dataset.live = fresh.dataset.live; else delete part.dataset.live;
          document.dispatchEvent(new CustomEvent("refreshed", { detail: part }));
        }
      } catch { /* The service restarts, or the session has ended: try again. */ }
    }
    watch();
  };
  watch();
  // Whoever comes back to the page sees what is now.
  document.addEventListener("visibilitychange", () => { if (!document.hidden && document.querySelector("[data-live]")) refresh(); });

  // A part with data-follows="form" shows what the form says: it is fetched anew when a field has changed.
  let asked = null;
  document.addEventListener("change", async (event) => {
    const part = document.querySelector("[data-follows]");
    if (!part || !event.target.form || event.target.form.id !== part.dataset.follows) return;
    const url = new URL(location.href);
    for (const [name, value] of new FormData(event.target.form)) {
      if (name !== "csrf" && name !== "client_token") url.searchParams.set(name, value);
    }
    if (asked) asked.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" }, redirect: "error", signal: asked.signal });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (fresh) part.replaceChildren(...fresh.childNodes);
    } catch { /* A later change asks again. */ }
  });
})();
