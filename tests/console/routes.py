"""The whole URLconf, flattened: what the access tests walk."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import get_converters
from django.urls.resolvers import RoutePattern

from opsportal.console.access import Access, access_of

# A value for each path converter and each regular expression's group, fit to fill a route with.
FILLERS: dict[str, Any] = {
    "int": 1, "str": "x", "slug": "x", "key": "x/healthz", "path": "x", "text": "x", "uuid": uuid.UUID(int=4),
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """One route: its full URL name (as `ResolverMatch.view_name`), its view, and a path that reaches it."""

    name: str
    view: Callable[..., Any]
    path: str

    @property
    def access(self) -> Access | None:
        return access_of(self.view, self.name)


def routes(
    resolver: URLResolver | None = None, prefix: str = "/", namespaces: tuple[str, ...] = ()
) -> Iterator[Route]:
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + _filled(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
            yield from routes(entry, path, inner)
        elif isinstance(entry, URLPattern):
            yield Route(":".join((*namespaces, entry.name or entry.lookup_str)), entry.callback, path)


def _filled(pattern: Any) -> str:
    if not isinstance(pattern, RoutePattern):
        # Regular expressions occur in the admin only: its catch-all and its list of apps.
        return "anything" if "url" in pattern.regex.groupindex else "auth/"
    text = pattern._route
    for name, converter in pattern.converters.items():
        kind = next(kind for kind, known in get_converters().items() if type(known) is type(converter))
        text = text.replace(f"<{kind}:{name}>", converter.to_url(FILLERS[kind])).replace(
            f"<{name}>", converter.to_url(FILLERS[kind])
        )
    return str(text)
