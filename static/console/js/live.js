// Live regions ([data-live]): htmx polls the page's own URL; this decides when not to, keeps what the
// reader has done to the page across refreshes, and says how old the page is.
(() => {
  "use strict";
  const LONGEST_PAUSE = 60_000; // ms between attempts while refreshing fails
  const say = document.getElementById("live-state");
  const announce = document.getElementById("live-announce");
  const states = new Map(); // region id -> { checkedAt, failures, notBefore, busy, forced, again, outdated, byHand, held, shed }

  const regions = () => [...document.querySelectorAll("[data-live]")];

  function stateOf(region) {
    if (!states.has(region.id)) {
      const checkedAt = new Date(region.dataset.checkedAt || serverClock.now());
      states.set(region.id, { checkedAt, failures: 0, notBefore: 0, busy: false, forced: false, again: false, outdated: false, byHand: false, held: false, shed: false });
    }
    return states.get(region.id);
  }

  function timeOfDay(date) {
    const timeZone = document.body.dataset.zone || "UTC";
    return new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone }).format(date);
  }

  // No answer is told by htmx's events, to those below too: a promise that nobody takes up would be an error of the script.
  const ask = (source, swap) =>
    htmx.ajax("GET", source.getAttribute("hx-get"), { source, target: source, swap }).catch(() => {});

  // --- When not to refresh ----------------------------------------------------------------------

  function typing(region) {
    const field = document.activeElement;
    if (!region.contains(field) || !field.matches("input, textarea, select")) return false;
    if (field.matches("select")) return true; // an open list of options would close
    return field.type !== "checkbox" && field.type !== "radio" && field.value !== field.defaultValue;
  }

  function selectedText(region) {
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && selection.rangeCount
      && selection.getRangeAt(0).intersectsNode(region));
  }

  function reasonToWait(region) {
    if (document.hidden) return "hidden";
    if (document.querySelector("dialog[open]")) return "dialog open";
    if (selectedText(region)) return "text selected";
    if (typing(region)) return "typing";
    return "";
  }

  // --- Rows stay where they are while somebody is about to press one, or has chosen some ----------

  let touching = false;
  document.addEventListener("touchstart", (event) => { touching = Boolean(event.target.closest?.("[data-row]")); }, { passive: true });
  for (const name of ["touchend", "touchcancel"]) document.addEventListener(name, () => { touching = false; });

  // A finger leaves the hover behind where it was.
  const hovers = matchMedia("(hover: hover)");
  const atRows = (region) => Boolean(touching || (hovers.matches && region.querySelector("[data-row]:hover"))
    || (region.contains(document.activeElement) && document.activeElement.closest("[data-row]")));
  const holdsStill = (region) => atRows(region) || Boolean(region.querySelector("[data-row] input[type=checkbox]:checked"));

  const rowsOf = (root) => [...root.querySelectorAll("[data-row] a[data-row-link]")].map((link) => link.getAttribute("href"));

  function wouldMove(region, html) {
    const fresh = rowsOf(new DOMParser().parseFromString(html, "text/html"));
    return rowsOf(region).some((href, at) => href !== fresh[at]);
  }

  function release() {
    const held = regions().filter((region) => stateOf(region).held && !holdsStill(region));
    for (const region of held) stateOf(region).held = false;
    if (held.length) refreshNow();
  }

  for (const name of ["pointerout", "focusout", "touchend", "touchcancel", "change", "console:chosen"]) {
    document.addEventListener(name, () => requestAnimationFrame(release));
  }

  // htmx would queue it, and forgets its queue when the answer that is under way changes the region. That answer may have
  // been read before the action that asks for this, so it is asked for once more after it. A poll comes again by itself.
  document.addEventListener("htmx:confirm", (event) => {
    const { elt: region, triggeringEvent } = event.detail;
    if (!region.matches?.("[data-live]") || !stateOf(region).busy) return;
    event.preventDefault();
    if (triggeringEvent) stateOf(region).again = true;
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const region = event.detail.elt;
    if (!region.matches?.("[data-live]")) return;
    const state = stateOf(region);
    const reason = state.forced ? "" : reasonToWait(region);
    const early = !state.forced && Date.now() < state.notBefore;
    if (reason || early) {
      event.preventDefault();
      state.forced = false;
      if (reason) show("paused", `paused: ${reason}`);
      return;
    }
    state.byHand = state.forced;
    state.forced = false;
    state.busy = true;
  });

  // An item that is gone answers 404 with its region, which says so: that is news, not a failure.
  const isGone = (xhr) => xhr.status === 404 && xhr.responseText.includes("data-live=");

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.elt.matches?.("[data-live]")) return;
    if (isGone(event.detail.xhr)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
    const { elt: region, xhr } = event.detail;
    const state = stateOf(region);
    // Asked for before the dialog opened, a text was selected or somebody began to type: the page stays as it was then.
    if (state.outdated || document.querySelector("dialog[open]") || (!state.byHand && reasonToWait(region))) event.detail.shouldSwap = false;
    state.held = event.detail.shouldSwap && !state.byHand && holdsStill(region) && wouldMove(region, xhr.responseText);
    if (state.held) event.detail.shouldSwap = false;
  });

  // --- What came of it ----------------------------------------------------------------------------

  // ms until what failed so many times in a row is asked for again.
  function pauseAfter(xhr, failures) {
    const asked = 1000 * (Number(xhr.getResponseHeader?.("Retry-After")) || 0);
    return Math.min(LONGEST_PAUSE, Math.max(1000 * 2 ** failures, asked));
  }

  // Who says when to come again is asked then: the next poll may be a minute away.
  function askAgain(id, state, pause) {
    const { failures } = state;
    setTimeout(() => {
      const region = document.getElementById(id);
      if (region && states.get(id) === state && state.failures === failures) refresh(region);
    }, pause + 1);
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const region = event.detail.elt;
    if (!region?.id || !states.has(region.id) || event.detail.requestConfig?.verb !== "get") return;
    if (!region.matches("[data-live]")) return;
    const state = states.get(region.id);
    state.busy = false;
    const xhr = event.detail.xhr;
    if ((xhr.status >= 200 && xhr.status < 400) || isGone(xhr)) {
      const recovered = state.failures > 0;
      Object.assign(state, { failures: 0, notBefore: 0 });
      if (!state.held) state.checkedAt = new Date(serverClock.now());
      if (recovered) announce.textContent = "Live again.";
    } else {
      state.failures += 1;
      state.shed = xhr.status === 503 && xhr.responseText.includes('data-problem="busy"');
      const pause = pauseAfter(xhr, state.failures);
      state.notBefore = Date.now() + pause;
      if (xhr.getResponseHeader("Retry-After")) askAgain(region.id, state, pause);
      if (state.failures === 1) announce.textContent = `Refreshing fails. Stale since ${timeOfDay(state.checkedAt)}.`;
    }
    state.outdated = false;
    if (state.again) {
      Object.assign(state, { again: false, notBefore: 0 });
      setTimeout(() => refresh(region)); // htmx is not done with this one
    }
    render();
  });

  // A part that comes after its page (hx-trigger="load") is asked for once: nothing else would ask again.
  const missed = new WeakMap(); // part -> failures in a row
  document.addEventListener("htmx:afterRequest", ({ detail: { elt: part, successful, xhr } }) => {
    if (successful || part.getAttribute?.("hx-trigger") !== "load") return;
    missed.set(part, (missed.get(part) || 0) + 1);
    setTimeout(() => {
      if (part.isConnected) ask(part, part.getAttribute("hx-swap"));
    }, pauseAfter(xhr, missed.get(part)));
  });

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const version = detail.xhr.getResponseHeader("X-Console-Version");
    if (version === null || version === document.body.dataset.version || document.getElementById("new-version")) return;
    const notice = document.createElement("p");
    notice.id = "new-version";
    notice.className = "banner tone-attention";
    notice.innerHTML = '<span>There is a new version of the console. <a href="">Reload</a></span>';
    document.getElementById("main").prepend(notice);
    if (announce) announce.textContent = "There is a new version of the console.";
  });

  // --- Saying it ------------------------------------------------------------------------------------

  function show(kind, text) {
    if (!say || (say.dataset.state === kind && say.textContent === text)) return;
    say.dataset.state = kind;
    say.textContent = text;
  }

  function render() {
    const all = regions();
    for (const id of states.keys()) if (!document.getElementById(id)) states.delete(id);
    if (!all.length) return show("", "");
    const oldest = all.map(stateOf).reduce((a, b) => (a.checkedAt < b.checkedAt ? a : b));
    const at = timeOfDay(oldest.checkedAt);
    const failing = all.filter((region) => stateOf(region).failures > 0);
    const stale = failing.length > 0 || !navigator.onLine;
    document.body.toggleAttribute("data-stale", stale);
    if (stale) return show("stale", failing.some((region) => stateOf(region).shed) ? `busy · as of ${at}` : `stale since ${at}`);
    const on = all.filter((region) => region.dataset.live === "on");
    if (on.length) {
      const reason = on.map((region) => reasonToWait(region) || (stateOf(region).held ? "rows would move" : "")).find(Boolean);
      return reason ? show("paused", `paused: ${reason}`) : show("on", `live · ${at}`);
    }
    return all.some((region) => region.dataset.live === "off")
      ? show("off", `as of ${at}`)
      : show("finished", `finished · ${at}`);
  }

  // --- Refreshing now ---------------------------------------------------------------------------------

  function refresh(region) {
    if (stateOf(region).busy) stateOf(region).again = true;
    else ask(region, "morph:outerHTML");
  }

  function refreshNow({ forced = false } = {}) {
    for (const region of regions()) {
      const state = stateOf(region);
      state.forced = forced;
      state.notBefore = 0;
      refresh(region);
    }
  }

  // --- After an action: soon, for a minute, also where refreshing is off, since it is the answer to what one did -----

  const SOON = 2000, SOON_FOR = 60_000; // ms
  let soonUntil = 0;

  function expectAnswer() {
    soonUntil = Date.now() + SOON_FOR;
    // On the next page too: the item's list, or the item of a form that was a page.
    try {
      sessionStorage.setItem("soon-until", soonUntil);
    } catch {
      // Storage is full or forbidden: it holds for this page.
    }
  }

  try {
    soonUntil = Number(sessionStorage.getItem("soon-until"));
  } catch {
    // Forbidden: nothing is expected then.
  }
  if (document.querySelector("#messages [data-done]")) expectAnswer();
  document.addEventListener("console:done", expectAnswer);

  setInterval(() => {
    if (Date.now() > soonUntil) return;
    for (const region of regions()) {
      const { busy, checkedAt } = stateOf(region);
      const fresh = serverClock.now() - checkedAt < SOON / 2;
      if (region.dataset.live !== "finished" && !busy && !fresh) refresh(region);
    }
  }, SOON);

  document.addEventListener("console:announce", (event) => { if (announce) announce.textContent = event.detail.text; });
  document.addEventListener("console:refresh-now", () => refreshNow({ forced: true }));
  window.addEventListener("online", () => refreshNow());
  window.addEventListener("offline", render);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    render();
    for (const region of regions()) {
      // Whoever comes back to the page wants it as it is now, not in thirty seconds; and a list on which all is
      // finished, which asks no more by itself, may have got new items.
      if (region.dataset.live !== "off" && serverClock.now() - stateOf(region).checkedAt > 2000) return refreshNow();
    }
  });
  for (const name of ["selectionchange", "change", "close", "toggle"]) {
    document.addEventListener(name, () => requestAnimationFrame(render), true);
  }

  document.addEventListener("console:interval", (event) => {
    const seconds = event.detail.seconds;
    for (const region of regions()) {
      if (region.dataset.live === "finished") continue;
      region.dataset.live = seconds ? "on" : "off";
      // An answer that is under way has the interval of before.
      const state = stateOf(region);
      if (state.busy) state.outdated = state.again = true;
      const poll = seconds ? `every ${seconds}s, ` : "";
      region.setAttribute("hx-trigger", `${poll}console:refresh from:body`);
      htmx.process(region);
    }
    render();
  });

  // --- What the reader has done to the page stays -------------------------------------------------------

  function dirty(element) {
    if (element instanceof HTMLOptionElement) return element.selected !== element.defaultSelected;
    if (element instanceof HTMLInputElement && ["checkbox", "radio"].includes(element.type)) {
      return element.checked !== element.defaultChecked;
    }
    return (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement)
      && element.value !== element.defaultValue;
  }

  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => {
    if (name === "open" && element.matches("details, dialog")) return false;
    if (["checked", "value", "selected"].includes(name) && dirty(element)) return false;
    return true;
  };

  // What came from another page into this region stays while the region still asks for the same.
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) =>
    !(old instanceof HTMLElement && old.dataset.guest && old.dataset.guest === fresh.dataset?.guest);

  regions().forEach(stateOf);
  document.addEventListener("htmx:afterSettle", render);
  render();
})();
