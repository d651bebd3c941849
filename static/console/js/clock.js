// Keeps relative times ticking, by the server's clock: a reader's may be wrong. The rules of `relative` and `duration`
// are the server's too: opsportal/console/clock.py.
(() => {
  "use strict";
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  const DATE_HEADER = 2000; // ms: the header Date has whole seconds, and an answer takes a moment
  let ahead = 0; // ms that the server's clock is ahead of the reader's
  let newest = -Infinity; // the last time that the server said on this page

  function heard(at) {
    if (Number.isNaN(at) || at <= newest) return;
    newest = at;
    ahead = at - Date.now();
  }

  // Pages and regions say when they were made (ms since 1970).
  function look() {
    for (const element of document.querySelectorAll("[data-now], [data-checked-at]")) {
      heard(Date.parse(element.dataset.now || element.dataset.checkedAt));
    }
  }

  const now = () => Date.now() + ahead;

  // An answer without content, that nothing has changed, has the time in its headers alone.
  document.addEventListener("htmx:afterRequest", (event) => {
    const at = Date.parse(event.detail.xhr?.getResponseHeader("Date"));
    if (Math.abs(at - now()) > DATE_HEADER) heard(at);
  });

  function relative(at, now) {
    const seconds = Math.round((now - at) / 1000);
    const size = Math.abs(seconds);
    if (size < 2) return "now";
    let amount;
    if (size < MINUTE) amount = `${size} s`;
    else if (size < HOUR) amount = `${Math.floor(size / MINUTE)} min`;
    else if (size < 2 * DAY) amount = `${Math.floor(size / HOUR)} h`;
    else if (size < 730 * DAY) amount = `${Math.floor(size / DAY)} d`;
    else amount = `${Math.floor(size / (365 * DAY))} y`;
    return seconds > 0 ? `${amount} ago` : `in ${amount}`;
  }

  function duration(at, now) {
    const seconds = Math.max(0, Math.floor((now - at) / 1000));
    if (seconds < MINUTE) return `${seconds} s`;
    if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} m ${seconds % MINUTE} s`;
    if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ${Math.floor((seconds % HOUR) / MINUTE)} m`;
    return `${Math.floor(seconds / DAY)} d ${Math.floor((seconds % DAY) / HOUR)} h`;
  }

  function tick() {
    if (document.hidden) return;
    const read = now();
    for (const time of document.querySelectorAll("time[data-when]")) {
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at) || time.dataset.said) continue;
      const text = (time.dataset.when === "duration" ? duration : relative)(at, read);
      // Writing the same text again would drop a selection that spans it.
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // A finger has no hover: a tap on a time shows it exactly, and another one as it was.
  const hovers = matchMedia("(hover: hover)");
  document.addEventListener("click", ({ target }) => {
    const time = target.closest?.("time[title]");
    if (!time || hovers.matches || time.closest("a, button, summary, label")) return;
    const { said } = time.dataset;
    if (said) delete time.dataset.said;
    else time.dataset.said = time.textContent;
    time.textContent = said || time.title;
    tick();
  });

  window.serverClock = { now };
  look();
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:afterSwap", () => {
    look();
    tick();
  });
  tick();
})();
