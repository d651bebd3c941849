// Forms that were refused since the session or the form's token had ended are sent again with a token of now.
(() => {
  "use strict";
  let refused = null; // the htmx form that was
  const dialog = document.getElementById("dialog");

  function say(text) {
    for (const element of document.querySelectorAll("[data-again-said]")) element.textContent = text;
  }

  // True once the page's forms have the token of the session as it is now, which is that of the page's person.
  async function renewed(signedIn = true) {
    const answer = await fetch(document.body.dataset.session, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) return say("No answer came. Nothing was sent."), false;
    const { user, token } = await answer.json();
    if (!user && signedIn) return say("You are still signed out. Nothing was sent."), false;
    const before = document.body.dataset.user;
    document.body.dataset.user = user;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
    for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = token;
    if (before && before !== user) return say(`You are signed in as ${user} now. Send it again to do it as ${user}.`), false;
    return true;
  }

  document.addEventListener("htmx:responseError", ({ detail }) => {
    if ([401, 403].includes(detail.xhr.status) && detail.elt.matches("form")) refused = detail.elt;
  });

  document.addEventListener("htmx:confirm", async (event) => {
    const { elt, issueRequest } = event.detail;
    if (elt !== refused) return;
    event.preventDefault();
    if (!(await renewed())) return;
    refused = null;
    if (dialog.open && !dialog.contains(elt)) dialog.close();
    issueRequest(true);
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-send-again-here]")) refused?.requestSubmit();
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-send-again]");
    if (!form) return;
    event.preventDefault();
    if (await renewed(form.dataset.sendAgain === "signed_out")) form.submit();
  });
})();
