"""The list of jobs as an export: all that are kept, not only those that the page has room for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opsportal.dynamo import cursors
from opsportal.dynamo.merge import Merge
from opsportal.dynamo.pages import Keep, Page, Raw
from opsportal.dynamo.spans import Span
from opsportal.dynamo.tables import Binding
from opsportal.exports.exportable import Exportable
from opsportal.jobs import store
from opsportal.jobs.columns import COLUMNS
from opsportal.jobs.job import from_item
from opsportal.jobs.measures import measure
from opsportal.jobs.shown import Shown, is_in
from opsportal.operations.tables import JOBS, jobs_table_for, locations

VIEW = "jobs.view_jobs"


def _page(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str, limit: int) -> Page:
    """One region after the other, each newest first."""
    at: dict[str, Any] = cursors.load(cursor, purpose=purpose) if cursor else {"region": 0, "cursor": ""}
    found = Page([])
    for region, location in list(enumerate(locations()))[at["region"] :]:
        if len(found.items) >= limit:
            found.cursor = cursors.dump({"region": region, "cursor": ""}, purpose=purpose)
            break
        merge = Merge(
            jobs_table_for(location),
            JOBS.index("kind-index"),
            [store.KIND_LIVE, store.KIND_OVER],
            keep=_keep(location, values.get("state", "")),
            limit=limit - len(found.items),
        )
        page = merge.page(purpose=purpose, cursor=at["cursor"] if region == at["region"] else "")
        found.items += page.items
        if page.cursor:
            found.cursor = cursors.dump({"region": region, "cursor": page.cursor}, purpose=purpose)
            break
    return found


def _keep(location: Binding, state: str) -> Keep:
    def keep(raw: Raw) -> bool:
        job = store.readable(raw)
        # An emulator may answer with those of all regions.
        return job is not None and job.table.location == location.location and is_in(job, state)

    return keep


def _rows(items: Sequence[Raw]) -> list[Shown]:
    now = datetime.now(UTC)
    return [Shown(job, measure(job) if job.is_open else None, now) for job in map(from_item, items)]


EXPORT = Exportable("jobs", "Jobs", "workflows", VIEW, COLUMNS, _page, _rows, of_table=False)
