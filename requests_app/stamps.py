"""Times as the requests table writes them: in the form that the item has, so that string order stays true."""

import re
from datetime import UTC, datetime

from opsportal.dynamo.attributes import Typed

_ZONED = re.compile(r"[Zz]$|[+-]\d\d:?\d\d$")


def written(moment: datetime, like: Typed | None = None) -> str:
    """Seed 002's naive form with microseconds, or with ``Z`` where `like`, a stamp of the item, has a zone."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}Z" if like and _ZONED.search(str(like.get("S", ""))) else text
