"""What the search finds of jobs."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from opsportal.dynamo.attributes import Raw, read_text, read_time
from opsportal.jobs.job import meta_key
from opsportal.operations import entries
from opsportal.operations.tables import jobs_table_for, locations
from opsportal.operations.tags import read_action
from opsportal.search.sources import Hit, Keyed, Searched


def keys(text: str) -> Sequence[Keyed]:
    if not entries.is_action_id(text.lower()):
        return []
    tables = [jobs_table_for(location) for location in locations()]
    return [Keyed(table, table.key_in(meta_key(text.lower()))) for table in tables]


def hit(item: Raw) -> Hit | None:
    """None for what is no job."""
    job_id = str(read_text(item.get("pk")) or "").removeprefix("job#")
    if not entries.is_action_id(job_id):
        return None
    action, at = read_text(item.get("action")), read_time(item.get("created_at"))
    said = read_action(str(action or "")).phrase
    updated = at if isinstance(at, datetime) else None
    return Hit(
        "jobs", "Job", job_id, reverse("jobs:job", args=[job_id]), read_text(item.get("state")), said, updated
    )


SEARCHED = Searched(
    "jobs", "Job", "jobs", "jobs.view_jobs", lambda: jobs_table_for(locations()[0]), keys, hit
)
