"""Values of filters and positions of lists, as addresses, forms and cursors carry them."""

import re
from datetime import datetime

from opsportal.console.converters import quote_key
from opsportal.dynamo.attributes import parse_time

# Longer values of a filter are cut: no key or status is longer (an AWS limit), and a longer one in a key
# condition would be refused.
MAX_BYTES = 2048


# Filters that are on or off, so that their label says all, with what an address may say for off.
FLAGS, OFF = frozenset({"stuck", "attention", "anycase"}), frozenset({"", "0", "false"})


def cut(text: str, most: int) -> str:
    """`text` in at most so many bytes."""
    return text.encode(errors="replace")[:most].decode(errors="ignore")


# A form changes what it sends of a value with line breaks or controls: such a value is quoted, as in an item's address,
# and its name ends with this.
QUOTED = "~"
_CHANGED_BY_FORMS = re.compile(r"[\x00-\x08\x0a-\x1f]")


def form_field(name: str, value: str) -> tuple[str, str]:
    """Name and value of a form's field that `Listing.given` reads as the value exactly."""
    return (f"{name}{QUOTED}", quote_key(value)) if _CHANGED_BY_FORMS.search(value) else (name, value)


def stamp_shown(text: str) -> datetime | str | None:
    """How far a search got (a sort key's text), as a time where it is one."""
    try:
        return parse_time(text) if text else None
    except ValueError:
        return text
