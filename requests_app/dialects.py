"""How new requests of this table are written, so that its own workers can read them (docs/dialects.md).

The setting REQUEST_DIALECT: `auto` learns it from the newest requests that the console did not create, once a minute
for the whole deployment and only when somebody asks; `documented` is the form of the documents; a path names a TOML
file with the same facts.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from opsportal.dynamo import dialect_files, dialects, spending, timestamp_form
from opsportal.dynamo.attributes import Raw, Typed, read_list, read_map, read_text
from opsportal.dynamo.dialects import agreed, learnable
from opsportal.dynamo.errors import IndexMissing
from opsportal.dynamo.shared import shared
from opsportal.dynamo.timestamp_form import TimestampForm
from opsportal.operations.changes import NULL, number, text
from opsportal.tables.retention.rules import MARK
from requests_app import queries, source_shapes
from requests_app.dialect_file import Facts
from requests_app.models import IntelligenceRequest
from requests_app.source_shapes import SourceShape
from requests_app.tables import REQUESTS

# Seconds that what was learned is taken for true.
FRESH = 60
# Statuses whose newest requests are read; the documented ones are six.
MAX_STATUSES = 12
# What the documents name, and the console or the workers write.
DOCUMENTED_NAMES = frozenset(
    {
        "project_id", "user_id", "request_type", "priority", "processing_strategy", "config", "status",
        "status_message", "created_at", "updated_at", "started_at", "completed_at", "progress", "results", "errors",
        "warnings", "processing_metadata", "ttl", MARK,
    }
)  # fmt: skip
# The documented progress (docs/data.md, seed 002): (name, type) at the start.
PROGRESS = (
    ("content_extracted", "N"), ("current_stage", "S"), ("estimated_completion", "NULL"), ("last_updated", "S"),
    ("percentage", "N"), ("processing_errors", "N"), ("urls_found", "N"),
)  # fmt: skip


@dataclass(frozen=True)
class Dialect(dialects.Dialect):
    """`shape`: None where they disagree; then a person chooses among `shapes`. `errors`, `warnings`:
    the type that they begin with, "" where they are absent; `progress`: the same, "M" for `members`."""

    shape: SourceShape | None = source_shapes.DOCUMENTED
    shapes: tuple[SourceShape, ...] = field(
        default=(source_shapes.DOCUMENTED, source_shapes.SHORT), repr=False
    )
    stamps: TimestampForm = timestamp_form.DOCUMENTED
    errors: str = "L"
    warnings: str = "L"
    progress: str = "M"
    members: tuple[tuple[str, str], ...] = PROGRESS

    def start(self, moment: datetime) -> Raw:
        """`progress`, `errors` and `warnings` of a request that no worker has taken yet."""
        found = {name: _zero(tag) for name, tag in (("errors", self.errors), ("warnings", self.warnings))}
        stamp = self.stamps.written(moment)
        found["progress"] = (
            fresh_progress(stamp, self.members) if self.progress == "M" else _zero(self.progress)
        )
        return {name: value for name, value in found.items() if value is not None}

    def sentence(self, labels: Iterable[str] = ()) -> str:
        """What the preview says of it; `labels` are the shapes in which the sources are written."""
        labels = list(labels) or ([self.shape.label] if self.shape else [])
        if self.origin == "learned":
            number_ = f"the {self.items} newest requests" if self.items > 1 else "the one other request"
            how = f"written like {number_} of this table"
        else:
            how = {
                "empty": "written as documented, since this table has no request of another program to learn from",
                "documented": "written as documented (setting REQUEST_DIALECT)",
                "file": "written as the file of REQUEST_DIALECT says",
            }[self.origin]
        return f"{how}: sources as {', '.join(labels)}" if labels else how


def fresh_progress(stamp: Typed, members: tuple[tuple[str, str], ...] = PROGRESS) -> Typed:
    """The progress of a request that no worker has taken yet: `members` by (name, type)."""
    found = {name: _member(name, tag, stamp) for name, tag in members}
    return {"M": {name: value for name, value in found.items() if value is not None}}


def _member(name: str, tag: str, stamp: Typed) -> Typed | None:
    if name == "current_stage" and tag == "S":
        return text("initialization")
    if name == "last_updated" and tag in ("S", "N"):
        return stamp
    return NULL if name == "estimated_completion" else _zero(tag)


def _zero(tag: str) -> Typed | None:
    """What a value of that type is before anything has happened; None for those that can't be empty."""
    zeros: Mapping[str, Typed] = {
        "S": text(""), "N": number(0), "BOOL": {"BOOL": False}, "L": {"L": []}, "M": {"M": {}}, "NULL": NULL,
    }  # fmt: skip
    return zeros.get(tag)


DOCUMENTED, EMPTY = Dialect(), Dialect("empty")


def current() -> Dialect:
    """How a new request is written now. Raises `DynamoError`."""
    setting = settings.REQUEST_DIALECT
    if setting == "documented":
        return DOCUMENTED
    if setting != "auto":
        return from_file(setting)
    return shared(f"dialect:{queries.table().fingerprint}", lambda _: learned(newest()), fresh=FRESH).value


