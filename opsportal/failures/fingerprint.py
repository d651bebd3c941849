"""Which errors are one: their text without what differs from run to run, under rules that have a version.

Everything is linear in the length of the text, of which only the head is looked at: each alternative begins where a word
does and gives nothing back.
"""

import hashlib
import re
from functools import lru_cache
from typing import Any, NamedTuple

from opsportal.console.text import plain_line
from opsportal.dynamo.json_values import parse_foreign
from opsportal.failures.failure import MESSAGES, TYPES, Failure

# Part of each fingerprint: other rules make other cases.
VERSION = 1
# Characters of a cleaned line; of the line that it is made of; and of the text in which that is looked for.
MAX_LINE, MAX_RAW_LINE, MAX_HEAD = 300, 1_000, 20_000


# In place of the line, of a case that holds the rest of a flood; no error is cleaned to it.
OTHERS = "<other errors of this step>"


class Fingerprint(NamedTuple):
    """`id`: 16 hex digits; `type`: of the error, "" where it has none; `line`: the cleaned text."""

    id: str
    type: str
    line: str


def fingerprint(logical: str, failure: Failure) -> Fingerprint:
    """Of a failure of that table's items."""
    return _fingerprint(logical, failure.step, failure.error[:MAX_HEAD])


@lru_cache(maxsize=2_048)
def _fingerprint(logical: str, step: str, text: str) -> Fingerprint:
    kind, line = _parsed(text)
    return Fingerprint(identity(logical, step, kind, line), kind, line)


def identity(logical: str, step: str, kind: str, line: str) -> str:
    parts = "\n".join((str(VERSION), logical, step, kind, line))
    return hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()[:16]


def clean(text: str) -> str:
    """The first line that says something, without numbers, ids, addresses and quoted text."""
    return _parsed(text[:MAX_HEAD])[1]


def error_type(text: str) -> str:
    """The name of the exception that the text begins with, or "": "ThrottlingException"."""
    return _parsed(text[:MAX_HEAD])[0]


@lru_cache(maxsize=1_024)
def _parsed(text: str) -> tuple[str, str]:
    """Type and cleaned line."""
    line = _line(text)
    if line.startswith("{") and (found := _of_json(text)):
        line = plain_line(found, MAX_RAW_LINE)
    line = _STAMP.sub("", line)
    kind = _TYPE.match(line)
    return (kind[1] or kind[2]) if kind else "", _cleaned(line)


def _line(text: str) -> str:
    text = text.lstrip()
    if text.startswith("Traceback"):
        # What it says is the first line of it that is not indented.
        for line in text.split("\n")[1:]:
            if line.strip() and not line[0].isspace():
                return plain_line(line, MAX_RAW_LINE)
    first = text.partition("\n")[0]
    if len(first) < MAX_RAW_LINE and first.isascii() and first.isprintable():
        return first.strip()  # as nearly all are; what follows takes longer than all else
    return plain_line(text, MAX_RAW_LINE)


def _of_json(text: str) -> str:
    try:
        return _message(parse_foreign(text))
    except ValueError:
        return ""


def _message(document: Any) -> str:
    if not isinstance(document, dict):
        return document if isinstance(document, str) else ""
    message = next(filter(None, (_message(document.get(name)) for name in MESSAGES)), "")
    kind = next((one for name in TYPES if isinstance(one := document.get(name), str) and one), "")
    return f"{kind}: {message}" if message and kind and kind not in message else message


# That some writers put before each text.
_STAMP = re.compile(r"\A\[?\d{4}-\d\d-\d\d[T ][\d:.,]++(?:Z|[+-]\d\d:?\d\d)?\]?[\s:|-]*")
# ``module.SomeError: ...``, and what botocore says before everything else.
_TYPE = re.compile(
    r"(?:[\w.]{0,200}?(?:ClientError|Exception): )?An error occurred \((\w{1,100})\)"
    r"|(?:[A-Za-z_]\w{0,60}\.){0,8}((?=[A-Z])(?:[A-Za-z_]{0,80}(?:Error|Exception|Fault|Timeout|Interrupt|Exit|Warning)"
    r"|[A-Z][a-z]{1,30}(?:[A-Z][a-z]{1,30}){1,4}))(?::|\Z|(?= ?\())"
)

