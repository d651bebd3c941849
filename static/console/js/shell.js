// Comforts of the shell: copy buttons, menus, dialogs, and the quick settings without a reload.
(() => {
  "use strict";

  // --- Copying ------------------------------------------------------------------------------

  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Without TLS and off loopback browsers offer no clipboard: fall back to a selection.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  async function onCopy(button) {
    try {
      await copy(button.dataset.copy);
    } catch {
      return;
    }
    const label = button.getAttribute("aria-label");
    button.classList.add("is-copied");
    button.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      button.classList.remove("is-copied");
      button.setAttribute("aria-label", label);
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
