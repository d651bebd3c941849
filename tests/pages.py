"""Pages as a reader and as htmx see them, parsed from the HTML that the server sent."""

import functools
import itertools
import json
import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

from django.test import Client

VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
INLINE = frozenset(("a", "b", "bdi", "code", "em", "i", "mark", "small", "span", "strong", "time"))


@dataclass
class Node:
    """An element. `nodes`: those of its document in order; the ones below it are those after `at` and before `end`."""

    tag: str
    attrs: dict[str, str]
    children: list["Node | str"] = field(default_factory=list)
    nodes: list["Node"] = field(default_factory=list, repr=False, compare=False)
    at: int = field(default=-1, repr=False, compare=False)
    end: int = field(default=0, repr=False, compare=False)

    @property
    def text(self) -> str:
        """All text below, as written."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def words(self) -> str:
        """The text with white space collapsed and blocks apart, as a browser lays it out."""
        return " ".join(self._laid_out().split())

    def _laid_out(self) -> str:
        parts = [child if isinstance(child, str) else child._laid_out() for child in self.children]
        return "".join(parts) if self.tag in INLINE else f" {''.join(parts)} "

    def all(self, tag: str = "", **attrs: str | None) -> list["Node"]:
        """Every node below with that tag and these attributes (`_` for `-`; None: has it, whatever it is)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attrs.items()}
        below = self.nodes[self.at + 1 : self.end]
        return [node for node in below if (not tag or node.tag == tag) and node.has(wanted)]

    def one(self, tag: str = "", **attrs: str | None) -> "Node":
        found = self.all(tag, **attrs)
        assert found, f"no <{tag} {attrs}> in: {self.words[:400]}"
        return found[0]

    def has(self, attrs: dict[str, str | None]) -> bool:
        for name, wanted in attrs.items():
            value = self.attrs.get(name)
            if value is None or (wanted is not None and value != wanted and wanted not in value.split()):
                return False
        return True


class _Tree:
    """Makes the nodes, from start tags, end tags and text in the order of the document."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.root = Node("", {}, nodes=self.nodes)
        self.open = [self.root]

    def start(self, tag: str, attrs: dict[str, str], *, empty: bool) -> None:
        at = len(self.nodes)
        node = Node(tag, attrs, [], self.nodes, at, at + 1)
        self.nodes.append(node)
        self.open[-1].children.append(node)
        if not empty:
            self.open.append(node)

    def finish(self, tag: str) -> None:
        for depth in range(len(self.open) - 1, 0, -1):
            if self.open[depth].tag == tag:
                self._close(depth)
                return

    def whole(self) -> Node:
        self._close(0)
        return self.root

    def _close(self, depth: int) -> None:
        for node in self.open[depth:]:
            node.end = len(self.nodes)
        del self.open[depth:]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tree = _Tree()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.start(tag, {name: value or "" for name, value in attrs}, empty=tag in VOID)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.start(tag, {name: value or "" for name, value in attrs}, empty=True)

    def handle_endtag(self, tag: str) -> None:
        self.tree.finish(tag)

    def handle_data(self, data: str) -> None:
        self.tree.open[-1].children.append(data)


def parsed_by_python(html: str) -> Node:
    """What a browser makes of it, near enough, whatever it is."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    return parser.tree.whole()


# Text up to a tag, a comment or the doctype, as templates write them. What else there may be is Python's to read.
TOKEN = re.compile(
    r"""([^<]*)<(?:(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[a-zA-Z_:@][\w:.@-]*(?:=(?:"[^"]*"|'[^']*'|[\w.-]+(?=[\s>])))?)*)\s*(/?)>|!--(?!-?>)(?:(?!--).)*-->|!doctype html>)""",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
ATTRIBUTE = re.compile(r"""\s+([^\s=]+)(?:=(?:"([^"]*)"|'([^']*)'|([\w.-]+)))?""", re.ASCII)


@functools.lru_cache(maxsize=20_000)
def _attributes(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), unescape(a or b or c)) for name, a, b, c in ATTRIBUTE.findall(text))


