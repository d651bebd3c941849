"""The parts of a job: the keys that were ticked, the frozen ones, and how far the work on them is.

``sk``: ``given#<n>`` keys that were ticked; ``keys#<n>`` frozen ones, and ``chunk#<n>`` how far the work on them is. They
lie next to one another, since each step rewrites its whole chunk, and a page reads all chunks.
"""

import contextlib
import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import translated
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.reads import read_all
from opsportal.jobs.job import Counts, Job, part_key
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.tables import jobs_table_for

# Days that the parts of a job are kept: longer than any job.
PARTS_DAYS = 200
# Frozen keys of one chunk at most, and the bytes of them: an item has 400 KB, and a key up to 3 KB.
CHUNK_KEYS, CHUNK_BYTES = 320, 250_000


def packed(document: Any) -> Typed:
    return {
        "B": zlib.compress(json.dumps(document, separators=(",", ":")).encode("utf-8", "surrogatepass"), 6)
    }


def unpacked(value: Typed) -> Any:
    return json.loads(zlib.decompress(value["B"]).decode("utf-8", "surrogatepass"))


def part_ttl() -> Typed:
    return number(int(time.time()) + PARTS_DAYS * 86_400)


def cut(keys: Sequence[str]) -> Iterator[list[str]]:
    held: list[str] = []
    size = 0
    for key in keys:
        length = len(key.encode("utf-8", "surrogatepass"))
        if held and (len(held) >= 1_000 or size + length > CHUNK_BYTES):
            yield held
            held, size = [], 0
        held.append(key)
        size += length
    if held:
        yield held


def given_keys(job: Job) -> Iterator[list[str]]:
    """The keys that were ticked. Raises `DynamoError`."""
    for item in parts(job, "given#"):
        yield unpacked(item["keys"])


def parts(job: Job, prefix: str, start: str = "") -> Iterator[Raw]:
    """The parts whose sort key begins so, in their order, from `start` on (consistent). Raises `DynamoError`."""
    key = (Clause("pk", "=", (f"job#{job.id}",)), Clause("sk", "between", (start or prefix, f"{prefix}~")))
    for answer in read_all(jobs_table_for(job.table), key=key, background=None, ConsistentRead=True):
        yield from answer["Items"]


@dataclass(frozen=True)
class Record:
    """One frozen item: its key, its status as text, and digests of status and stamps as stored, which say whether it has
    changed. `reason`: why the preview skips it, "" where it may be done."""

    key: str
    status: str
    status_digest: str = ""
    stamps_digest: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Keys:
    """The frozen items of a chunk: those to be done, in their order, and those that the preview skips."""

    eligible: list[Record]
    skipped: list[Record]

    @property
    def texts(self) -> list[str]:
        return [one.key for one in (*self.eligible, *self.skipped)]


def keys_item(job: Job, n: int, keys: Keys) -> Raw:
    reasons = list(dict.fromkeys(one.reason for one in keys.skipped))
    document = {
        "e": [[one.key, one.status, one.status_digest, one.stamps_digest] for one in keys.eligible],
        "s": [[one.key, one.status, reasons.index(one.reason)] for one in keys.skipped],
        "r": reasons,
    }
    return {**part_key(job.id, f"keys#{n:05}"), "keys": packed(document), "ttl": part_ttl()}


def keys_of(job: Job, n: int) -> Keys:
    """Raises `DynamoError`, LookupError where they are gone."""
    table = jobs_table_for(job.table)
    with translated(table):
        answer = clients.client(*table.location, background=True).get_item(
            TableName=table.name, Key=part_key(job.id, f"keys#{n:05}"), ConsistentRead=True
        )
    if "Item" not in answer:
        raise LookupError(f"The keys of chunk {n} of job {job.id} are gone.")
    document = unpacked(answer["Item"]["keys"])
    return Keys(
        [Record(*one) for one in document["e"]],
        [Record(key, status, reason=document["r"][at]) for key, status, at in document["s"]],
    )


def chunk_item(job: Job, n: int, keys: Keys) -> Raw:
    """How far a chunk is. `n`: eligible items, `at`: of them attempted, of these `done`; `left`: those that the preview
    skips; `reasons`: by sentence, the positions of those that were skipped; `failures`: of those that failed."""
    over = not keys.eligible
    return {
        **part_key(job.id, f"chunk#{n:05}"),
        "state": text("done" if over else "open"),
        "n": number(len(keys.eligible)),
        "left": number(len(keys.skipped)),
        "at": number(0),
        "done": number(0),
        "skipped": number(0),
        "failed": number(0),
        "units": number(0),
        "reasons": {"M": {}},
        "failures": {"M": {}},
        "ttl": part_ttl(),
    }


@dataclass(frozen=True)
class Progress:
    """Of a chunk."""

    n: int
    size: int
    at: int
    done: int
    skipped: int
    failed: int
    left: int
    units: Decimal
    is_open: bool
    lease_until: int
    reasons: Mapping[str, list[int]]
    failures: Mapping[str, list[int]]

    @classmethod
    def from_item(cls, raw: Raw) -> "Progress":
        n, at, done, skipped, failed, left = (
            int(raw[name]["N"]) for name in ("n", "at", "done", "skipped", "failed", "left")
        )
        return cls(
            n=int(raw["sk"]["S"].partition("#")[2]),
            size=n,
            at=at,
            done=done,
            skipped=skipped,
            failed=failed,
            left=left,
            units=Decimal(raw["units"]["N"]),
            is_open=raw["state"]["S"] == "open",
            lease_until=int(raw.get("lease_until", {}).get("N", "0")),
            reasons=_positions(raw["reasons"]),
            failures=_positions(raw["failures"]),
        )


def _positions(value: Typed) -> dict[str, list[int]]:
    return {sentence: [int(at["N"]) for at in found["L"]] for sentence, found in value["M"].items()}


def positions(found: Mapping[str, Iterable[int]]) -> Typed:
    return {"M": {sentence: {"L": [number(at) for at in places]} for sentence, places in found.items()}}


def progress(job: Job) -> list[Progress]:
    """Of every chunk, in their order (consistent). Raises `DynamoError`."""
    return [Progress.from_item(raw) for raw in parts(job, "chunk#")]


def withdraw(job: Job) -> None:
    """Take the chunks of a job that is over from the workers that hold them, whether their leases have ended or not: what
    they still send is refused. Raises `DynamoError`."""
    for one in progress(job):
        if one.is_open and one.lease_until:
            with contextlib.suppress(Lost):
                Lease(jobs_table_for(job.table), part_key(job.id, f"chunk#{one.n:05}")).end()


def counts(job: Job, chunks: Iterable[Progress]) -> Counts:
    """The sums; while it is being frozen, of what is frozen so far."""
    found = list(chunks)
    left = sum(one.left for one in found)
    eligible = sum(one.size for one in found)
    return Counts(
        matched=left + eligible,
        eligible=eligible,
        done=sum(one.done for one in found),
        skipped=left + sum(one.skipped for one in found),
        failed=sum(one.failed for one in found),
        units=sum((one.units for one in found), Decimal(0)),
    )
