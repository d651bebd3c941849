// Keys, and the row one is at. neighbours.js has the way from an item to the next.
(() => {
  "use strict";
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  const linkOf = (row) => row.querySelector("a[data-row-link]") || row.querySelector("a[href]");
  const currentRow = () => document.querySelector("[data-row].is-current");

  // --- The row one is at ------------------------------------------------------------------------------

  function mark(row) {
    for (const other of document.querySelectorAll("[data-row].is-current")) other.classList.remove("is-current");
    row?.classList.add("is-current");
  }

  function move(step) {
    const all = rows();
    if (!all.length) return follow(step > 0 ? "next" : "prev");
    const at = all.indexOf(currentRow());
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
    mark(next);
    linkOf(next)?.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  function follow(rel) {
    const link = document.querySelector(`[data-item-nav] a[rel=${rel}][href]`);
    link?.click();
    return Boolean(link);
  }

  function select({ shiftKey }) {
    const box = currentRow()?.querySelector("input[type=checkbox]");
    box?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey }));
    return Boolean(box);
  }

  function act() {
    const button = document.querySelector(".select-bar.is-open button");
    button?.focus();
    return Boolean(button);
  }

  function open() {
    const row = currentRow();
    const at = document.activeElement; // a focused link opens by itself
    if (!row || (at !== document.body && !at.matches("[data-row] input[type=checkbox]"))) return false;
    linkOf(row)?.click();
    return true;
  }

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-row]");
    if (row) mark(row);
  });

  // Clicking the blank part of a row opens it; its links, boxes and texts keep their own ways.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-row][data-row-open]");
    if (!row || event.target.closest("a, button, input, label, summary, select")) return;
    if (document.getSelection()?.isCollapsed) linkOf(row)?.click();
  });

  // --- Keys ---------------------------------------------------------------------------------------------

  let before = null; // what had the focus when the search box took it

  function search(box) {
    if (!box) return false;
    if (!box.offsetParent) return (location.assign(box.form.action), true); // a narrow screen has it on its own page
    before = document.activeElement;
    box.focus();
    box.select();
    return true;
  }

  // A list without a text field: its menu of filters, or the first of its choices.
  function filter() {
    const menu = [...document.querySelectorAll(".toolbar details.menu:has(form)")].at(-1); // after that of the time
    if (menu) menu.open = true;
    const first = menu ? menu.querySelector("input:not([type=hidden]), select") : document.querySelector("#main .toolbar a, #main .page-tabs a");
    first?.focus();
    return Boolean(first);
  }

  function leaveSearch(event) {
    if (!event.target.matches("input[data-search], #search-all")) return;
    event.target.blur();
    if (before?.isConnected) before.focus();
    before = null;
  }

  const keys = {
    "/": () => search(document.getElementById("search-all")),
    f: () => search(document.querySelector("input[data-search]")) || filter(),
    j: () => move(1),
    k: () => move(-1),
    x: select,
    a: act,
    Enter: open,
    r: () => document.dispatchEvent(new CustomEvent("console:refresh-now")),
    "?": () => (document.getElementById("keys").showModal(), true),
  };

  // The key's name here: whatever Caps Lock says, and by where it is on a layout without Latin letters.
  function nameOf({ key, code, shiftKey }) {
    if (key.length > 1 || keys[key]) return key;
    if (/^[\x00-\x7f]$|\p{Script=Latin}/u.test(key)) return key.toLowerCase();
    return code === "Slash" ? (shiftKey ? "?" : "/") : code.replace(/^Key/, "").toLowerCase();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return leaveSearch(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field && !["checkbox", "radio"].includes(field.type)) return;
    if (document.querySelector("dialog[open]")) return;
    // Typing "/" in the browser's quick find, or Enter on a button, is not for us.
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    if (keys[nameOf(event)]?.(event)) event.preventDefault();
  });

  // A refresh may replace the row: the mark goes to the row of the same id, or of the same link.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", () => {
    kept = currentRow()?.id || null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (kept && !currentRow()) mark(document.getElementById(kept));
  });
})();
