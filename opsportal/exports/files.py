"""Exports that the worker makes into files, as they lie in the jobs table of their list's location.

``pk`` export#<id>, ``sk`` ``meta`` or ``part#<n>``: the file in compressed parts, each made of whole gzip members. A part,
the position after it and the counts are written in one transaction, so that a worker that dies leaves no row twice and
none out.
"""

import enum
import logging
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from opsportal.console.numbers import size
from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed, read_text
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.json_values import as_json, parse_foreign
from opsportal.dynamo.leases import OWNER, Lease
from opsportal.dynamo.reads import read_all
from opsportal.dynamo.tables import Binding, binding
from opsportal.exports import record
from opsportal.exports.asked import Asked
from opsportal.jobs.updates import sure, update
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.commits import ConditionFailed
from opsportal.operations.entries import Actor, stamp
from opsportal.operations.outcomes import Conflict, IdempotencyMismatch
from opsportal.operations.switch import check_actions_are_on
from opsportal.operations.tables import jobs_table_for, locations
from opsportal.operations.tags import Action

logger = logging.getLogger(__name__)

# Days that a file is kept.
LIFE_DAYS = 7
# Files of one location that are being made at once.
MAX_OPEN = 5
# `kind` is the hash key of the index of jobs: whether the worker has something to do with it.
KIND_LIVE, KIND_OVER = "export-live", "export"
# Bytes of the file in one item, which has 400 KB at most.
ITEM_BYTES = 350_000
# Bytes that are unpacked at once.
UNPACKED_BYTES = 1_000_000


