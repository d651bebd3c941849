// Actions open in one native dialog; without script their links lead to the same form as a page.
(() => {
  "use strict";
  const dialog = document.getElementById("dialog");
  if (!dialog) return;
  const body = document.getElementById("dialog-body");
  const title = document.getElementById("dialog-title");
  const announce = document.getElementById("live-announce");
  const NO_ANSWER = "No answer came, so it is not known whether it was done. Send it again: it is done only once.";
  const FAILED = "The console could not answer, so it is not known whether it was done. Send it again: it is done only once.";
  const NOT_OPENED = "The form could not be loaded. Close this and try again.";

  // --- Where the focus was ------------------------------------------------------------------------

  let opener = null; // what opened the dialog: { element, action, href }
  let held = null; // what had the focus before a refresh

  const describe = (element) =>
    element && { element, action: element.dataset.action, href: element.getAttribute("href") };

  // A refresh may have put another element in its place, and an action may have disabled it.
  function wayBack(was) {
    if (was.element.isConnected) return was.element;
    const by = (name, value) => value && document.querySelector(`[data-action][${name}="${CSS.escape(value)}"]`);
    return by("data-action", was.action) || by("href", was.href) || document.getElementById("main");
  }

  const nothingFocused = () => !document.activeElement || document.activeElement === document.body;

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, shouldSwap } = event.detail;
    const button = document.activeElement?.closest("[data-action]");
    if (shouldSwap && button && target.matches?.("[data-live]")) held = describe(button);
  });

  document.addEventListener("htmx:afterSettle", () => {
    if (held && nothingFocused()) wayBack(held).focus({ preventScroll: true });
    held = null;
  });

  // --- Opening and closing ------------------------------------------------------------------------

  const opens = (element) => element.closest?.("[data-opens-dialog]");

  document.addEventListener("htmx:beforeRequest", (event) => {
    const link = opens(event.target);
    if (link) opener = describe(link);
  });

  function show(text) {
    title.textContent = text || "Action";
    if (!dialog.open) dialog.showModal();
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== body) return;
    show(body.querySelector("[data-dialog-title]")?.dataset.dialogTitle);
    const first = ["[role=alert]", "[aria-invalid=true]", "input:not([type=hidden]), select, textarea, button[type=submit], .btn"];
    first.map((kind) => body.querySelector(kind)).find(Boolean)?.focus();
  });

  document.addEventListener("click", (event) => {
    const closer = event.target.closest("[data-dialog-close]");
    if (!closer || !dialog.open) return;
    event.preventDefault();
    dialog.close();
  });

  document.body.addEventListener("console:close", () => {
    if (dialog.open) dialog.close();
  });

  dialog.addEventListener("close", () => {
    // A form that was sent stays until the next one: its answer says what came of it, and nothing else would.
    if (!body.querySelector("form.htmx-request")) body.replaceChildren();
    // What the dialog held back, or what refused the action, is shown now; an action that was done has asked for it.
    if (!done) htmx.trigger(document.body, "console:refresh");
    if (opener && !done) wayBack(opener).focus();
    opener = null;
  });

  // --- When it went wrong -------------------------------------------------------------------------

  // Above the form, which keeps what was typed and the id that makes a repetition harmless.
  function complain(content, link) {
    const trouble = document.createElement("div");
    trouble.className = "dialog-trouble";
    trouble.setAttribute("role", "alert");
    trouble.tabIndex = -1;
    trouble.append(content);
    body.querySelector(".dialog-trouble")?.remove();
    body.prepend(trouble);
    if (link) show(link.textContent.trim());
    else if (!dialog.open) show(title.textContent); // closed while the answer was under way
    trouble.focus();
  }

  function onTrouble(event) {
    const from = event.detail.elt;
    const link = opens(from);
    const answer = event.detail.xhr;
    // Trouble that the server can name comes as a fragment of its own.
    const named = answer?.responseText?.trimStart().startsWith("<section") && answer.responseText.includes("data-problem=");
    if (!link && !body.contains(from)) {
      // A form of the page itself: nothing else would say that it was refused.
      if (answer?.status === 503 && from.matches("[data-search]")) return; // it asks again
      if (!named || !from.matches("form[hx-post]") || dialog.open) return;
      show("Not done");
    }
    if (named) {
      const problem = document.createElement("template");
      problem.innerHTML = answer.responseText;
      problem.content.querySelector("[role=alert]")?.removeAttribute("role");
      return complain(problem.content, link);
    }
    const banner = document.createElement("p");
    banner.className = "banner tone-failed";
    banner.textContent = link ? NOT_OPENED : answer?.status ? FAILED : NO_ANSWER;
    return complain(banner, link);
  }

  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.addEventListener(name, onTrouble);

  // --- What came of it ----------------------------------------------------------------------------

  // The focus goes to the sentence that says it, not to the button that the action has just disabled: its reason would
  // read like a refusal. What has the focus is read out, so it is not announced too.
  const outcome = () => document.querySelector("[data-outcome]");
  const keyOf = (element) => element?.dataset.outcome || "";
  let known = keyOf(outcome());
  let done = null; // of an action that was done: what is said of it, and the refreshes that were asked for since

  document.body.addEventListener("console:done", ({ detail }) => {
    document.getElementById("said")?.remove();
    done = { said: detail.said, asked: new Set() };
    document.getElementById("main").focus({ preventScroll: true });
  });

  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    if (detail.elt.matches("[data-live]")) done?.asked.add(detail.xhr);
  });

  // A trail that lags behind says it with a later refresh; until then the answer to the form does.
  function say(text) {
    const said = document.createElement("p");
    said.id = "said";
    said.className = "message tone-running";
    said.textContent = text;
    said.tabIndex = -1;
    document.getElementById("messages").after(said);
    said.focus({ preventScroll: true });
  }

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!done?.asked.has(detail.xhr)) return;
    const { said } = done;
    done = null;
    if (document.activeElement !== document.getElementById("main") && !nothingFocused()) return; // one went on
    if (keyOf(outcome()) !== known) outcome()?.focus({ preventScroll: true });
    else if (said) say(said);
    known = keyOf(outcome());
  });

  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.requestConfig?.verb === "post") detail.target.querySelector?.("[data-outcome]")?.focus({ preventScroll: true });
    else if (!done && keyOf(outcome()) !== known) {
      known = keyOf(outcome());
      if (announce && known) announce.textContent = outcome().textContent.replace(/\s+/g, " ").trim();
    }
  });
})();
