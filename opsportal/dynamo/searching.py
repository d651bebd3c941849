"""A search that no index serves, in small steps: each a page of the list, of bounded cost, that says what it cost."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from opsportal.dynamo import spending
from opsportal.dynamo.pages import Page, Raw


@dataclass(frozen=True)
class Step:
    """`items`: what it found, newest first. `cursor`: where the next step begins, "" at the end of the search.
    `covered_to`: the sort key's text down to which all has been searched; "" at the end, and where a table without an
    index is searched in no order. `calls` and `units` (read units): what the step cost. Of a search in several parts,
    `part` is the name of the one that it was of, `ended` whether that is searched to its end, and `why` it could not
    be."""

    items: list[Raw]
    cursor: str
    covered_to: str
    calls: int
    units: Decimal
    notes: tuple[str, ...] = ()
    part: str = ""
    ended: bool = False
    why: str = ""


def step(read: Callable[[], Page], sort_key: Callable[[], str]) -> Step:
    """One step of a search: the page that `read` returns. `sort_key`: the attribute that orders the list, "" where
    none does. Raises `DynamoError`."""
    with spending.account() as account:
        calls, units = account.calls, account.read_units
        page = read()
        cost = account.calls - calls, account.read_units - units
    covered = page.searched_to
    if page.cursor and page.complete and page.items:
        covered = str(page.items[-1].get(sort_key(), {}).get("S", ""))
    return Step(page.items, page.cursor, covered, *cost, tuple(page.notes))
