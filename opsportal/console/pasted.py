"""Ids as people paste them: with what a chat, a shell or an address put around them."""

import re
from urllib.parse import unquote

from django.urls import Resolver404, resolve

from opsportal.console.invisible import without_invisible

# Quotation marks and backticks, brackets, and the marks that end a sentence. Text around an id, never in it.
_AROUND = re.compile(
    r"""\A[\s"'`´«»‹›‘’‚‛“”„‟′″＂＇()\[\]{}<>（）「」『』【】]+|[\s"'`´«»‹›‘’‚‛“”„‟′″＂＇()\[\]{}<>（）「」『』【】.,;:!]+\Z"""
)
# Longer is no address of an item: its key has at most 2,048 bytes, each of three characters in an address.
MAX_ADDRESS = 10_000


def keys(text: str, list_path: str = "") -> list[str]:
    """The keys that a pasted text may mean, the exact one first: without the space around it, without quotes and what
    is invisible, and the key in an address of an item of the list at `list_path`."""
    bare = without_invisible(re.sub(r"[^\S ]+", " ", text))
    candidates = (
        text,
        text.strip(),
        bare.strip(),
        _AROUND.sub("", bare),
        _in_address(_AROUND.sub("", bare), list_path),
    )
    return list(dict.fromkeys(key for key in candidates if key))


def _in_address(text: str, list_path: str) -> str:
    """The key of the item whose page, action or place in the API this is the address of; "" for other text."""
    _, found, rest = text[:MAX_ADDRESS].partition(list_path) if list_path else ("", "", "")
    if not found or not rest:
        return ""
    path = list_path + unquote(re.split("[?#]", rest)[0])
    try:
        match = resolve(path if path.endswith("/") else f"{path}/")
    except (Resolver404, ValueError):
        return ""
    return next((str(value) for value in match.kwargs.values()), "") if "<key:" in match.route else ""
