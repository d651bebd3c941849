// A search that goes on in the background of its list: htmx takes its steps, this moves what they found below the rows,
// where the refreshes of the list leave it alone.
(() => {
  "use strict";
  document.addEventListener("change", ({ target }) => target.matches("[data-submits]") && target.form.requestSubmit());

  const progress = document.getElementById("search");
  if (!progress) return;
  const rows = document.getElementById("found");
  let focused = false; // on what a step replaces, or on the link that the first one hides

  // The first table that has rows comes whole; of others only the rows. An item may have moved up into the list.
  function show(fresh) {
    fresh.remove();
    const table = fresh.querySelector("table");
    if (!table) return;
    const news = [...table.querySelectorAll("[data-row]")].filter((row) => !document.getElementById(row.id));
    if (!rows.firstElementChild) {
      table.querySelector("th.is-check")?.replaceChildren(); // its box is for the rows above
      table.querySelector("tbody").replaceChildren();
      rows.append(table);
    }
    rows.querySelector("tbody").append(...news);
    rows.hidden = false;
    const count = document.querySelector("[data-found-count]");
    if (count) count.textContent = rows.querySelectorAll("[data-row]").length;
  }

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target === progress) focused = Boolean(document.activeElement.closest("#search, [data-search-on]"));
  });

  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.target === progress && focused && !progress.contains(document.activeElement)) progress.focus({ preventScroll: true });
  });

  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target !== progress) return;
    show(progress.querySelector("[data-search-found]"));
    const form = progress.querySelector("[data-search]");
    if (form.dataset.search === "runs") return;
    const text = form.querySelector("[data-search-said]").textContent.replace(/\s+/g, " ").trim();
    document.dispatchEvent(new CustomEvent("console:announce", { detail: { text } }));
  });

  // A step may replace the button while it is pressed, which would be no click.
  document.addEventListener("pointerdown", (event) => {
    const stop = event.button === 0 && event.target.closest?.("#search-stop");
    if (stop) stop.click();
  });

  // htmx sends the button that has the focus with each step; a step is to stop by a press alone.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.elt.matches("[data-search]") && !detail.triggeringEvent?.submitter) delete detail.parameters.do;
  });

  // Nor is what was asked for by hand replaced by the step that was due.
  document.addEventListener("htmx:confirm", (event) => {
    const { elt, triggeringEvent } = event.detail;
    if (!elt.matches("[data-search]")) return;
    if (triggeringEvent?.type === "submit") elt.dataset.asked = "";
    else if ("asked" in elt.dataset) event.preventDefault();
  });

  // A console that is busy is asked again. No answer, or none that is a step: the next one is asked for by hand.
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, ({ detail: { target, elt, xhr } }) => {
      if (target !== progress) return;
      if (xhr.status === 503 && elt.matches("[data-search]")) {
        setTimeout(() => elt.isConnected && elt.requestSubmit(), 1000 * (Number(xhr.getResponseHeader("Retry-After")) || 2));
        return;
      }
      for (const element of progress.querySelectorAll("[data-search-lost]")) element.hidden = false;
      // Not even a first step: the list's next page says why.
      if (!progress.firstElementChild) location.assign(elt.href);
    });
  }
})();
