// Keeps relative times ticking. The rule is the server's: opsportal/console/clock.py, `relative`.
(() => {
  "use strict";
  const MINUTE = 60, HOUR = 3600, DAY = 86400;

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

  function tick() {
    if (document.hidden) return;
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-when]")) {
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      const text = relative(at, now);
      // Writing the same text again would drop a selection that spans it.
      if (time.textContent !== text) time.textContent = text;
    }
  }

  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:afterSwap", tick);
  tick();
})();
