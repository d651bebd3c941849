"""The page of the search."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from opsportal.console import searching
from opsportal.console.access import person, staff
from opsportal.console.admission import Load, admitted
from opsportal.console.columns import PageState, table
from opsportal.console.listing import Listing
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.descriptions import known
from opsportal.search.background import Background
from opsportal.search.columns import columns
from opsportal.search.first import Query, allowed, first_step
from opsportal.search.sources import Hit, Searched

FILTERS = {"q": "Text", "anycase": "", "also": ""}
# Bytes of a table that a Scan or a Query reads for one read unit: two blocks of 4 KB, eventually consistent.
BYTES_PER_UNIT = 8_192


@staff
@admitted(Load.LIST)
def search(request: HttpRequest) -> HttpResponse:
    """What is typed, in all that the person may see. A key that one item alone has opens it, but with `stay`. A POST is
    one step of the search in the background."""
    listing = Listing(request, "search", FILTERS)
    query = Query.typed(listing.given("q"))
    may = person(request).has_perm
    sources, _ = allowed(may)
    background = Background(query, sources, listing["also"])

    def rows(items: Sequence[Raw]) -> str:
        return _table(listing, background.hits, query.text)

    if request.method == "POST":
        if not request.POST.get("state"):
            return redirect(listing.url())
        return searching.answer(request, listing, background.read, rows, "search/progress.html")
    chosen = any(name in request.GET for name in ("stay", "anycase", "also", "range", "from", "to"))
    found = first_step(query, may, straight=not chosen)
    if not chosen and len(found.exact) == 1:
        return redirect(found.exact[0].url)
    parts = background.parts(found.left) if query.text else []
    begun = searching.in_parts(background.cursor(parts, purpose=listing.purpose), parts)
    context = {
        **searching.shown(listing, begun, "runs" if parts else "done"),
        "query": query,
        "first": found,
        "count": len(found.hits),
        "table": _table(listing, found.hits, query.text) if found.hits else "",
        "lists": [_list(listing, query, one) for one in sources if one.list_view and query.text],
        "more": _more(listing, sources),
        "all_time_units": _units(sources),
    }
    return render(request, "search/page.html", context)


def _table(listing: Listing, hits: Sequence[Hit], text: str) -> str:
    page = PageState.of(listing)
    return table(columns(text), hits, page)


def _list(listing: Listing, query: Query, source: Searched) -> tuple[str, str]:
    """The label and the address of the list that searches for the same text."""
    asked = {"q": query.text} | ({"anycase": "1"} if listing["anycase"] else {})
    return source.noun.capitalize(), f"{reverse(source.list_view)}?{urlencode(asked)}"


def _more(listing: Listing, sources: Sequence[Searched]) -> list[tuple[str, str]]:
    """What is searched on demand: its label and address."""
    return [
        (f"Search {one.noun}", listing.url(also=one.name))
        for one in sources
        if one.on_demand and one.name != listing["also"]
    ]


def _units(sources: Sequence[Searched]) -> int:
    """About what a search of all time reads; 0 where that is not known without a call."""
    described = [known(one.table()) for one in sources if one.read and one.indexed]
    return 0 if None in described else sum(one.size for one in described if one) // BYTES_PER_UNIT
