// Keys, the row one is at, and the way from an item to its neighbours in the list one came from.
(() => {
  "use strict";
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  const linkOf = (row) => row.querySelector("a[data-row-link]") || row.querySelector("a[href]");
  const currentRow = () => document.querySelector("[data-row].is-current");

  // Lists and their items share the first part of their addresses: /workflows/, /workflows/<id>/.
  const place = (name) => `list:${name || location.pathname.split("/")[1]}`;

  // --- The list, remembered for its items ---------------------------------------------------------

  function remember() {
    for (const list of document.querySelectorAll("[data-list]")) {
      const hrefs = [...list.querySelectorAll("[data-row]")].map(linkOf).filter(Boolean).map((a) => a.pathname);
      const entry = { url: location.pathname + location.search, hrefs };
      try {
        sessionStorage.setItem(place(list.dataset.list), JSON.stringify(entry));
      } catch {
        // Storage is full or forbidden: items have no neighbours then.
      }
    }
  }

  function recalled(name) {
    try {
      return JSON.parse(sessionStorage.getItem(place(name)));
    } catch {
      return null;
    }
  }

  function anchor(href, text, label, rel) {
    const link = document.createElement("a");
    link.className = "btn btn-sm";
    link.textContent = text;
    if (href) link.href = href;
    else link.setAttribute("aria-disabled", "true");
    if (label) {
      link.setAttribute("aria-label", label);
      link.title = label;
    }
    if (rel) link.rel = rel;
    return link;
  }

  function neighbours() {
    for (const nav of document.querySelectorAll("[data-item-nav]")) {
      const list = recalled(nav.dataset.itemNav);
      const at = list ? list.hrefs.indexOf(nav.dataset.itemPath || location.pathname) : -1;
      if (at < 0) continue;
      const position = document.createElement("span");
      position.className = "item-position";
      position.textContent = `${at + 1} of ${list.hrefs.length}`;
      nav.replaceChildren(
        anchor(list.hrefs[at - 1], "↑", "Previous in the list (k)", "prev"),
        position,
        anchor(list.hrefs[at + 1], "↓", "Next in the list (j)", "next"),
      );
      // The page of an item that is gone has a way back of its own: it leads to the same list, filters and all.
      const back = document.querySelector("[data-back]");
      if (back) back.href = list.url;
      else nav.append(anchor(list.url, "Back to the list", "", "up"));
    }
  }

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

  function select() {
    const box = currentRow()?.querySelector("input[type=checkbox]");
    box?.click();
    return Boolean(box);
  }

  function open() {
    const row = currentRow();
    if (!row || document.activeElement !== document.body) return false; // a focused link opens by itself
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

  function search() {
    const box = document.querySelector("[data-search]");
    if (!box) return false;
    before = document.activeElement;
    box.focus();
    box.select();
    return true;
  }

  function leaveSearch(event) {
    if (!event.target.matches("[data-search]")) return;
    event.target.blur();
    if (before?.isConnected) before.focus();
    before = null;
  }

  const keys = {
    "/": search,
    j: () => move(1),
    k: () => move(-1),
    x: select,
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
    if (keys[nameOf(event)]?.()) event.preventDefault();
  });

  // A refresh may replace the row: the mark goes to the row of the same id, or of the same link.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", () => {
    kept = currentRow()?.id || null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (kept && !currentRow()) mark(document.getElementById(kept));
    remember();
    neighbours();
  });
  window.addEventListener("popstate", () => requestAnimationFrame(remember));

  remember();
  neighbours();
})();
