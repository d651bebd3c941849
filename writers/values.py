"""Reading and making DynamoDB's values.

Items are low-level ones (attribute name -> AttributeValue), so that nothing is lost in translation. Other
programs write them too: a value of another type than expected counts as absent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import reduce
from typing import Any

Item = dict[str, Any]

# Attribute, and the text it shows until it starts (seed 003 of docs/data.md).
STEPS = (
    ("pdfAdapter", "Waiting for upload"),
    ("tradeExtraction", "Waiting for PDF processing"),
    ("tradeMatching", "Waiting for extraction"),
    ("exceptionManagement", "No exceptions"),
)
TOKENS = ("inputTokens", "outputTokens", "totalTokens")
# measure -> where it stands in a step, and where its total stands in the workflow
MEASURES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **{name: (("tokenUsage", name), ("totalTokenUsage", name)) for name in TOKENS},
    "duration": (("duration",), ("totalDuration",)),
}
# Attributes of the workflow's item that cannot name a step: the documented ones, and what the console writes.
RESERVED = frozenset(
    {
        "sessionId",
        "processing_id",
        "correlationId",
        "documentId",
        "sourceType",
        "overallStatus",
        "totalTokenUsage",
        "totalDuration",
        "createdAt",
        "lastUpdated",
        "expiresAt",
        "ttl",
        "cancelledAt",
        "cancelledBy",
        "failedAt",
        "failedBy",
        "completedAt",
        "completedBy",
        "retryCount",
        "error",
    }
)
EXACT = Context(prec=38)  # the digits of DynamoDB's numbers


def new_item(texts: dict[str, str], steps: Sequence[tuple[str, str]], now: datetime, ttl_days: int) -> Item:
    """A workflow that has not started: ``steps`` (attribute, waiting text) pending, totals zero."""
    texts = texts | {"overallStatus": "initializing", "createdAt": stamp(now), "lastUpdated": stamp(now)}
    return {
        **{name: {"S": text} for name, text in texts.items()},
        **{step: {"M": {"status": {"S": "pending"}, "activity": {"S": waiting}}} for step, waiting in steps},
        "totalTokenUsage": usage({}),
        "totalDuration": number(Decimal(0)),
        "expiresAt": {"N": str(int(now.timestamp()) + ttl_days * 86_400)},
    }


def at(item: Item, *path: str) -> Item | None:
    """The AttributeValue at a path of maps, or None."""
    value: Item | None = {"M": item}
    for name in path:
        value = mapping(value).get(name)
    return value


def mapping(value: Item | None) -> Item:
    found: Item = (value or {}).get("M", {})
    return found


def text(value: Item | None) -> str:
    return str((value or {}).get("S", ""))


def decimal(value: Item | None) -> Decimal | None:
    return Decimal(value["N"]) if value and "N" in value else None


def number(value: Decimal) -> Item:
    """As DynamoDB itself writes a number back: without an exponent and without trailing zeros."""
    return {"N": format(EXACT.normalize(value) if value else Decimal(0), "f")}


def step_of(item: Item, step: str) -> Item:
    return mapping(item.get(step))


def plain(value: Item) -> Any:
    """An AttributeValue as plain data: numbers as Decimal, sets as sets."""
    ((kind, inner),) = value.items()
    if kind == "M":
        return {name: plain(member) for name, member in inner.items()}
    if kind == "L":
        return [plain(member) for member in inner]
    if kind in ("N", "NULL"):
        return Decimal(inner) if kind == "N" else None
    return set(inner) if kind in ("SS", "BS") else {Decimal(n) for n in inner} if kind == "NS" else inner


def moment(value: Item | None) -> datetime | None:
    """A stamp in any of the forms that occur (``Z``, ``+00:00``, ``+00:00Z``, none), or None."""
    try:
        found = datetime.fromisoformat(text(value).removesuffix("Z"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def overall(item: Item) -> str:
    """The workflow's status, compared without case as other writers spell it as they like."""
    return text(item.get("overallStatus")).lower()


def sums(item: Item) -> dict[str, Decimal]:
    """What all steps add up to. Any map with a ``status`` is a step, listed or not."""
    steps = [mapping(value) for name, value in item.items() if name not in RESERVED]
    steps = [step for step in steps if "status" in step]
    return {
        measure: reduce(EXACT.add, (decimal(at(step, *path)) or Decimal(0) for step in steps), Decimal(0))
        for measure, (path, _) in MEASURES.items()
    }


def usage(counts: Mapping[str, Decimal]) -> Item:
    """Token counts as a map; those that are missing are 0."""
    return {"M": {name: number(counts.get(name, Decimal(0))) for name in TOKENS}}


def seconds(duration: Decimal) -> Item:
    """A duration with three decimals; a clock that went backwards counts as 0."""
    return number(max(Decimal(0), duration).quantize(Decimal("0.001"), context=EXACT))


def utc(moment: datetime) -> datetime:
    """The moment in UTC, which is also what one without a zone means, wherever the machine is."""
    return moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment.astimezone(UTC)


def stamp(moment: datetime) -> str:
    """``2025-12-24T10:00:00.000Z``, the one form that is written."""
    return utc(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(started: Item | None, now: datetime) -> Decimal | None:
    """Since a stamp, or None where there is none that can be read."""
    since = moment(started)
    return None if since is None else Decimal(str((now - since).total_seconds()))
