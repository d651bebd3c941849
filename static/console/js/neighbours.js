// The way from an item to its neighbours in the list one came from, over all pages of the list.
(() => {
  "use strict";
  const PREFIX = "list:", MAX_PAGES = 40;
  // The name of the list that the runs of a case are.
  const RUNS = "runs";
  // Of an item's address, what goes along to its neighbours.
  const KEPT = ["tab", "level"];
  const linkOf = (row) => row.querySelector("a[data-row-link]") || row.querySelector("a[href]");
  const inSite = (href, base) => {
    const url = new URL(href, base);
    return url.pathname + url.search;
  };

  // --- Lists, remembered for their items: {at, whole, pages: [{url, hrefs, next}]} ------------------------

  function pageOf(root, url) {
    const base = new URL(url, location.href);
    const rows = [...root.querySelectorAll("[data-list] [data-row], #found [data-row], [data-runs] tbody tr")];
    // A search in the background has gone on from there: its hits are among the rows.
    const next = root.querySelector("#search:not(:empty)") ? null : root.querySelector("[data-list] .pager a[rel=next]");
    return {
      url,
      hrefs: rows.map(linkOf).filter(Boolean).map((link) => new URL(link.getAttribute("href"), base).pathname),
      next: next ? inSite(next.getAttribute("href"), base) : "",
    };
  }

  function withPage(entry, page, first) {
    const known = entry ? entry.pages.findIndex((one) => one.url === page.url) : -1;
    if (known >= 0) {
      // What follows stands as long as it begins where this page ends.
      const following = entry.pages.slice(known + 1);
      const pages = [...entry.pages.slice(0, known), page, ...(following[0]?.url === page.next ? following : [])];
      return { ...entry, pages };
    }
    if (entry?.pages.at(-1).next === page.url && entry.pages.length < MAX_PAGES) return { ...entry, pages: [...entry.pages, page] };
    return { whole: first, pages: [page] };
  }

  function keep(name, entry) {
    try {
      sessionStorage.setItem(PREFIX + name, JSON.stringify({ ...entry, at: Date.now() }));
    } catch {
      // Storage is full or forbidden: items have no neighbours then.
    }
  }

  function recalled(name) {
    try {
      const entry = JSON.parse(sessionStorage.getItem(name));
      return entry?.pages?.length ? entry : null;
    } catch {
      return null;
    }
  }

  function remember() {
    const list = document.querySelector("[data-list], #found, [data-runs]");
    if (!list) return;
    const name = list.dataset.list || list.dataset.runs || location.pathname.split("/")[1];
    const page = pageOf(document, location.pathname + location.search);
    keep(name, withPage(recalled(PREFIX + name), page, !list.querySelector(".pager a[rel=first]")));
  }

  // The newest list that shows the item: a search may have led to it, or the list of its kind.
  function listOf(path) {
    let found = null;
    try {
      for (const name of Object.keys(sessionStorage)) {
        const entry = name.startsWith(PREFIX) ? recalled(name) : null;
        const page = entry ? entry.pages.findIndex((one) => one.hrefs.includes(path)) : -1;
        if (page >= 0 && !(found?.entry.at > entry.at)) found = { name: name.slice(PREFIX.length), entry, page };
      }
    } catch {
      // Storage is forbidden.
    }
    return found;
  }

  // --- The item ------------------------------------------------------------------------------------------

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

  // A neighbour of the same kind is shown in the part that one looks at: logs lead to logs.
  function sameKind(href, path) {
    if (!href || href.split("/")[1] !== path.split("/")[1]) return href;
    const asked = new URLSearchParams(location.search);
    const query = new URLSearchParams(KEPT.filter((name) => asked.get(name)).map((name) => [name, asked.get(name)]));
    const rest = location.pathname.startsWith(path) ? location.pathname.slice(path.length) : "";
    return href + rest + (query.size ? `?${query}` : "");
  }

  // Reads the list's next page, which a click on the last item of this one asks for.
  async function onward(event, { name, entry }, path) {
    event.preventDefault();
    const link = event.currentTarget, url = entry.pages.at(-1).next;
    if (link.getAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    let first = "";
    try {
      const answer = await fetch(url, { credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        const page = pageOf(new DOMParser().parseFromString(await answer.text(), "text/html"), url);
        first = page.hrefs[0];
        if (first) keep(name, withPage(entry, page, false));
      }
    } catch {
      // The page itself says what is wrong.
    }
    location.assign(first ? sameKind(first, path) : url);
  }

  function neighbours() {
    for (const nav of document.querySelectorAll("[data-item-nav]")) {
      const path = nav.dataset.itemPath || location.pathname;
      const found = listOf(path);
      if (!found) continue;
      const { entry, page } = found, { pages } = entry;
      const all = pages.flatMap((one) => one.hrefs), last = pages.at(-1).next;
      const at = pages.slice(0, page).reduce((sum, one) => sum + one.hrefs.length, 0) + pages[page].hrefs.indexOf(path);
      const seen = JSON.stringify([at, all.length, last, all[at - 1], all[at + 1], pages[page].url]);
      if (nav.dataset.shown === seen) continue; // a refresh must not take the focus
      nav.dataset.shown = seen;
      const position = document.createElement("span");
      position.className = "item-position";
      // Of a list that was entered in its middle nobody knows how many are before.
      if (entry.whole) position.textContent = `${at + 1} of ${all.length}${last ? "+" : ""}`;
      const onPage = sameKind(all[at + 1], path);
      const next = anchor(onPage || last, "↓", "Next in the list (j)", "next");
      if (!onPage && last) next.addEventListener("click", (event) => onward(event, found, path));
      nav.replaceChildren(anchor(sameKind(all[at - 1], path), "↑", "Previous in the list (k)", "prev"), position, next);
      // The page of an item that is gone has a way back of its own: it leads to the same list, filters and all.
      const back = document.querySelector("[data-back]");
      if (back) back.href = pages[page].url;
      else nav.append(anchor(pages[page].url, found.name === RUNS ? "Back to the case" : "Back to the list", "", "up"));
    }
  }

  function both() {
    remember();
    neighbours();
  }

  document.addEventListener("htmx:afterSettle", both);
  window.addEventListener("popstate", () => requestAnimationFrame(remember));
  both();
})();
