// Comforts on pages that work without it: shortcuts, stale banner, copy, fresh ages.
"use strict";
(() => {
  const one = (what) => document.querySelector(what);
  const say = (text) => { const news = one("#news"); if (news) news.textContent = text; };

  // Two polls of one part failed: a live page that is silently dead is worse than a still one.
  const failures = {};
  let goodAt = new Date();
  const polled = (id, good) => {
    failures[id] = good ? 0 : (failures[id] || 0) + 1;
    if (good) goodAt = new Date();
    const banner = one("#stale");
    if (!banner) return;
    banner.hidden = Object.values(failures).every((count) => count < 2);
    banner.querySelector("[data-stale-since]").textContent = goodAt.toTimeString().slice(0, 5);
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    const { successful, requestConfig: config, elt } = event.detail;
    if (config.verb === "get") polled(elt.id, successful);
    else if (successful && elt.matches("[data-reset]")) elt.reset();
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { requestConfig: config, xhr } = event.detail;
    if (config.verb !== "get") say(`Not done (${xhr.status}). Reload and try again.`);
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.requestConfig.verb !== "get") say("Not done: no connection. Try again.");
  });

  // Signed out: the poll was led to the login page. Else keep what is unfolded and where one is:
  // whoever pressed a button that is gone goes on from the top of what came in its place.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, pathInfo, target, shouldSwap, requestConfig: { elt } } = event.detail;
    const asked = new URL(pathInfo.requestPath, location).pathname;
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    if (!shouldSwap) return;
    const open = [target, one("#deliveries")].flatMap((part) => part
      ? [...part.querySelectorAll("details[id][open]")].map((fold) => fold.id) : []);
    const at = elt.matches("form") ? elt : document.activeElement;
    const held = target.contains(at) && target.id;
    if (open.length || held) document.addEventListener("htmx:afterSwap", () => {
      open.forEach((id) => {
        const fold = document.getElementById(id);
        if (fold) fold.open = true;
      });
      const drawn = held && document.activeElement === document.body && document.getElementById(held);
      if (!drawn) return;
      drawn.tabIndex = -1;
      drawn.focus({ preventScroll: true });
    }, { once: true });
  });

  // The tab says how things stand.
  const icon = one("link[data-alarm]"), calm = icon && icon.href;
  const head = () => {
    const live = one("[data-title]");
    if (!live) return;
    document.title = live.dataset.title;
    if (icon) icon.href = "burning" in live.dataset ? icon.dataset.alarm : calm;
  };
  document.addEventListener("htmx:afterSwap", head);
  head();

  // Ages stay true.
  const age = (moment) => {
    const gap = (Date.now() - moment) / 1000, size = Math.abs(gap);
    if (size < 60) return gap >= 0 ? "just now" : "in less than 1 min";
    const text = size < 3600 ? `${Math.floor(size / 60)} min`
      : size < 86400 ? `${Math.floor(size / 3600)} h` : `${Math.floor(size / 86400)} d`;
    return gap >= 0 ? `${text} ago` : `in ${text}`;
  };
  setInterval(() => document.querySelectorAll("time[data-since]").forEach((time) => {
    time.textContent = age(Date.parse(time.dateTime));
  }), 20000);

  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) navigator.clipboard.writeText(copy.dataset.copy).then(() => say("Copied."));
    if (event.target.closest("[data-keys-switch]")) {
      localStorage.setItem("keys", keysOn() ? "off" : "on");
      label();
    }
  });

  const keysOn = () => localStorage.getItem("keys") !== "off";
  const label = () => {
    const button = one("[data-keys-switch]");
    if (button) button.textContent = keysOn() ? "Turn keys off" : "Turn keys on";
  };
  label();
  // In a list from line to line; Enter opens, as of any link.
  const neighbour = (way) => {
    const lines = way ? [...document.querySelectorAll(".row a.title")] : [];
    const at = lines.indexOf(document.activeElement);
    return lines[at < 0 ? 0 : Math.min(Math.max(at + way, 0), lines.length - 1)];
  };
  let before = "";
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (!keysOn() || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = one(`[data-${before === "g" ? "go" : "key"}="${CSS.escape(event.key)}"]`)
      || neighbour({ j: 1, k: -1 }[event.key]);
    before = event.key;
    if (!target) return;
    event.preventDefault();
    if (target.matches("input, p, .title")) target.focus();
    else target.click();
  });
})();
