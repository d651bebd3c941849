// The palette: pages, what was visited last, and actions, by Ctrl-K from every page. What is typed is searched for.
(() => {
  "use strict";
  const MAX_RECENT = 12;
  const MAX_SHOWN = 8; // of each group
  const user = document.body.dataset.user;
  const PREFIX = "recent:";

  // --- What was visited, in this browser: addresses and ids, of one person ------------------------------

  function stored(key) {
    try {
      const found = JSON.parse(localStorage.getItem(key));
      return Array.isArray(found) ? found.filter((one) => typeof one?.path === "string" && one.path.startsWith("/") && typeof one.id === "string") : [];
    } catch {
      return [];
    }
  }

  function forget(but) {
    try {
      for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX) && key !== but) localStorage.removeItem(key);
    } catch {
      // Storage is forbidden: nothing was kept.
    }
  }

  function visit() {
    const mark = document.querySelector("[data-item-nav]");
    const id = document.querySelector("h1")?.textContent.trim();
    if (!mark || !id || !user) return;
    const path = mark.dataset.itemPath || location.pathname;
    const kind = path.split("/")[1];
    try {
      const others = stored(PREFIX + user).filter((one) => one.path !== path);
      localStorage.setItem(PREFIX + user, JSON.stringify([{ path, id: id.slice(0, 200), kind }, ...others].slice(0, MAX_RECENT)));
    } catch {
      // Full or forbidden: it is not remembered.
    }
  }

  forget(PREFIX + user); // of who signed in before
  visit();
  document.addEventListener("submit", ({ target }) => target.matches("[data-signs-out]") && forget());

  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const input = document.getElementById("palette-input");
  const list = document.getElementById("palette-list");

  // --- What it offers ---------------------------------------------------------------------------------------

  const iconOf = (element) => element.querySelector("svg.icon")?.cloneNode(true);
  const wordsOf = (element) => (element.querySelector("span:not(.why-not):not(.count)") || element).textContent.replace(/\s+/g, " ").trim();
  const visible = (element) => element.offsetParent !== null && !element.closest("dialog");

  function entries() {
    const pages = [...document.querySelectorAll(".sidebar a")].map((a) => ({ group: "Pages", words: wordsOf(a), icon: iconOf(a), href: a.href }));
    const recent = stored(PREFIX + user).map((one) => {
      const page = document.querySelector(`.sidebar a[href="/${CSS.escape(one.kind)}/"]`);
      return { group: "Recent", words: one.id, note: one.kind, icon: page && iconOf(page), href: one.path };
    });
    const own = [...document.querySelectorAll(".page-actions a, .page-actions button, .action-bar a, .action-bar button, [data-action]")]
      .filter((element, at, all) => visible(element) && all.indexOf(element) === at && element.getAttribute("aria-disabled") !== "true" && wordsOf(element))
      .map((element) => ({ group: "Actions", words: wordsOf(element), note: "on this page", icon: iconOf(element), press: element }));
    const names = new Set(own.map((one) => one.words));
    const shortcuts = [...document.getElementById("palette-shortcuts").content.querySelectorAll("a")]
      .filter((a) => !names.has(wordsOf(a)))
      .map((a) => ({ group: "Actions", words: wordsOf(a), icon: iconOf(a), href: a.href }));
    return [...recent, ...own, ...shortcuts, ...pages];
  }

  let all = [];
  let shown = [];
  let at = 0;
  let opener = null;

  function matching(typed) {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all.filter((one) => words.every((word) => `${one.words} ${one.note || ""}`.toLowerCase().includes(word)));
    const kept = [];
    for (const one of found) if (kept.filter((other) => other.group === one.group).length < MAX_SHOWN) kept.push(one);
    const text = typed.trim().toLowerCase();
    if (!text) return kept;
    const icon = dialog.querySelector(".palette-box svg").cloneNode(true);
    const search = { group: "Search", icon, words: `Search all tables for “${typed.trim().slice(0, 80)}”`, href: `${list.dataset.searchUrl}?q=${encodeURIComponent(typed)}` };
    // What no name begins with is an id or a text.
    const best = kept.filter((one) => one.words.toLowerCase().startsWith(text)).map((one) => ({ ...one, group: "Best matches" }));
    return [...best, search, ...kept.filter((one) => !one.words.toLowerCase().startsWith(text))];
  }

  function draw() {
    shown = matching(input.value);
    at = 0;
    list.replaceChildren();
    let group = null;
    shown.forEach((one, number) => {
      if (!group || group.dataset.group !== one.group) {
        group = document.createElement("div");
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", one.group);
        group.dataset.group = one.group;
        const title = document.createElement("p");
        title.className = "palette-group";
        title.setAttribute("aria-hidden", "true");
        title.textContent = one.group;
        group.append(title);
        list.append(group);
      }
      const option = document.createElement("div");
      option.className = "palette-option";
      option.id = `palette-option-${number}`;
      option.setAttribute("role", "option");
      option.dataset.number = number;
      if (one.icon) option.append(one.icon);
      const words = document.createElement("span");
      words.textContent = one.words;
      option.append(words);
      if (one.note) {
        const note = document.createElement("span");
        note.className = "muted";
        note.textContent = one.note;
        option.append(" ", note);
      }
      group.append(option);
    });
    mark(0);
  }

  function mark(number) {
    at = Math.min(Math.max(number, 0), Math.max(shown.length - 1, 0));
    for (const option of list.querySelectorAll("[role=option]")) {
      const current = Number(option.dataset.number) === at;
      option.setAttribute("aria-selected", String(current));
      if (current) option.scrollIntoView({ block: "nearest" });
    }
    if (shown.length) input.setAttribute("aria-activedescendant", `palette-option-${at}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function choose(one) {
    if (!one) return;
    const { press, href } = one;
    dialog.close();
    if (press?.isConnected) press.click();
    else if (href) location.assign(href);
  }

  // --- Opening and its keys -----------------------------------------------------------------------------------

  function open() {
    if (document.querySelector("dialog[open]")) return;
    opener = document.activeElement;
    all = entries();
    input.value = "";
    dialog.showModal();
    draw();
    input.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" && event.code !== "KeyK") return;
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-open-palette]")) return;
    open();
  });

  input.addEventListener("input", draw);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: MAX_SHOWN, PageUp: -MAX_SHOWN };
    if (event.key in steps) mark(at + steps[event.key]);
    else if (event.key === "Enter") choose(shown[at]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(shown[Number(option.dataset.number)]);
  });
  dialog.addEventListener("close", () => {
    if (opener?.isConnected) opener.focus({ preventScroll: true });
    opener = null;
    list.replaceChildren();
  });
})();
