"""The API of the search: its first step, and the next one for each cursor."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query as QueryOf
from ninja import Router, Schema
from pydantic import Field

from opsportal.api.answers import answer, time_text, words
from opsportal.api.guards import caller_of
from opsportal.api.lists import GivenText, RangedQuery
from opsportal.api.problems import Invalid, Wrong
from opsportal.console.access import staff
from opsportal.console.admission import Load, admitted
from opsportal.search.background import Background
from opsportal.search.first import NotSearched, Query, allowed, first_step
from opsportal.search.first import sources as every_source
from opsportal.search.sources import Hit

router = Router(tags=["Search"])


class HitOut(Schema):
    kind: str = Field(
        description="Such as `workflows`, `requests`, `agents`, `jobs`, `audit`, `request_logs`."
    )
    id: str
    page: str = Field(description="The address of its page.")
    status: str | None
    stage: str | None
    updated_at: str | None
    match: str = Field(description="What the text was found in.")
    exact: bool = Field(description="Whether `q` is its id.")


class PartOut(Schema):
    name: str
    calls: int
    read_units: float


class NotSearchedOut(Schema):
    name: str
    why: str


class SearchOut(Schema):
    results: list[HitOut]
    searched: list[PartOut]
    not_searched: list[NotSearchedOut]
    searched_to: str | None = Field(description="How far back the text was searched for in this part so far.")
    cursor: str | None = Field(description="Send it to search on; null at the end.")


class SearchQuery(RangedQuery):
    q: GivenText = Field(
        description="An id or its start, a correlation id, a document, a project, a user, an agent."
    )
    anycase: bool = Field(False, description="Ignore case when text is compared.")
    also: GivenText = Field("", description="`request_logs`: search the log lines too.")


@router.get("/search", response=SearchOut, summary="Search all tables")
@staff
@admitted(Load.LIST)
def search(request: HttpRequest, query: QueryOf[SearchQuery]) -> HttpResponse:
    """Without a cursor: exact reads and what indexes serve, at most 5 calls or 100 read units. With one: the next step
    of the search for the text, which costs what a page of a list does. A token finds what its scopes may read."""
    query.only_known_in(request)
    if query.also and query.also not in {one.name for one in every_source() if one.on_demand}:
        raise Invalid([Wrong("query", ("also",), "No kind of this name is searched on demand.")], status=400)
    typed, may = Query.typed(query.q), caller_of(request).may
    sources, refused = allowed(may)
    background, purpose = Background(typed, sources, query.also), query.purpose("search")
    if not query.cursor:
        first = first_step(typed, may)
        exact = {hit.id for hit in first.exact}
        parts = background.parts(first.left) if typed.text else []
        return answer(
            {
                "results": [_row(hit, exact=hit.id in exact) for hit in first.hits],
                "searched": [_part(one.label, one.calls, one.units) for one in first.parts],
                "not_searched": [_not(one) for one in first.not_searched],
                "searched_to": None,
                "cursor": background.cursor(parts, purpose=purpose) or None,
            }
        )
    values = {"anycase": "1"} if query.anycase else {}
    step = background.read(values, query.time_range().span, purpose=purpose, cursor=query.cursor)
    return answer(
        {
            "results": [_row(hit, exact=False) for hit in background.hits],
            "searched": [_part(step.part, step.calls, step.units)],
            "not_searched": [_not(one) for one in refused]
            + ([{"name": step.part, "why": step.why}] if step.why else []),
            "searched_to": step.covered_to or None,
            "cursor": step.cursor or None,
        }
    )


def _row(hit: Hit, *, exact: bool) -> dict[str, Any]:
    """See `HitOut`."""
    return {
        "kind": hit.source,
        "id": hit.key,
        "page": hit.url,
        "status": words(hit.status) or None,
        "stage": words(hit.stage),
        "updated_at": time_text(hit.updated),
        "match": hit.match,
        "exact": exact,
    }


def _part(name: str, calls: int, units: Any) -> dict[str, Any]:
    return {"name": name, "calls": calls, "read_units": units}


def _not(one: NotSearched) -> dict[str, str]:
    return {"name": one.label, "why": one.why}
