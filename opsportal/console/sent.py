"""What a form held that was not accepted, so that its answer can give it back, to be sent again."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from opsportal.console.labels import label_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Typed again rather than written into a page. `usable_password` is a choice of Django's admin.
_SECRET = re.compile(r"(?<!usable_)passw|secret|^code$", re.IGNORECASE)


@dataclass(frozen=True)
class Field:
    """One value of a form. That of a secret one is empty."""

    name: str
    value: str
    secret: bool = False

    @property
    def label(self) -> str:
        """As its form has it; "" of one that nobody typed."""
        return label_of(self.name)


def sent_fields(request: HttpRequest) -> list[Field]:
    """What the form of a page of ours held, without its token; nothing of a form that another site may have filled
    in, since the button that sends it again makes it ours."""
    if request.method != "POST" or not from_own_page(request):
        return []
    found = []
    for name, values in request.POST.lists():
        if name == "csrfmiddlewaretoken":
            continue
        secret = bool(_SECRET.search(name))
        found += [Field(name, "" if secret else str(value), secret) for value in values]
    return found


def from_own_page(request: HttpRequest) -> bool:
    """True where the browser says that a page of this console made the request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    # Browsers send no Sec-Fetch-Site over plain HTTP, except to their own machine.
    origin = request.headers.get("Origin")
    return origin == f"{request.scheme}://{request.get_host()}" or origin in settings.CSRF_TRUSTED_ORIGINS
