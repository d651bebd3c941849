"""How the rows of a list are chosen for an action on many: what the partials select-bar, -head and -cell show."""

from dataclasses import dataclass

from django.http import HttpRequest

from opsportal.console.listing import Listing
from opsportal.operations.bulk import all_bulk
from opsportal.operations.pages import Button, button

# Items that can be ticked one by one; all that match a filter are as many as a job may have.
MAX_TICKED = 1_000


@dataclass(frozen=True)
class Selection:
    """`noun`: one of the list's items. `filter`: what all that match are, in words, in parts; none: there is no filter.
    `query`: the same as a query string."""

    logical: str
    noun: str
    buttons: list[Button]
    address: str
    filter: list[str]
    query: str
    max: int = MAX_TICKED


def selection(request: HttpRequest, listing: Listing, logical: str) -> Selection | None:
    """None where the person may not act on many, or the list's items have no such action."""
    bulk = all_bulk()[logical]
    if not bulk.offered or not request.user.has_perm("jobs.run_jobs"):
        return None
    return Selection(
        logical=logical,
        noun=bulk.offered[0].tag.subject,
        buttons=[button(request, one, "") for one in bulk.offered],
        address=listing.url(),
        filter=listing.in_words,
        query=listing.whole_query,
    )
