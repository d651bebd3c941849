// Tools for a log that is on the page ([data-log]): search in what is loaded, wrap, follow the tail.
(() => {
  "use strict";
  const WRAP = "log:wrap";
  const wanted = { text: "", wrap: localStorage.getItem(WRAP) !== "no", follow: false };
  const logs = () => document.querySelectorAll("[data-log]");
  let tools = null;

  function build(log) {
    tools = document.createElement("div");
    tools.className = "log-tools js-only";
    tools.innerHTML = `
      <label class="visually-hidden" for="log-search">Search in the lines shown</label>
      <input class="form-control form-control-sm log-search" id="log-search" type="search" placeholder="Search in the lines shown" data-search autocomplete="off">
      <span class="log-hits num" role="status"></span>
      <button type="button" class="btn btn-sm" data-log-wrap aria-pressed="true">Wrap</button>
      <button type="button" class="btn btn-sm" data-log-follow aria-pressed="false">Follow</button>`;
    // Outside the live region, or the next refresh would take the tools away.
    (log.closest("[data-live]") || log).before(tools);
    tools.querySelector("input").addEventListener("input", (event) => {
      wanted.text = event.target.value.toLowerCase();
      apply();
    });
    tools.querySelector("[data-log-wrap]").addEventListener("click", () => {
      wanted.wrap = !wanted.wrap;
      localStorage.setItem(WRAP, wanted.wrap ? "yes" : "no");
      apply();
    });
    tools.querySelector("[data-log-follow]").addEventListener("click", () => {
      wanted.follow = !wanted.follow;
      apply();
    });
  }

  function apply() {
    let hits = 0, lines = 0;
    for (const log of logs()) {
      if (!tools) build(log);
      log.classList.toggle("is-wrapped", wanted.wrap);
      for (const line of log.querySelectorAll(".log-line")) {
        const hit = !wanted.text || line.textContent.toLowerCase().includes(wanted.text);
        line.classList.toggle("is-miss", !hit);
        lines += 1;
        hits += hit ? 1 : 0;
      }
      // The log is as long as its lines: it is the page that scrolls.
      if (wanted.follow) log.querySelector(".log-line:not(.is-miss):last-of-type")?.scrollIntoView({ block: "end" });
    }
    if (!tools) return;
    tools.querySelector("[data-log-wrap]").setAttribute("aria-pressed", String(wanted.wrap));
    tools.querySelector("[data-log-follow]").setAttribute("aria-pressed", String(wanted.follow));
    tools.querySelector(".log-hits").textContent = wanted.text ? `${hits} of ${lines} lines` : "";
  }

  document.addEventListener("htmx:afterSettle", apply);
  apply();
})();
