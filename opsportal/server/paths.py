"""What each address is to the server before a thread looks at it: a list, a panel, or neither."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from opsportal.server.gate import Load


def loads() -> Callable[[str, str], Load | None]:
    """By method and path. Of the views' own declarations (`opsportal.console.admission`), since to resolve each address
    in the main loop would cost a tenth of a status document; this costs a thousandth."""
    from opsportal.api.site import api
    from opsportal.descriptors import descriptors

    patterns = get_resolver().url_patterns  # which mounts the API
    # By the name of the address: an operation's is its function's.
    named = {
        operation.view_func.__name__: getattr(operation.view_func, "load", None)
        for operation in api.operations()
    }
    named |= {one.panel.name: Load.PANEL for one in descriptors() if one.panel}
    routes: dict[Load, list[str]] = {Load.LIST: [], Load.PANEL: []}
    for route, pattern in _patterns(patterns):
        load = getattr(pattern.callback, "load", None) or named.get(pattern.name or "")
        if load:
            routes[load].append("/" + "[^/]+".join(map(re.escape, re.split("<[^>]*>", route))))
    lists, panels = (re.compile("|".join(routes[load]) or "(?!)") for load in routes)

    def load_of(method: str, path: str) -> Load | None:
        if method not in ("GET", "HEAD"):
            return None
        if lists.fullmatch(path):
            return Load.LIST
        return Load.PANEL if panels.fullmatch(path) else None

    return load_of


def _patterns(patterns: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, route)
        else:
            yield route, pattern
