// Actions open in one native dialog; without script their links lead to the same form as a page.
(() => {
  "use strict";
  const dialog = document.getElementById("dialog");
  if (!dialog) return;
  const body = document.getElementById("dialog-body");
  const title = document.getElementById("dialog-title");
  let opener = null;

  // The opener may be swapped by a refresh: it is found again by its address.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const link = event.target.closest?.("[data-opens-dialog]");
    if (link) opener = link.getAttribute("href");
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== body) return;
    title.textContent = body.querySelector("[data-dialog-title]")?.dataset.dialogTitle || "Action";
    if (!dialog.open) dialog.showModal();
    const first = body.querySelector("[role=alert], input:not([type=hidden]), button[type=submit], a");
    first?.focus();
  });

  document.addEventListener("click", (event) => {
    const closer = event.target.closest("[data-dialog-close]");
    if (!closer || !dialog.open) return;
    event.preventDefault();
    dialog.close();
  });

  document.body.addEventListener("console:close", () => dialog.open && dialog.close());

  dialog.addEventListener("close", () => {
    body.replaceChildren();
    const link = opener && document.querySelector(`[data-opens-dialog][href="${CSS.escape(opener)}"]`);
    link?.focus();
    opener = null;
  });
})();
