"""A person's browser, as far as the benchmark needs one: a kept connection, a cookie, the regions of a page."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

TIMEOUT = 30


@dataclass(frozen=True)
class Answer:
    status: int
    body: str = ""


class Reader:
    """One connection to `base`. What does not answer has the status 0."""

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        self.connection = http.client.HTTPConnection(str(urlsplit(base).netloc), timeout=TIMEOUT)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        try:
            self.connection.request("GET", path, headers={**self.headers, **(headers or {})})
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return Answer(0)

    def status(self, path: str) -> int:
        try:
            return self.get(path).status
        finally:
            self.connection.close()


@dataclass(frozen=True)
class Region:
    """A part of a page that reads `url` when `triggers` (htmx's) says so. `headers` are those of its next poll."""

    id: str
    url: str
    triggers: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def loads(self) -> bool:
        return any(one.split()[0] == "load" for one in self.triggers)

    @property
    def repeats(self) -> bool:
        return any(one.split()[0] == "every" for one in self.triggers)

    @property
    def poll(self) -> dict[str, str]:
        return {"HX-Request": "true", **self.headers}


class _Regions(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Region] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if url := given.get("hx-get"):
            triggers = (one.strip() for one in given.get("hx-trigger", "").split(","))
            headers: dict[str, str] = json.loads(given.get("hx-headers") or "{}")
            self.found.append(
                Region(given.get("id", ""), url, tuple(one for one in triggers if one), headers)
            )


def regions(page: str) -> list[Region]:
    """What of an answer reads from the server by itself or when asked."""
    parser = _Regions()
    parser.feed(page)
    return parser.found


def live(page: str) -> Region:
    """The region of a page that refreshes itself. Raises ValueError where there is none."""
    for region in regions(page):
        if "X-Seen" in region.headers:
            return region
    raise ValueError("the page has no region that refreshes itself")
