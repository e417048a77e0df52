// Comforts on pages that work without it: shortcuts, stale banner, copy, fresh ages.
"use strict";
(() => {
  const one = (what) => document.querySelector(what);
  const all = (what) => [...document.querySelectorAll(what)];
  const on = (what, act, more) => document.addEventListener(what, act, more);
  const say = (text) => { one("#news").textContent = text; };

  // Two polls of one part failed: a live page that is silently dead is worse than a still one.
  const failures = {};
  let goodAt = new Date();
  const polled = (id, good) => {
    failures[id] = good ? 0 : (failures[id] || 0) + 1;
    if (good) goodAt = new Date();
    one("#stale").hidden = Object.values(failures).every((count) => count < 2);
    one("[data-stale-since]").textContent = goodAt.toTimeString().slice(0, 5);
  };
  on("htmx:afterRequest", ({ detail: { successful, requestConfig, elt, xhr } }) => {
    if (requestConfig.verb === "get") polled(elt.id, successful);
    else if (!successful) say(`Not done (${xhr.status || "no connection"}). Reload and try again.`);
    else if (elt.matches("[data-reset]")) elt.reset();
  });

  // Signed out: the poll was led to the login page. Else keep what is unfolded and where one is:
  // whoever pressed a button that is gone goes on from the top of what came in its place.
  on("htmx:beforeSwap", ({ detail }) => {
    const { xhr, pathInfo, target, requestConfig: { elt } } = detail;
    const { pathname } = new URL(pathInfo.requestPath, location);
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== pathname) {
      detail.shouldSwap = false;
      location.reload();
    }
    if (!detail.shouldSwap) return;
    const open = all("details[id][open]")
      .filter((fold) => target.contains(fold) || fold.closest("#deliveries"));
    const held = target.contains(elt.matches("form") ? elt : document.activeElement);
    on("htmx:afterSwap", () => {
      open.forEach(({ id }) => one(`#${id}`)?.setAttribute("open", ""));
      const drawn = document.getElementById(target.id);
      if (!held || !drawn || document.activeElement !== document.body) return;
      drawn.tabIndex = -1;
      drawn.focus({ preventScroll: true });
    }, { once: true });
  });

  // The tab says how things stand.
  const icon = one("link[data-alarm]"), calm = icon.href;
  const head = () => {
    const live = one("[data-title]");
    if (!live) return;
    document.title = live.dataset.title;
    icon.href = "burning" in live.dataset ? icon.dataset.alarm : calm;
  };
  on("htmx:afterSwap", head);
  head();

  // Ages stay true.
  const age = (moment) => {
    const gap = (Date.now() - moment) / 1000, size = Math.abs(gap);
    if (size < 60) return gap < 0 ? "in less than 1 min" : "just now";
    const [unit, length] = size < 3600 ? ["min", 60] : size < 86400 ? ["h", 3600] : ["d", 86400];
    const text = `${Math.floor(size / length)} ${unit}`;
    return gap < 0 ? `in ${text}` : `${text} ago`;
  };
  setInterval(() => all("time[data-since]").forEach((time) => {
    time.textContent = age(Date.parse(time.dateTime));
  }), 20000);

  on("click", ({ target }) => {
    const text = target.closest("[data-copy]")?.dataset.copy;
    if (text) navigator.clipboard?.writeText(text).then(() => say("Copied."));
  });

  const keysOn = () => localStorage.keys !== "off";
  const button = one("[data-keys-switch]");
  const label = () => { if (button) button.textContent = `Turn keys ${keysOn() ? "off" : "on"}`; };
  button?.addEventListener("click", () => {
    localStorage.keys = keysOn() ? "off" : "on";
    label();
  });
  label();
  // In a list from line to line; Enter opens, as of any link.
  const neighbour = (way) => {
    const lines = all(".row a.title"), at = lines.indexOf(document.activeElement);
    return way && lines[at < 0 ? 0 : at + way];
  };
  let before = "";
  on("keydown", (event) => {
    const { key, ctrlKey, metaKey, altKey, repeat } = event;
    if (!keysOn() || ctrlKey || metaKey || altKey || repeat) return;
    if (event.target.closest("input, textarea, select")) return;
    const target = one(`[data-${before === "g" ? "go" : "key"}="${CSS.escape(key)}"]`)
      || neighbour({ j: 1, k: -1 }[key]);
    before = key;
    if (!target) return;
    event.preventDefault();
    if (target.matches("input, p, .title")) target.focus();
    else target.click();
  });
})();
