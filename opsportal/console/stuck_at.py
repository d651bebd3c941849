"""What is stuck at one step or stage of an app's work, from the overview's figures: a fragment for the page of an agent that is down,
where apps meet by URL, and a page of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from opsportal.console import panels
from opsportal.console.admission import is_better_kept
from opsportal.console.listing import Region, respond, seen_token
from opsportal.console.problems import wants_fragment
from opsportal.dynamo.errors import DynamoError

# Of the rows. What is stuck is the same in each window of the overview.
MAX_SHOWN, WINDOW = 5, "24h"


@dataclass(frozen=True)
class Stuck:
    """One item: its key, and when it last moved."""

    key: str
    updated_at: datetime | None


@dataclass(frozen=True)
class Kind:
    """`panel`: the key of the panel that shows what is stuck; `namespace`: of its addresses."""

    title: str
    noun: str
    panel: str
    namespace: str


def page(
    request: HttpRequest, kind: Kind, where: str, here: Callable[[Sequence[Any]], list[Stuck]]
) -> HttpResponse:
    """`here`: which of the stuck items are at `where`. To htmx a table that can't be read is a state of the fragment,
    since it swaps no error."""
    list_url = f"{reverse(f'{kind.namespace}:list')}?stuck=1"
    context: dict[str, Any] = {"kind": kind, "where": where, "list_url": list_url}
    try:
        found, shown = panels.figures(kind.panel, WINDOW)
    except DynamoError as problem:
        if not wants_fragment(request) or is_better_kept(request, problem):
            raise
        region = Region(f"stuck-{kind.panel}", seen=seen_token(problem.kind))
        return respond(request, "console/stuck-at.html", {**context, "problem": problem}, region)
    stuck = here(shown["stuck"])
    rows = [(one.key, reverse(f"{kind.namespace}:item", args=[one.key]), one.updated_at) for one in stuck]
    context |= {
        "rows": rows[:MAX_SHOWN],
        "number": len(rows),
        "newest": len(shown["stuck"]) if shown["stuck_more"] else 0,
        "figures": found,
    }
    region = Region(f"stuck-{kind.panel}", seen=seen_token(rows, shown["stuck_more"]))
    return respond(request, "console/stuck-at.html", context, region)