def parsed(html: str) -> Node:
    """As `parsed_by_python`, in a quarter of the time where a page is written as templates write it: to read pages
    took the tests more than to make them."""
    tree = _Tree()
    at = 0
    while token := TOKEN.match(html, at):
        text, ends, tag, attrs, closed = token.groups()
        if text:
            tree.open[-1].children.append(unescape(text))
        at = token.end()
        if not tag:
            continue
        tag = tag.lower()
        if not ends:
            tree.start(tag, dict(_attributes(attrs)), empty=bool(closed) or tag in VOID)
            if tag in ("script", "style") and not closed and not html.startswith(f"</{tag}>", at):
                return parsed_by_python(html)
        elif attrs or closed:
            return parsed_by_python(html)
        else:
            tree.finish(tag)
    if "<" in html[at:] or "&" in html[at:]:
        return parsed_by_python(html)
    if at < len(html):
        tree.open[-1].children.append(html[at:])
    return tree.whole()


@dataclass
class Page:
    """An answer. Its properties are what tests ask for."""

    response: Any
    url: str

    @functools.cached_property
    def html(self) -> str:
        decoded: str = self.response.content.decode()
        return decoded

    @functools.cached_property
    def root(self) -> Node:
        """Parsed when it is asked for: that takes as long as to make a small page."""
        return parsed(self.html)

    @property
    def status(self) -> int:
        return int(self.response.status_code)

    @property
    def words(self) -> str:
        return self.root.words

    @property
    def is_fragment(self) -> bool:
        return "<html" not in self.html

    @property
    def rows(self) -> list[Node]:
        return self.root.all("tr", data_row=None)

    @property
    def links(self) -> list[str]:
        """The URLs of the rows' items, in order."""
        return [row.one("a", data_row_link=None).attrs["href"] for row in self.rows]

    @property
    def ids(self) -> list[str]:
        """The keys of the rows, in order, from their copy buttons: whole whatever the cell shows."""
        return [row.one("button", data_copy=None).attrs["data-copy"] for row in self.rows]

    @property
    def findings(self) -> dict[str, str]:
        """Kind and sentence of each finding."""
        return {node.attrs["data-finding"]: node.words for node in self.root.all("li", data_finding=None)}

    @property
    def problem(self) -> Node:
        return self.root.one("section", data_problem=None)

    @property
    def empty(self) -> Node:
        return self.root.one("section", data_empty=None)

    @property
    def region(self) -> Node:
        return self.root.one("", data_live=None)

    @property
    def live(self) -> dict[str, str]:
        """What the region sends with its next poll."""
        return dict(json.loads(self.region.attrs["hx-headers"]))

    @property
    def polls(self) -> bool:
        return "every" in self.region.attrs["hx-trigger"]

    @property
    def tabs(self) -> dict[str, str]:
        return {
            link.one("span").words: link.attrs["href"]
            for link in self.root.one("nav", class_="page-tabs").all("a")
        }

    @property
    def current_tab(self) -> str:
        return self.root.one("nav", class_="page-tabs").one("a", aria_current="page").one("span").words

    @property
    def next_url(self) -> str:
        found = self.root.all("a", rel="next")
        return found[0].attrs["href"] if found else ""

    @property
    def partitions(self) -> list[str]:
        found = self.root.all("details", class_="partitions")
        return [code.text for code in found[0].all("code")] if found else []

    @property
    def cost(self) -> tuple[int, str]:
        """Calls and read units as the page's footer tells them."""
        spent = self.root.one("span", class_="spent")
        calls, units = re.findall(r"[\d.]+", spent.words)[:2]
        return int(calls), units

    @property
    def chips(self) -> list[str]:
        return [chip.words for chip in self.root.all("a", class_="filter-chip")]

    def fact(self, term: str) -> str:
        """The value beside a term of a definition list."""
        return self.fact_node(term).words

    def fact_node(self, term: str) -> Node:
        for container in [*self.root.all("dl"), *self.root.all("div")]:
            members = [child for child in container.children if isinstance(child, Node)]
            for name, value in itertools.pairwise(members):
                if name.tag == "dt" and value.tag == "dd" and name.words == term:
                    return value
        raise AssertionError(f"no fact {term!r}")


def visit(client: Client, url: str, *, status: int = 200, **headers: str) -> Page:
    """A whole page, as one types its address."""
    response = client.get(url, headers=headers)
    assert response.status_code == status, f"{url}: {response.status_code}"
    return Page(response, url)


def poll(client: Client, page: Page, *, url: str = "", **changed: str) -> Page:
    """What the page's live region gets at its next poll."""
    headers = {"HX-Request": "true", **page.live, **changed}
    url = url or page.region.attrs["hx-get"]
    return Page(client.get(url, headers=headers), url)