def check() -> None:
    """Raises ImproperlyConfigured, at start, for a setting that can't be followed."""
    if settings.REQUEST_DIALECT not in ("auto", "documented"):
        from_file(settings.REQUEST_DIALECT)


def from_file(path: str) -> Dialect:
    """Raises ImproperlyConfigured."""
    facts = dialect_files.read("REQUEST_DIALECT", path, Facts)
    return Dialect(
        "file",
        shape=facts.sources.shape,
        stamps=facts.stamps,
        errors=facts.start.errors,
        warnings=facts.start.warnings,
        progress="" if facts.start.progress == "" else "M",
        members=facts.start.members(PROGRESS),
        extras=facts.extras,
    )


def newest() -> list[Raw]:
    """The newest requests that the console did not create, the newest first: by the index where the table has it,
    else of one page of a Scan; of at most 1 MB. Raises `DynamoError`."""
    table, account = queries.table(), spending.current()
    before = account.read_units if account else 0
    try:
        statuses = queries.statuses().values[:MAX_STATUSES]
        # What it took to find the statuses, where no list has just found them, is part of the reading.
        units = account.read_units - before if account else 0
        left = dialects.MAX_BYTES - int(units * dialects.UNIT_BYTES)
        return dialects.newest_by_index(table, REQUESTS.index("status-index"), statuses, _of_others, left)
    except IndexMissing:
        return dialects.newest_of_page(table, ("created_at", "updated_at"), _of_others)


def _of_others(raw: Raw) -> bool:
    return not made_here(raw)


def made_here(raw: Raw) -> bool:
    """Whether the console created the request: by its id, which survives a worker that writes the whole item from
    memory; or by its metadata, for those made before there were ids."""
    key = raw.get(IntelligenceRequest.binding().key, {}).get("S", "")
    if is_own_id(key):
        return True
    metadata = read_map(raw.get("processing_metadata"))
    by = metadata.get("submitted_by", {}).get("S") if isinstance(metadata, dict) else None
    history = read_list(metadata.get("status_history")) if isinstance(metadata, dict) else None
    if not by or not isinstance(history, list):
        return False
    entries = [entry["M"].get("message") for entry in history if "M" in entry]
    return {"S": f"Submitted by {by}"} in entries


def own_id(milliseconds: int, digest: str) -> str:
    """``req_<epoch ms>_<8 hex>``: five digits of `digest` (hex), and three that follow from what is before them."""
    return f"req_{milliseconds}_{digest[:5]}{_check(milliseconds, digest[:5])}"


def is_own_id(key: str) -> bool:
    head, _, tail = key.rpartition("_")
    milliseconds = head.removeprefix("req_")
    if not (head.startswith("req_") and milliseconds.isascii() and milliseconds.isdigit() and len(tail) == 8):
        return False
    return tail[5:] == _check(int(milliseconds[:20]), tail[:5])


def _check(milliseconds: int, digits: str) -> str:
    return hashlib.sha256(f"ops-portal\n{milliseconds}\n{digits}".encode()).hexdigest()[:3]


# --- Learning -------------------------------------------------------------------------------------------


def learned(items: list[Raw]) -> Dialect:
    """What these items, the newest first, have in common; the documented form wherever they have nothing."""
    if not items:
        return EMPTY
    found: dict[str, Any] = {"origin": "learned", "items": len(items)}
    configs = [raw.get("config") for raw in items]
    shapes = [source_shapes.shape_of(one) for one in configs if source_shapes.shapes_of(one)]
    seen = [one for one in shapes if one]
    found["shape"] = agreed(shapes)
    found["shapes"] = tuple(dict.fromkeys([*seen, source_shapes.DOCUMENTED, source_shapes.SHORT]))[:4]
    # Their decimals a writer may leave out where they are none.
    stamps = agreed([TimestampForm.from_value(raw.get("created_at")) for raw in items])
    found["stamps"] = stamps or timestamp_form.DOCUMENTED
    fresh = [raw for raw in items if str(read_text(raw.get("status")) or "").strip().lower() == "pending"]
    if len(fresh) < dialects.MIN_IDS:
        fresh = items
    for name in ("errors", "warnings"):
        tag = agreed([_tag(raw, name) for raw in fresh])
        found[name] = "L" if tag is None else tag
    found |= _progress(fresh)
    names = {*DOCUMENTED_NAMES, IntelligenceRequest.binding().key, queries.table().ttl_attribute or "ttl"}
    found["extras"] = dialects.extras(items, names)
    return Dialect(**found)


def _tag(raw: Raw, name: str) -> str:
    return next(iter(raw.get(name, {})), "")


def _progress(items: list[Raw]) -> dict[str, Any]:
    tag = agreed([_tag(raw, "progress") for raw in items])
    if tag != "M":
        return {} if tag is None else {"progress": tag}
    maps = [raw["progress"]["M"] for raw in items if _tag(raw, "progress") == "M"]
    documented = dict(PROGRESS)
    common = dialects.members_of(maps)
    members = tuple((name, kind) for name, kind in common if name in documented or learnable(name))
    empty = dialects.agrees(sum(not one for one in maps), len(maps))
    return {"members": members[: dialects.MAX_EXTRAS]} if members or empty else {}
