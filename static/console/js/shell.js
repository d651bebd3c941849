// Comforts of the shell: copy buttons, menus, dialogs, and the quick settings without a reload.
(() => {
  "use strict";

  // --- Copying ------------------------------------------------------------------------------

  // Whether the text is on the clipboard now. A field's own value would lose carriage returns, so the event gives it.
  function copyBySelection(text, home) {
    const area = document.createElement("textarea");
    area.value = text;
    area.readOnly = true;
    area.className = "visually-hidden";
    home.append(area);
    let taken = false;
    const give = (event) => {
      event.clipboardData.setData("text/plain", text);
      event.preventDefault();
      taken = true;
    };
    document.addEventListener("copy", give, { once: true, capture: true });
    area.select();
    try {
      return document.execCommand("copy") && taken;
    } catch {
      return false;
    } finally {
      document.removeEventListener("copy", give, { capture: true });
      area.remove();
    }
  }

  // HTML holds neither NUL nor half of a character, so these come as JSON.
  const textOf = (button) => button.dataset.copyJson ? JSON.parse(button.dataset.copyJson) : button.dataset.copy;

  async function copy(button) {
    const text = textOf(button);
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Without TLS and off loopback browsers offer no clipboard, or refuse it. What is outside a modal dialog is inert.
      const copied = copyBySelection(text, button.closest("dialog[open]") || document.body);
      button.focus({ preventScroll: true });
      return copied;
    }
  }

  // The text itself, selected, for the person to copy.
  function offer(button) {
    button.parentElement.querySelector(".copy-by-hand")?.remove();
    const area = document.createElement("textarea");
    area.value = textOf(button);
    area.readOnly = true;
    area.rows = 1;
    area.className = "form-control copy-by-hand";
    area.setAttribute("aria-label", NOT_COPIED);
    area.title = NOT_COPIED;
    area.addEventListener("blur", () => area.remove(), { once: true });
    button.after(area);
    area.select();
    area.focus({ preventScroll: true });
  }

  const NOT_COPIED = "Not copied. Press Ctrl+C to copy the selected text.";
  const labels = new WeakMap(); // what a button says when it says nothing of a copy

  async function onCopy(button) {
    const copied = await copy(button);
    const said = !copied ? NOT_COPIED : button.dataset.invisible ? "Copied, with its invisible characters" : "Copied";
    if (!labels.has(button)) labels.set(button, button.getAttribute("aria-label"));
    button.classList.toggle("is-copied", copied);
    button.setAttribute("aria-label", said);
    button.title = said;
    const announce = document.getElementById("live-announce");
    if (announce) announce.textContent = said;
    if (!copied) offer(button);
    setTimeout(() => {
      button.classList.remove("is-copied");
      button.setAttribute("aria-label", labels.get(button));
      button.title = labels.get(button);
    }, 1200);
  }

  // --- Menus and dialogs ----------------------------------------------------------------------

  function closeMenus(but) {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (menu !== but) menu.open = false;
    }
  }

  let pressed = null;
  document.addEventListener("pointerdown", (event) => { pressed = event.target; });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      event.preventDefault();
      onCopy(button);
    }
    const opener = event.target.closest("[data-open-dialog]");
    closeMenus(opener ? null : event.target.closest("details[data-menu]"));
    if (opener) document.getElementById(opener.dataset.openDialog)?.showModal();
    // A click on the backdrop has the dialog itself as its target; so has a drag that ends there, as when
    // one selects what one typed.
    if (event.target instanceof HTMLDialogElement && pressed === event.target) event.target.close();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details[data-menu][open]");
    if (open) {
      closeMenus(null);
      open.querySelector("summary").focus();
    }
  });

  // --- Quick settings: saved in the background, applied at once ---------------------------------

  function save(form, name, value) {
    const body = new FormData(form);
    body.set(name, value);
    return fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" }, redirect: "error" });
  }

  const themes = document.querySelector("[data-theme-form]");
  themes?.addEventListener("submit", async (event) => {
    const chosen = event.submitter;
    if (!chosen) return;
    event.preventDefault();
    document.documentElement.dataset.bsTheme = chosen.value;
    const scheme = document.querySelector("meta[name=color-scheme]");
    scheme.content = chosen.value === "system" ? "light dark" : chosen.value;
    for (const button of themes.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button === chosen));
    }
    const answer = await save(themes, "theme", chosen.value).catch(() => null);
    if (!answer?.ok) chosen.title = "Not saved: it holds for this page only";
  });

  const refresh = document.querySelector("[data-autosubmit]");
  refresh?.addEventListener("change", async (event) => {
    const answer = await save(refresh, event.target.name, event.target.value).catch(() => null);
    if (!answer?.ok) return;
    const detail = { seconds: Number(event.target.value) };
    document.dispatchEvent(new CustomEvent("console:interval", { detail }));
  });

  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const button of document.querySelectorAll("[data-own-zone]")) {
    if (!own || own === document.body.dataset.zone || own === "UTC") continue;
    button.value = own;
    button.textContent = `Use ${own}`;
    button.hidden = false;
  }
})();
