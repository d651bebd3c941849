"""Reading and making DynamoDB's values.

Items are low-level ones (attribute name -> AttributeValue), so that nothing is lost in translation. Other
programs write them too: a value of another type than expected counts as absent.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation, localcontext
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


def typed(value: Any) -> Item:
    """Plain data as an AttributeValue: numbers as decimals, what DynamoDB has no type for as text."""
    if value is None or isinstance(value, bool):
        return {"NULL": True} if value is None else {"BOOL": value}
    if isinstance(value, int | float | Decimal):
        return _typed_number(Decimal(str(value)))
    if isinstance(value, Mapping):
        return {"M": {cut(str(name), 1_000): typed(member) for name, member in value.items()}}
    if isinstance(value, list | tuple | set | frozenset):
        return {"L": [typed(member) for member in value]}
    if isinstance(value, datetime):
        return {"S": stamp(value)}
    return {"S": cut(str(value), 400_000)}


def _typed_number(value: Decimal) -> Item:
    """38 digits and exponents up to 125 are DynamoDB's limits; beyond them, and for NaN, it is text."""
    if not value.is_finite() or (value and not -130 <= value.adjusted() <= 125):
        return {"S": str(value)}
    with localcontext(prec=38):
        return number(+value)


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


def size(value: Item) -> int:
    """About how many bytes an AttributeValue takes of an item's 400 KB."""
    return len(json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace"))


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


def seconds_since(started: Item | None, now: datetime) -> Decimal | None:
    """Since a stamp, or None where there is none that can be read."""
    since = moment(started)
    return None if since is None else Decimal(str((now - since).total_seconds()))


def cut(value: str, limit: int) -> str:
    """The text as UTF-8 can hold it, with at most about ``limit`` bytes; says how much was left out."""
    data = value.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return (
        data[:limit].decode("utf-8", "ignore")
        + f" [cut: {len(data) - limit:,} of {len(data):,} bytes left out]"
    )
