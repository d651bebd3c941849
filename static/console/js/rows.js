// Rows of the submission form come and go without a reload; without script their buttons submit the form.
(() => {
  "use strict";
  const form = document.getElementById("submission");
  if (!form) return;

  const rowsOf = (list) => [...list.querySelectorAll("[data-row-line]")];
  const firstField = (row) => row.querySelector("input");

  function clear(row) {
    for (const input of row.querySelectorAll("input")) {
      input.value = "";
      for (const name of ["aria-invalid", "aria-describedby", "autofocus", "readonly"]) input.removeAttribute(name);
    }
    for (const notes of row.querySelectorAll(".invalid-feedback, .form-hint")) notes.remove();
  }

  // Ids, labels and values hold the row's number, from 0 in names and from 1 for people.
  function renumber(list) {
    rowsOf(list).forEach((row, at) => {
      for (const element of row.querySelectorAll("input, label, button, .invalid-feedback, .form-hint")) {
        for (const name of ["id", "for", "value", "aria-describedby"]) {
          const ours = name !== "value" || element.tagName === "BUTTON";
          const value = ours && element.getAttribute(name);
          if (value) element.setAttribute(name, value.replace(/(keyword|source)-\d+/g, `$1-${at}`));
        }
        const label = element.getAttribute("aria-label");
        if (label) element.setAttribute("aria-label", label.replace(/\d+$/, at + 1));
        if (element.tagName === "LABEL") element.textContent = element.textContent.replace(/\d+$/, at + 1);
      }
    });
  }

  function add(list, after = rowsOf(list).at(-1)) {
    const row = after.cloneNode(true);
    clear(row);
    after.after(row);
    renumber(list);
    return row;
  }

  form.addEventListener("click", (event) => {
    const adder = event.target.closest("[data-add-row]");
    if (adder) {
      event.preventDefault();
      firstField(add(form.querySelector(`[data-rows="${adder.dataset.addRow}"]`))).focus();
      return;
    }
    const remover = event.target.closest("[data-remove-row]");
    if (!remover) return;
    event.preventDefault();
    const row = remover.closest("[data-row-line]");
    const list = row.parentElement;
    const next = row.nextElementSibling || row.previousElementSibling;
    if (next) row.remove();
    else clear(row);
    renumber(list);
    firstField(next || row).focus();
  });

  // What a hint says of a value is true until the value changes.
  form.addEventListener("input", (event) => {
    const hint = document.getElementById(`${event.target.id}_signed`);
    if (!hint) return;
    hint.remove();
    const left = event.target.getAttribute("aria-describedby").split(" ").filter((id) => id !== hint.id);
    if (left.length) event.target.setAttribute("aria-describedby", left.join(" "));
    else event.target.removeAttribute("aria-describedby");
  });

  // Enter in a keyword goes on to the next row; several lines pasted are several keywords.
  const keywordRow = (event) => event.target.closest?.('[data-rows="keyword"] input')?.closest("[data-row-line]");

  form.addEventListener("keydown", (event) => {
    const row = event.key === "Enter" && !event.isComposing && keywordRow(event);
    if (!row) return;
    event.preventDefault();
    const next = row.nextElementSibling || add(row.parentElement, row);
    firstField(next).focus();
  });

  form.addEventListener("paste", (event) => {
    let row = keywordRow(event);
    const lines = (event.clipboardData?.getData("text") || "").split(/[\r\n]+/).map((line) => line.trim());
    const keywords = lines.filter(Boolean);
    if (!row || keywords.length < 2) return;
    event.preventDefault();
    keywords.forEach((keyword, at) => {
      if (at > 0 || firstField(row).value) row = add(row.parentElement, row);
      firstField(row).value = keyword;
    });
    firstField(row).focus();
  });
})();
