"""What the search finds in the audit trail: an entry by its id, and what was done to an item, also once it is gone."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.urls import reverse

from opsportal.dynamo.merge import Merge
from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.searching import Step, step
from opsportal.dynamo.spans import Span
from opsportal.dynamo.tables import binding
from opsportal.operations import entries, feeds
from opsportal.operations.entries import Target
from opsportal.operations.tables import AUDIT, audit_table_for, locations
from opsportal.search.sources import Hit, Keyed, Searched, key_of

# The newest entries of one item, of each location.
MAX_ENTRIES = 10


def keys(text: str) -> Sequence[Keyed]:
    if not entries.is_action_id(text.lower()):
        return []
    return [one for table in locations() for one in key_of(audit_table_for(table), text.lower())]


def hit(item: Raw) -> Hit | None:
    entry = entries.from_item(item)
    if not entry.action_id or not entry.at:
        return None
    url = reverse("operations:entry", args=[entry.action_id])
    said = f"{entry.action.phrase} {entry.target.id}"
    return Hit("audit", "Audit entry", entry.action_id, url, "", said, entry.time)


def search(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str = "") -> Step:
    """The newest entries of the item with that id, of any time, in one step: one call for each table. Raises
    `DynamoError`."""

    def read() -> Page:
        pages = []
        for location in locations():
            tables = [name for name in settings.DYNAMO_TABLES if binding(name).location == location.location]
            hashes = [Target(name, values["q"]).hash for name in tables]
            merge = Merge(audit_table_for(location), AUDIT.index("target-index"), hashes, limit=MAX_ENTRIES)
            pages.append(merge.read({}))
        return Page(feeds.together(page.items for page in pages))

    return step(read, str)


SEARCHED = Searched(
    "audit",
    "Audit entry",
    "audit entries",
    "operations.view_audit",
    lambda: audit_table_for(locations()[0]),
    keys,
    hit,
    attributes=(("target", "target"),),
    read=search,
)
