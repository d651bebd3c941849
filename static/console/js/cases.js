// A form of the page that was done is empty again: what was typed would stay through the refresh.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful && detail.xhr.status === 204 && detail.elt.matches("form[data-reset]")) detail.elt.reset();
});
