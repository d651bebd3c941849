"""The columns of what was found."""

from html import escape

from django.utils.safestring import SafeString

from opsportal.console import cells
from opsportal.console.columns import Column, PageState
from opsportal.console.text import exact
from opsportal.search.sources import Hit

KEY_LENGTH = 48


def marked(key: str, text: str) -> SafeString:
    """A key with the part that was typed. One with characters that have signs is shown without a mark."""
    at = key.lower().find(text.lower()) if text else -1
    if at < 0 or exact(key, KEY_LENGTH) != key or len(key.lower()) != len(key):
        return cells.ident(key, KEY_LENGTH)
    end = at + len(text)
    before, part, after = (escape(one) for one in (key[:at], key[at:end], key[end:]))
    return SafeString(f"<bdi>{before}<mark>{part}</mark>{after}</bdi>")


def columns(text: str) -> tuple[Column[Hit], ...]:
    """`text`: what was typed, to be marked."""

    def key(hit: Hit, page: PageState) -> str:
        return cells.row_link(hit.url, marked(hit.key, text)) + cells.copy(hit.key, "Copy the id")

    return (
        Column(
            "status",
            "Status",
            lambda hit: hit.status,
            lambda hit, page: cells.NOTHING if hit.status == "" else cells.status(hit.status),
            css="is-tight",
            stacked=False,
        ),
        Column("id", "Id", lambda hit: hit.key, key, css="is-id", stacked=False),
        Column("kind", "Kind", lambda hit: hit.kind, lambda hit, page: cells.shown(hit.kind), css="is-tight"),
        Column(
            "match", "Match", lambda hit: hit.match, lambda hit, page: cells.shown(hit.match), css="is-tight"
        ),
        Column(
            "stage",
            "Stage or step",
            lambda hit: hit.stage,
            lambda hit, page: cells.excerpt(hit.stage, 60),
            css="is-wide",
            head_css="is-wide",
        ),
        Column(
            "updated",
            "Updated",
            lambda hit: hit.updated,
            lambda hit, page: page.when(hit.updated),
            css="is-tight",
        ),
    )