class State(enum.StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # it ended early: `why`
    STOPPED = "stopped"


@dataclass(frozen=True)
class File:
    """`rows`, `bytes` (as downloaded), `packed` (bytes as stored), `units`: so far; `cursor`: where it goes on. `why`: it
    is not complete; `problem`: what the worker met at its last turn."""

    id: str
    asked: Asked
    actor: Actor
    state: State
    created_at: datetime
    ttl: int
    rows: int = 0
    bytes: int = 0
    packed: int = 0
    parts: int = 0
    units: Decimal = Decimal(0)
    cursor: str = ""
    why: str = ""
    problem: str = ""
    ended_at: datetime | None = None

    @property
    def table(self) -> Binding:
        return binding(self.asked.exportable.logical)

    @property
    def is_open(self) -> bool:
        return self.state is State.RUNNING

    @property
    def purpose(self) -> str:
        return f"export:{self.id}"

    @property
    def key(self) -> Raw:
        return _key(self.id, "meta")

    @property
    def kept_until(self) -> datetime:
        return datetime.fromtimestamp(self.ttl, UTC)


def _key(export_id: str, part: str) -> Raw:
    return {"pk": text(f"export#{export_id}"), "sk": text(part)}


def create(asked: Asked, export_id: str, by: Actor) -> File:
    """Have the worker make a file. Asked again under the same id it is the same. Raises ActionsOff, Conflict (too many
    under way), IdempotencyMismatch, OutcomeUnknown, `DynamoError`."""
    check_actions_are_on()
    table = jobs_table_for(binding(asked.exportable.logical))
    if earlier := find(export_id):
        return _same(earlier, asked, by)
    if len(list(live(binding(asked.exportable.logical)))) >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} files are being made already. Stop one, or wait until one is ready.")
    now = datetime.now(UTC)
    made = File(export_id, asked, by, State.RUNNING, now, int(time.time()) + LIFE_DAYS * 86_400)
    item: Raw = {
        **made.key,
        "kind": text(KIND_LIVE),
        "created_at": text(stamp(now)),
        "state": text(made.state),
        "asked": text(as_json(asked.stored(), compact=True)),
        "logical": text(asked.exportable.logical),
        "actor": text(by.name),
        "actor_id": text(by.id),
        "role": text(by.role or "none"),
        "ttl": number(made.ttl),
    }
    put = {"TableName": table.name, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    try:
        started = record.put(asked, export_id, Action.EXPORT_START, by, f"To a file. {asked.described}")
        sure(table, [{"Put": put}, started])
    except ConditionFailed:
        if earlier := find(export_id):
            return _same(earlier, asked, by)
        raise IdempotencyMismatch("This id belongs to another action already.") from None
    return made


def _same(earlier: File, asked: Asked, by: Actor) -> File:
    same = (earlier.asked.exportable.name, earlier.asked.kind) == (asked.exportable.name, asked.kind)
    if not same or not earlier.actor.is_same(by):
        raise IdempotencyMismatch("This id belongs to another export already.")
    return earlier


def find(export_id: str) -> File | None:
    """The file, as it is now; None where there is none, or another version of the console made it. Raises
    `DynamoError`."""
    for location in locations():
        table = jobs_table_for(location)
        with translated(table):
            answer = clients.client(*table.location).get_item(
                TableName=table.name, Key=_key(export_id, "meta"), ConsistentRead=True
            )
        if item := answer.get("Item"):
            return _read(item)
    return None


def live(location: Binding) -> Iterator[File]:
    """Those of a location that are to be made, oldest first. Raises `DynamoError`."""
    found = _listed(location, KIND_LIVE, forward=True)
    # An emulator may answer with those of all regions.
    return (one for one in found if one.is_open and one.table.location == location.location)


def listed(limit: int = 50) -> list[File]:
    """The newest of all locations. Raises `DynamoError`."""
    found: dict[str, File] = {}
    for location in locations():
        for kind in (KIND_LIVE, KIND_OVER):
            for one in _listed(location, kind, limit=limit):
                found.setdefault(one.id, one)
    return sorted(found.values(), key=lambda one: one.created_at, reverse=True)[:limit]


def _listed(location: Binding, kind: str, *, forward: bool = False, limit: int = 50) -> Iterator[File]:
    key = (Clause("kind", "=", (kind,)),)
    arguments: dict[str, Any] = {"ScanIndexForward": forward, "Limit": limit}
    for answer in read_all(
        jobs_table_for(location), "kind-index", pages=1, key=key, background=None, **arguments
    ):
        yield from filter(None, map(_read, answer["Items"]))


def _read(raw: Raw) -> File | None:
    """DynamoDB deletes what has expired within days: it is gone all the same."""
    try:
        ttl = int(raw["ttl"]["N"])
        if ttl < time.time():
            return None
        ended = raw.get("ended_at")
        return File(
            id=_text(raw, "pk").removeprefix("export#"),
            asked=Asked.from_stored(parse_foreign(_text(raw, "asked"))),
            actor=Actor(_text(raw, "actor"), _text(raw, "role"), _text(raw, "actor_id")),
            state=State(_text(raw, "state")),
            created_at=datetime.fromisoformat(_text(raw, "created_at")),
            ttl=ttl,
            **{name: int(raw.get(name, {}).get("N", "0")) for name in ("rows", "bytes", "packed", "parts")},
            units=Decimal(raw.get("units", {}).get("N", "0")),
            cursor=_text(raw, "cursor"),
            why=_text(raw, "why"),
            problem=_text(raw, "problem"),
            ended_at=datetime.fromisoformat(ended["S"]) if ended else None,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        logger.warning("%s can't be read: %s", _text(raw, "pk")[:60], error)
        return None


def _text(raw: Mapping[str, Typed], name: str) -> str:
    found = read_text(raw.get(name))
    return found if isinstance(found, str) else ""


# --- Changes -----------------------------------------------------------------------------------------------


def note(file: File, sentence: str) -> None:
    """Show on its page what the worker met, or that this is over (""). Raises Conflict, OutcomeUnknown,
    `DynamoError`."""
    if sentence != file.problem:
        values = {"problem": text(sentence) if sentence else None}
        expected = {"state": text(State.RUNNING)}
        _write(file, [update(jobs_table_for(file.table), file.key, values, expected)], background=True)


def advance(file: File, lease: Lease, members: Sequence[bytes], seconds: int) -> File:
    """Write further gzip members and the counts of `file` with them, and hold the lease for longer. Raises Conflict
    (somebody has stopped it, or another worker has it), OutcomeUnknown, `DynamoError`."""
    file, operations = _with_members(file, members)
    values = {**_counts(file), "problem": None, "lease_until": number(int(time.time()) + seconds)}
    advanced = update(jobs_table_for(file.table), file.key, values, _held(lease))
    _write(file, [advanced, *operations], background=True)
    return file


def end(
    file: File,
    state: State,
    why: str,
    *,
    lease: Lease | None = None,
    members: Sequence[bytes] = (),
    by: Actor | None = None,
) -> File:
    """Write the last members, that it is over, and the entry of its end. `lease`: the worker's; `by`: who ends it, where
    that is not who asked for it. Raises as `advance`."""
    file, operations = _with_members(file, members)
    file = replace(file, state=state, why=why, ended_at=datetime.now(UTC))
    outcome = "complete" if state is State.COMPLETE else f"{state}: {why}"
    said = (
        f"{outcome}; {file.rows:,} rows, {size(Decimal(file.bytes))}, {file.units:,f} read units. "
        f"{file.asked.described}"
    )
    values = {
        **(_counts(file) if lease else {}),
        "state": text(state),
        "kind": text(KIND_OVER),
        "why": text(why) if why else None,
        "ended_at": text(stamp(file.ended_at)),
        "problem": None,
        "lease_until": None,
        OWNER: None,
    }
    expected = _held(lease) if lease else {"state": text(State.RUNNING)}
    operations.insert(0, update(jobs_table_for(file.table), file.key, values, expected))
    operations.append(
        record.put(file.asked, file.id, Action.EXPORT_FINISH, by or file.actor, said, file.rows)
    )
    _write(file, operations, background=lease is not None)
    return file


def _held(lease: Lease) -> Mapping[str, Typed]:
    return {"fence": number(lease.number), "state": text(State.RUNNING)}


def _counts(file: File) -> dict[str, Typed | None]:
    return {
        **{name: number(getattr(file, name)) for name in ("rows", "bytes", "packed", "parts")},
        "units": {"N": str(file.units)},
        "cursor": text(file.cursor) if file.cursor else None,
    }


def _with_members(file: File, members: Iterable[bytes]) -> tuple[File, list[dict[str, Any]]]:
    """The file with them, and the operations that write its new parts."""
    data = b"".join(members)
    pieces = [data[at : at + ITEM_BYTES] for at in range(0, len(data), ITEM_BYTES)]
    operations = [
        {"Put": {
            "TableName": jobs_table_for(file.table).name,
            "Item": {
                **_key(file.id, f"part#{file.parts + n:06}"), "data": {"B": piece}, "ttl": number(file.ttl),
            },
        }}
        for n, piece in enumerate(pieces)
    ]  # fmt: skip
    return replace(file, parts=file.parts + len(pieces), packed=file.packed + len(data)), operations


def _write(file: File, operations: list[dict[str, Any]], *, background: bool) -> None:
    try:
        sure(jobs_table_for(file.table), operations, background=background)
    except ConditionFailed:
        raise Conflict("The export has ended, or another worker has it.") from None


# --- The file itself ---------------------------------------------------------------------------------------


class PartGone(Exception):
    """A part of the file is not there: it has expired."""


def content(file: File) -> Iterator[bytes]:
    """The file, unpacked, part by part. Raises PartGone, `DynamoError`."""
    unpacker = zlib.decompressobj(wbits=31)
    for packed in _packed(file):
        data = packed
        while data:
            if unpacked := unpacker.decompress(data, UNPACKED_BYTES):
                yield unpacked
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, zlib.decompressobj(wbits=31)
            else:
                data = unpacker.unconsumed_tail


def _packed(file: File) -> Iterator[bytes]:
    key = (Clause("pk", "=", (f"export#{file.id}",)), Clause("sk", "between", ("part#", "part#~")))
    n = 0
    for answer in read_all(jobs_table_for(file.table), key=key, background=None, ConsistentRead=True):
        for item in answer["Items"]:
            if item["sk"]["S"] != f"part#{n:06}":
                raise PartGone
            n += 1
            yield item["data"]["B"]
    if n < file.parts:
        raise PartGone
