"""Reading and making the values of a workflow's item.

Items are low-level ones (attribute name -> AttributeValue), so that nothing is lost in translation. Other
programs write them too: a value of another type than expected counts as absent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Item = dict[str, Any]

# Attribute, and the text it shows until it starts (seed 003).
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
# Attributes of the workflow that cannot name a step.
RESERVED = frozenset(
    {"overallStatus", "totalTokenUsage", "totalDuration", "createdAt", "lastUpdated", "expiresAt"}
)


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
    return {"N": format(value.normalize() if value else Decimal(0), "f")}


def step_of(item: Item, step: str) -> Item:
    return mapping(item.get(step))


def overall(item: Item) -> str:
    """The workflow's status, compared without case as other writers spell it as they like."""
    return text(item.get("overallStatus")).lower()


def sums(item: Item) -> dict[str, Decimal]:
    """What all steps add up to. Any map with a ``status`` is a step, listed or not."""
    steps = [mapping(value) for name, value in item.items() if name not in RESERVED]
    steps = [step for step in steps if "status" in step]
    return {
        measure: sum((decimal(at(step, *path)) or Decimal(0) for step in steps), Decimal(0))
        for measure, (path, _) in MEASURES.items()
    }


def usage(tokens: Mapping[str, Any]) -> Item:
    """Token counts as a map. ValueError for one that is not a whole number of at least 0."""
    counts = {}
    for name in TOKENS:
        try:
            counts[name] = Decimal(str(tokens.get(name) or 0))
            if counts[name] < 0 or counts[name] != counts[name].to_integral_value():
                raise ValueError
        except (InvalidOperation, ValueError):
            raise ValueError(
                f"{name} is {tokens.get(name)!r}; it must be a whole number of at least 0"
            ) from None
    counts["totalTokens"] = counts["totalTokens"] or counts["inputTokens"] + counts["outputTokens"]
    return {"M": {name: number(count) for name, count in counts.items()}}


def seconds(duration: Decimal | float) -> Item:
    """A duration with three decimals; a clock that went backwards counts as 0."""
    return number(max(Decimal(0), Decimal(str(duration))).quantize(Decimal("0.001")))


def stamp(moment: datetime) -> str:
    """``2025-12-24T10:00:00.000Z``, the one form that is written."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(started: str, now: datetime) -> Decimal | None:
    """From a stamp in any of the forms that occur (``Z``, ``+00:00``, ``+00:00Z``, none), or None."""
    try:
        moment = datetime.fromisoformat(started.removesuffix("Z"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Decimal(str((now - moment).total_seconds()))


def cut(value: str, limit: int) -> str:
    """The text as UTF-8 can hold it, with at most about ``limit`` bytes; says how much was left out."""
    data = value.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return (
        data[:limit].decode("utf-8", "ignore")
        + f" [cut: {len(data) - limit:,} of {len(data):,} bytes left out]"
    )
