"""Jobs as they lie in the jobs table of their table's location.

``pk`` job#<id>, ``sk`` ``meta`` (`job.Job`); its parts are in `chunks`, its pace in `pacing`. `jobs#open` holds the ids of
a location's open jobs.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from django.conf import settings

from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.json_values import as_json
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks
from opsportal.jobs import job as jobs
from opsportal.jobs.job import Counts, Job, meta_key, part_key
from opsportal.jobs.updates import sure
from opsportal.operations import entries
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import ConditionFailed
from opsportal.operations.outcomes import Conflict, IdempotencyMismatch, Unreadable
from opsportal.operations.tables import jobs_table_for, locations

logger = logging.getLogger(__name__)

# Days that a job is kept once it is over, and that one may stay open: its parts live for `chunks.PARTS_DAYS`.
LIFE_DAYS, LONGEST_DAYS = 90, 100
OPEN_SET: Raw = {"pk": text("jobs#open"), "sk": text("set")}
# `kind` is the hash key of the index of jobs: whether a worker has something to do with it.
KIND_LIVE, KIND_OVER = "job-live", "job"


def _kept(job: Job) -> Raw:
    """`meta` as a new job has it."""
    return {
        **job.key,
        "kind": text(KIND_LIVE),
        "created_at": text(entries.stamp(job.created_at)),
        "state": text(job.state),
        "epoch": number(0),
        "action": text(job.action.value),
        "logical": text(job.logical),
        "table": text(job.table.name),
        "actor": text(job.actor.name),
        "actor_id": text(job.actor.id),
        "role": text(job.actor.role),
        "reason": text(job.reason),
        "source": text(job.source.stored()),
        "asked": text(job.asked),
        "data": {"M": {name: {"BOOL": given} for name, given in job.data.items()}},
        "starts_itself": {"BOOL": job.starts_itself},
        **({"pace": text(as_json(job.pace.stored(), compact=True))} if job.pace else {}),
        **({"undoes": text(job.undoes)} if job.undoes else {}),
    }


def put(job: Job, given: Sequence[str] = ()) -> Job:
    """Write a new job. A job of this id that is the same is answered in its place (`repeated`). Raises Conflict (too many
    open ones), IdempotencyMismatch (the id is another job's), OutcomeUnknown, `DynamoError`."""
    table = jobs_table_for(job.table)
    client = clients.client(*table.location)
    if earlier := find(job.id):
        return _same(earlier, job)
    for n, keys in enumerate(chunks.cut(given)):
        item = {**part_key(job.id, f"given#{n:05}"), "keys": chunks.packed(keys), "ttl": chunks.part_ttl()}
        with translated(table):
            client.put_item(TableName=table.name, Item=item)
    operations = [
        {"Put": {"TableName": table.name, "Item": _kept(job), "ConditionExpression": "attribute_not_exists(pk)"}},
        {"Update": {
            "TableName": table.name, "Key": OPEN_SET, "UpdateExpression": "ADD ids :id",
            "ConditionExpression": "attribute_not_exists(ids) OR size(ids) < :most",
            "ExpressionAttributeValues": {":id": {"SS": [job.id]}, ":most": number(settings.JOBS_MAX_OPEN)},
        }},
    ]  # fmt: skip
    try:
        sure(table, operations)
    except ConditionFailed as failed:
        if any(one.index == 0 for one in failed.failures) and (earlier := find(job.id, job.table)):
            return _same(earlier, job)
        raise Conflict(
            f"There are {settings.JOBS_MAX_OPEN} open jobs already, as many as JOBS_MAX_OPEN allows. Stop one, or wait "
            "until one is finished."
        ) from None
    return job


def _same(earlier: Job, job: Job) -> Job:
    asked, given = ((one.action, one.table, one.undoes, one.asked) for one in (earlier, job))
    if asked != given or not earlier.actor.is_same(job.actor):
        raise IdempotencyMismatch("This id belongs to another job already.")
    return replace(earlier, repeated=True)


def find(job_id: str, same_location: Binding | None = None) -> Job | None:
    """The job, as it is now: wherever it lies, or in the location of that table. Raises Unreadable, `DynamoError`."""
    if not entries.is_action_id(job_id):
        return None  # it may be longer than a key can be
    raw = meta(job_id, same_location)
    return _read(raw) if raw else None


def _read(raw: Raw) -> Job:
    """Raises Unreadable."""
    try:
        return jobs.from_item(raw)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise Unreadable(f"This console can't read the job. {error}") from error


def readable(raw: Raw) -> Job | None:
    """None for what a list leaves out."""
    try:
        return _read(raw)
    except Unreadable as unreadable:
        logger.warning("%s: %s", raw.get("pk", {}).get("S", "")[:60], unreadable.sentence)
        return None


def meta(job_id: str, same_location: Binding | None = None) -> Raw | None:
    """Raises `DynamoError`."""
    for one in [same_location] if same_location else locations():
        table = jobs_table_for(one)
        with translated(table):
            answer = clients.client(*table.location, background=same_location is not None).get_item(
                TableName=table.name, Key=meta_key(job_id), ConsistentRead=True
            )
        if item := answer.get("Item"):
            found: Raw = item
            return found
    return None


def live(location: Binding) -> list[Job]:
    """The jobs of a location that a worker has something to do with, oldest first. Raises `DynamoError`."""
    # An emulator may answer with those of all regions.
    found = _listed(location, KIND_LIVE, forward=True)
    return [job for job in found if job.table.location == location.location]


def open_ids() -> dict[str, Binding]:
    """The ids of the open jobs of all locations, each with a table of its location. Raises `DynamoError`."""
    found: dict[str, Binding] = {}
    for location in locations():
        table = jobs_table_for(location)
        with translated(table):
            answer = clients.client(*table.location).get_item(
                TableName=table.name, Key=OPEN_SET, ConsistentRead=True
            )
        for job_id in answer.get("Item", {}).get("ids", {}).get("SS", []):
            found.setdefault(job_id, location)
    return found


def listed(limit: int = 50) -> list[Job]:
    """The newest jobs of all locations, open ones first. Raises `DynamoError`."""
    found: dict[str, Job] = {}
    for location in locations():
        for kind in (KIND_LIVE, KIND_OVER):
            for job in _listed(location, kind, limit=limit):
                found.setdefault(job.id, job)
    newest = sorted(found.values(), key=lambda job: job.created_at, reverse=True)
    return sorted(newest, key=lambda job: not job.is_open)[:limit]


def _listed(location: Binding, kind: str, *, forward: bool = False, limit: int = 200) -> Iterator[Job]:
    table = jobs_table_for(location)
    arguments = {"ScanIndexForward": forward, "Limit": limit}
    for answer in read_all(
        table, "kind-index", pages=1, key=(Clause("kind", "=", (kind,)),), background=None, **arguments
    ):
        yield from filter(None, map(readable, answer["Items"]))


def progress_of(job: Job) -> Counts:
    """How far it is: the sums of its chunks, or once it is finished what they were. Raises `DynamoError`."""
    return job.totals or chunks.counts(job, chunks.progress(job))


def now() -> datetime:
    return datetime.now(UTC)
