"""Times as the registry writes them: epoch milliseconds, or whatever form the agent's item has."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from opsportal.dynamo.attributes import Typed, read_number

# Epoch seconds stay below this until the year 5138.
_MILLISECONDS_FROM = Decimal(100_000_000_000)
_ZONED = re.compile(r"[Zz]$|[+-]\d\d:?\d\d$")


def milliseconds(moment: datetime) -> Typed:
    return {"N": str(int(moment.timestamp() * 1000))}


def written(moment: datetime, like: Typed | None = None) -> Typed:
    """In the form of `like`, the stamp that the item has: ISO text with a zone or without, seconds, or else
    milliseconds, as number or digits."""
    if like is None or not ("S" in like or "N" in like):
        return milliseconds(moment)
    epoch = read_number(like)
    if not isinstance(epoch, Decimal) and "S" in like:
        text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        return {"S": f"{text}Z" if _ZONED.search(like["S"]) else text}
    tag = "S" if "S" in like else "N"
    if isinstance(epoch, Decimal) and 0 < epoch < _MILLISECONDS_FROM:
        return {tag: str(int(moment.timestamp()))}
    return {tag: milliseconds(moment)["N"]}
