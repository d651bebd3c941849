"""Text found whatever its letters' case and Unicode form, which no expression of DynamoDB can ask for."""

import unicodedata
from collections.abc import Callable, Sequence

from opsportal.dynamo.attributes import Raw

# The Turkish letters: I with a dot folds to i and a combining dot, and an i without one to itself.
_TURKISH = (("i\u0307", "i"), ("\u0131", "i"))


def folded(text: str) -> str:
    """What two texts share that a reader takes for the same: `STRASSE` and `straße`, composed and decomposed accents."""
    if text.isascii():
        return text.lower()
    found = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    for letter, plain in _TURKISH:
        found = found.replace(letter, plain)
    return found


def holds_text(names: Sequence[str], text: str) -> Callable[[Raw], bool]:
    """Whether one of these attributes of an item is a text that contains `text`, for `List.keep`."""
    wanted = folded(text)

    def keep(item: Raw) -> bool:
        return any(wanted in folded(value) for name in names if (value := item.get(name, {}).get("S")))

    return keep