_TLD = "com|net|org|io|dev|ai|app|cloud|gov|edu|mil|int|info|biz|eu|de|fr|ch|at|uk|us|nl|se|fi|no|dk|it|es|pl|jp|cn|in|au|ca|br|local|internal|lan|example|test"
_FILE = "pdf|json|jsonl|csv|tsv|txt|xml|html?|docx?|xlsx?|pptx?|zip|gz|tar|png|jpe?g|gif|tiff?|py|js|ts|log|ya?ml|parquet|eml|msg"
# What stands for what, where any of these characters is in the line. In this order: a quoted address is quoted text.
_STRUCTURES = tuple(
    (marks, re.compile(pattern), sign)
    for marks, pattern, sign in (
        ("\"'`\u201c\u2018\u00ab", r""""[^"]*+"|(?<!\w)'[^']*+'(?!\w)|`[^`]*+`|\u201c[^\u201d]*+\u201d|\u2018[^\u2019]*+\u2019|\u00ab[^\u00bb]*+\u00bb""", "<text>"),
        ("/", r"""(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}+://(?:[^\s"'<>()\[\]{},;]*[^\s"'<>()\[\]{},;.:!?])?""", "<url>"),
        ("@", r"(?<![\w.+-])[\w.+-]++@[\w.-]++", "<address>"),
        (":", r"""(?<!\w)arn:[\w-]++:[^\s"'(),;]*+""", "<id>"),
        ("-", r"(?<!\w)[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?!\w)", "<id>"),
        ("xX", r"(?<!\w)0[xX][0-9a-fA-F]++(?!\w)", "<id>"),
        ("-", r"(?<![\w:])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d++)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)", "<time>"),
        (":", r"(?<![\w:.])\d{1,2}:\d\d(?::\d\d(?:[.,]\d++)?)?(?![\w:])", "<time>"),
        (".", r"(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.])(?::\d++|/\d++)?", "<address>"),
        (":", r"(?<![\w:])(?=[a-fA-F:\[]{0,9}\d)\[?(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}\]?(?![\w:])(?::\d++)?", "<address>"),
        ("\\", r"""(?<!\w)[A-Za-z]:\\[^\s"'<>|*?,;]*+""", "<path>"),
        ("/", r"(?<![\w./<>-])~?(?:/[\w.@%+~=-]++){2,}+/?", "<path>"),
        (".", rf"(?<![\w./@%+~=-])(?:[\w@%+~=-]++[./])*?[\w@%+~=-]++\.(?:{_FILE})(?![\w./-])", "<path>"),
        (".", rf"(?<![\w.-])(?:[a-z0-9-]{{1,63}}\.){{1,8}}(?:{_TLD})(?![\w-])(?::\d++)?", "<address>"),
        (":", r"(?<![\w.-])[A-Za-z][A-Za-z0-9-]*+(?:\.[A-Za-z0-9-]++)*+:\d{2,5}(?![\w.:])", "<address>"),
    )
)  # fmt: skip
_DECIMAL = re.compile(r"(?<![\w)\]-])[-+]?\d++(?:[.,]\d++)*+(?:[eE][-+]?\d++)?(?![\w-])|\d++(?:[.,]\d++)++")
_WORD = re.compile(r"\w++(?:-++\w++)*+")
_PARTS = re.compile(r"[-_]+")
_NUMBER = re.compile(r"\d++")
_HEX = re.compile(r"[0-9a-fA-F]{6,}+\Z")
# A word this long is no word.
_LONG = 40


def _cleaned(line: str) -> str:
    for marks, structure, sign in _STRUCTURES:
        if any(mark in line for mark in marks):
            line = structure.sub(sign, line)
    line = " ".join(map(_without_ids, line.split()))
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _without_ids(word: str) -> str:
    return _WORD.sub(_word, _DECIMAL.sub("0", word)) if _NUMBER.search(word) or len(word) >= _LONG else word


def _word(found: re.Match[str]) -> str:
    """Its parts that are numbers and ids, replaced; several of these in a row are one id."""
    word = found[0]
    if not _NUMBER.search(word):
        return word if len(word) < _LONG else "<id>"
    made: list[str] = []
    separators = ["", *_PARTS.findall(word)]
    for separator, part in zip(separators, _PARTS.split(word), strict=True):
        sign = _part(part)
        if made and sign in ("<n>", "<id>") and made[-1] in ("<n>", "<id>"):
            made[-1] = "<id>"
        else:
            made += [separator, sign] if separator else [sign]
    return "".join(made)


def _part(part: str) -> str:
    """A part of a word that has digits: a number, an id, or letters with a number."""
    if part.isdigit():
        return "<n>"
    if _HEX.match(part) or len(part) >= _LONG:
        return "<id>"
    if (runs := len(_NUMBER.findall(part))) == 0:
        return part
    if runs > 1 or (part[0].isalpha() and part[-1].isalpha()):
        return "<id>"
    return _NUMBER.sub("<n>", part)
