"""Ids as people paste them: with what a chat, a shell or an address put around them."""

import re
from urllib.parse import unquote

from django.urls import Resolver404, get_script_prefix, resolve

from opsportal.console.invisible import without_invisible

# Quotation marks and backticks, brackets, and the marks that end a sentence. Text around an id, never in it.
_AROUND = re.compile(
    r"""\A[\s"'`´«»‹›‘’‚‛“”„‟′″＂＇()\[\]{}<>（）「」『』【】]+|[\s"'`´«»‹›‘’‚‛“”„‟′″＂＇()\[\]{}<>（）「」『』【】.,;:!]+\Z"""
)
# Longer is no address of an item: its key has at most 2,048 bytes, each of three characters in an address.
MAX_ADDRESS = 10_000


def keys(text: str, list_path: str = "") -> list[str]:
    """The keys that a pasted text may mean, the exact one first: without the space around it, without quotes and what
    is invisible, and the key in an address: of an item of the list at `list_path` ("": of any page or operation of this
    console), or of an item in DynamoDB's own console."""
    bare = without_invisible(re.sub(r"[^\S ]+", " ", text))
    around = _AROUND.sub("", bare)
    candidates = (text, text.strip(), bare.strip(), around, _in_address(around, list_path))
    return list(dict.fromkeys(key for key in candidates if key))


def _in_address(text: str, list_path: str) -> str:
    """The key of the item that this is an address of; "" for other text."""
    text = text[:MAX_ADDRESS]
    if list_path:
        _, found, rest = text.partition(list_path)
        path = list_path + rest if found and rest else ""
    else:
        path = _path(text)
    return _in_path(unquote(re.split("[?#]", path)[0])) or _in_aws_console(text)


def _path(text: str) -> str:
    """Of an address, whole or as it begins after the host; below the path that a proxy puts in front."""
    after_host = re.sub(r"\A[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", "", text)
    if not after_host.startswith("/"):
        return ""
    prefix = get_script_prefix().rstrip("/")
    return after_host.removeprefix(prefix) if prefix else after_host


def _in_path(path: str) -> str:
    """The key in a page's, an action's or an operation's path."""
    if not path.strip("/"):
        return ""
    for one in (path, f"{path.rstrip('/')}/"):
        try:
            match = resolve(one)
        except (Resolver404, ValueError):
            continue
        if any(kind in match.route for kind in ("<key:", "<text:", "<uuid:", "<slug:")):
            return next((str(value) for value in match.kwargs.values()), "")
    return ""


def _in_aws_console(text: str) -> str:
    """The hash key in an address such as https://console.aws.amazon.com/dynamodbv2/home#edit-item?pk=...&table=..."""
    found = re.search(r"dynamodb.*[?&]pk=([^&]*)", text)
    return unquote(found[1]) if found else ""
