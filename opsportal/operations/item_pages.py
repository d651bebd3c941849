"""The page of one item, as far as it is the same for every app: its tabs, what became of the newest change, its entries,
and the page of an item that is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse

from opsportal.console.listing import Region, respond, seen_token
from opsportal.dynamo.attributes import raw_text
from opsportal.dynamo.documents import pretty
from opsportal.operations import actors, feeds
from opsportal.operations.changes import Raw
from opsportal.operations.pages import ItemActions
from opsportal.operations.watching import Watched, deletion, watch


def gone(request: HttpRequest, actions: ItemActions, key: str, template: str) -> HttpResponse:
    """404, with who purged it and the undo while there is one."""
    context = {"key": key, "deletion": deletion(actions.target(key), request.user)}
    return respond(request, template, context, Region("live", seen="gone", finished=True), status=404)


@dataclass(frozen=True)
class ItemPage:
    """The page of the item `raw`. `tabs`: (key, label) of its parts, the first of them shown by default; `stamp`: the
    attribute that says when it was last written."""

    request: HttpRequest
    actions: ItemActions
    key: str
    raw: Raw
    tabs: Sequence[tuple[str, str]]
    stamp: str

    @cached_property
    def tab(self) -> str:
        """Which part is asked for."""
        asked = self.request.GET.get("tab", "")
        return asked if asked in dict(self.tabs) else self.tabs[0][0]

    @cached_property
    def watched(self) -> Watched:
        return watch(self.actions.target(self.key), self.raw, self.stamp, self.actions.still_holds)

    def respond(
        self, template: str, context: dict[str, Any], *, seen: Sequence[object] = (), finished: bool = False
    ) -> HttpResponse:
        """`seen`: what else the page shows that may change without a write; `finished`: no worker will write it again."""
        token = seen_token(raw_text({"M": self.raw}), *seen, self.tab, self.watched.token)
        # A change that a worker may still overwrite is watched even on a finished item.
        region = Region("live", seen=token, finished=finished and not self.watched.unsettled)
        shared: dict[str, Any] = {
            "key": self.key,
            "watched": self.watched,
            "tab": self.tab,
            "tabs": self._links(),
        }
        if self.tab == "raw":
            shared["raw"] = pretty(self.raw)
        elif self.tab == "audit":
            shared["entries"] = actors.named(feeds.of_target(self.actions.target(self.key)))
        return respond(self.request, template, shared | context, region)

    def _links(self) -> list[tuple[str, str, bool, Any]]:
        """(label, address, whether it is shown, count) of each tab."""
        first = self.tabs[0][0]
        return [
            (label, "?" if key == first else f"?tab={key}", key == self.tab, "") for key, label in self.tabs
        ]
