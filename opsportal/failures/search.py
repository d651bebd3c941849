"""What the search finds of failure cases: one by its id."""

import re
from collections.abc import Sequence

from opsportal.console import addresses
from opsportal.dynamo.attributes import Raw
from opsportal.failures import store
from opsportal.failures.case import part_key
from opsportal.operations.outcomes import Unreadable
from opsportal.operations.tables import jobs_table_for, locations
from opsportal.search.sources import Hit, Keyed, Searched

# As `fingerprint.identity` makes it.
_ID = re.compile(r"[0-9a-f]{16}")


def keys(text: str) -> Sequence[Keyed]:
    if not _ID.fullmatch(text.lower()):
        return []
    tables = [jobs_table_for(location) for location in locations()]
    return [Keyed(table, table.key_in(part_key(text.lower(), "meta"))) for table in tables]


def hit(item: Raw) -> Hit | None:
    """None for what is no case, or can't be read."""
    try:
        case = store.read_case(item)
    except Unreadable:
        return None
    return Hit(
        "failures",
        "Failure case",
        case.id,
        addresses.case(case.id),
        str(case.state),
        case.line,
        case.last_seen,
    )


SEARCHED = Searched(
    "failures",
    "Failure case",
    "failure cases",
    "failures.view_cases",
    lambda: jobs_table_for(locations()[0]),
    keys,
    hit,
)
