// Rows chosen for an action on many: kept over the pages of one filter, and sent as keys, not as what the page shows.
(() => {
  "use strict";
  const form = document.getElementById("select");
  if (!form) return;
  const MAX = Number(form.dataset.max);
  const MAX_LENGTH = 500_000; // characters of all keys: as a form they fit into what the server reads
  const place = `chosen:${form.dataset.logical}`;
  const KEY = "key~"; // a form would change some keys, so they are quoted, and the name says so
  const address = `${document.body.dataset.user} ${form.dataset.address}`; // of the first page: without the cursor
  const everything = form.elements.namedItem("all");
  const count = form.querySelector("[data-select-count]");
  const limit = form.querySelector("[data-select-limit]");
  const announce = document.getElementById("live-announce");

  let chosen = new Set(); // keys, as the boxes' values have them
  let all = false;
  let last = ""; // the key that was chosen or left out last: a range begins there

  const boxes = () => [...document.querySelectorAll(`[data-row] input[name="${KEY}"]`)];
  const boxOfPage = () => document.getElementById("select-page");

  // --- Kept for the address -------------------------------------------------------------------------

  function recall() {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(place));
    } catch {
      // Forbidden or not ours: nothing is chosen then.
    }
    const same = kept?.address === address;
    chosen = new Set(same ? kept.keys : []);
    all = same && kept.all;
    if (!same) keep();
  }

  function keep() {
    try {
      sessionStorage.setItem(place, JSON.stringify({ address, all, keys: [...chosen] }));
    } catch {
      // Storage is full or forbidden: what is chosen lasts as long as the page.
    }
  }

  // --- Choosing ---------------------------------------------------------------------------------------

  const length = () => [...chosen].reduce((sum, key) => sum + key.length, 0);

  // Returns why not all of them were taken.
  function choose(keys, wanted) {
    let room = MAX_LENGTH - length();
    for (const key of keys) {
      if (!wanted) chosen.delete(key);
      else if (!chosen.has(key)) {
        if (chosen.size >= MAX) return `At most ${MAX.toLocaleString("en")} can be chosen one by one.`;
        room -= key.length;
        if (room < 0) return "No more can be chosen one by one: their ids are too long to be sent together.";
        chosen.add(key);
      }
    }
    return "";
  }

  function range(box) {
    const keys = boxes().map((one) => one.value);
    const [from, to] = [keys.indexOf(last), keys.indexOf(box.value)].sort((a, b) => a - b);
    return from < 0 ? [box.value] : keys.slice(from, to + 1);
  }

  function clear() {
    chosen.clear();
    all = false;
    last = "";
    done();
  }

  function done(why = "") {
    limit.textContent = why && `${why} “${everything.labels[0].textContent.trim()}” takes more.`;
    limit.hidden = !why;
    keep();
    render();
    if (announce) announce.textContent = why || count.textContent || "Nothing chosen";
    document.dispatchEvent(new CustomEvent("console:chosen"));
  }

  // --- Showing it -------------------------------------------------------------------------------------

  function said(here) {
    if (all) return "All that match are chosen";
    if (!chosen.size) return "";
    const away = chosen.size - here;
    const where = away === chosen.size ? ", none of them on this page" : away ? `, ${away.toLocaleString("en")} of them not on this page` : "";
    return `${chosen.size.toLocaleString("en")} chosen${where}`;
  }

  function render() {
    const shown = boxes();
    for (const box of shown) box.checked = all || chosen.has(box.value);
    const here = shown.filter((box) => box.checked).length;
    const page = boxOfPage();
    if (page) {
      page.checked = here > 0 && here === shown.length;
      page.indeterminate = here > 0 && here < shown.length;
    }
    everything.checked = all;
    count.textContent = said(here);
    const open = all || chosen.size > 0;
    const leaves = !open && form.contains(document.activeElement);
    form.classList.toggle("is-open", open);
    // What had the focus is not there any more.
    if (leaves) (document.querySelector("[data-row].is-current a[data-row-link]") || document.getElementById("rows") || document.getElementById("main")).focus({ preventScroll: true });
  }

  // --- What the person does ---------------------------------------------------------------------------

  const boxOf = (target) => target.name === KEY && target.closest("[data-row]") && target;

  document.addEventListener("click", (event) => {
    const box = boxOf(event.target);
    if (box) {
      // Of all that match, one is left out: the others of this page stay chosen.
      const others = all && !box.checked ? boxes().map((one) => one.value) : [];
      all = false;
      const why = choose(others, true) || choose(event.shiftKey ? range(box) : [box.value], box.checked);
      last = box.value;
      return done(why);
    }
    if (event.target === boxOfPage()) {
      all = false;
      return done(choose(boxes().map((one) => one.value), event.target.checked));
    }
    // Around the box is as good as on it, for a finger.
    const cell = event.target.closest?.("[data-row] .is-check");
    cell?.querySelector("input").dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: event.shiftKey }));
  });

  everything.addEventListener("change", () => {
    all = everything.checked;
    done();
  });

  form.addEventListener("reset", () => setTimeout(clear)); // after the boxes are reset

  // Before others close what Escape closes, so that one press does one thing.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || !form.classList.contains("is-open")) return;
    const field = event.target.closest("input, textarea, select");
    if ((field && field.type !== "checkbox") || document.querySelector("dialog[open], details[data-menu][open]")) return;
    clear();
  }, true);

  // In a box Enter would send the form by its first button; it opens the row.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.type === "checkbox" && event.target.form === form) event.preventDefault();
  });

  form.addEventListener("formdata", ({ formData }) => {
    formData.delete(KEY);
    if (!all) for (const key of chosen) formData.append(KEY, key);
  });

  // Rows that a refresh brings may be chosen already; so may those of a page that one comes back to.
  document.addEventListener("htmx:afterSettle", render);
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    recall();
    render();
  });

  recall();
  render();
})();
