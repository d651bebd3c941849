"""The form of the log's lines: JSON outside development, text in it. One record is one line, whatever it holds:
text of items, names and addresses can't forge another.

Knows nothing of Django: gunicorn's master, which does not load the console, writes in the same form.
"""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opsportal.environments import is_strict

# Beside time, level, logger and message, a line has these where the record does (`extra=`), and no others:
# what a library hangs on its records may be a whole request.
FIELDS = (
    "request_id", "user", "actor_id", "peer", "method", "path", "route", "status", "ms", "bytes",
    "calls", "read_units", "write_units", "service", "operation", "table", "attempts", "error",
    "aws_request_id", "aws_request_ids", "action", "action_id", "outcome", "target",
)  # fmt: skip
# Characters; a longer message or trace is cut.
MAX_MESSAGE, MAX_TRACE = 8_000, 20_000
CUT = "... (cut)"

# Whatever a terminal or a log's reader may take for the end of a line, or obey.
_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def visible(text: str) -> str:
    """`text` on one line: control characters as escapes, and half a surrogate pair as a question mark."""
    if text.isascii() and text.isprintable():  # as nearly all are
        return text
    return text.translate(_CONTROLS).encode(errors="replace").decode()


# What an address may have in place of a character: percent-encoded, once or more often, or as the console's own
# addresses escape. So often, and no oftener: the search is to stay linear.
_ESCAPE = "(?:%(?:25){0,4}|~)"


def _spelt(character: str) -> str:
    return f"(?:{character}|{_ESCAPE}(?i:{ord(character):02x}))"


# A token of the API (`opsportal.accounts.tokens.MARK`). A path may hold one by mistake, and logs are read by many.
MARK = "opsp_"
_TOKEN = re.compile(
    "".join(map(_spelt, MARK)) + rf"(?:[\w-]|{_ESCAPE}(?i:2d|3[0-9]|[46][1-9a-f]|5[0-9af]|7[0-9a]))+",
    re.ASCII,
)
MASKED = "opsp_***"


def masked(text: str) -> str:
    """`text` without what looks like a token."""
    # The search tries four spellings at each character: the half of a line's cost.
    if "%" not in text and "~" not in text and MARK not in text:
        return text
    return _TOKEN.sub(MASKED, text)


def format_of(environ: Mapping[str, str]) -> str:
    """ "json" or "line": LOG_FORMAT, else by the deployment."""
    by_deployment = "json" if is_strict(environ.get("OPSPORTAL_ENV", "dev")) else "line"
    return environ.get("LOG_FORMAT") or by_deployment


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _cut(record.getMessage(), MAX_MESSAGE),
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value not in (None, "", "-", ()):
                document[name] = value
        if trace := self._trace(record):
            document["exception"] = _cut(trace, MAX_TRACE)
        return masked(json.dumps(document, default=str))

    def _trace(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info else []
        parts += [record.stack_info] if record.stack_info else []
        return "\n".join(parts)


class LineFormatter(JsonFormatter):
    """One line of text; the lines of a trace below it begin with a bar, so that none passes for a record."""

    def format(self, record: logging.LogRecord) -> str:
        request_id = getattr(record, "request_id", "-")
        message = visible(_cut(record.getMessage(), MAX_MESSAGE))
        lines = [f"{_time(record)} {record.levelname} {record.name} [{request_id}] {message}"]
        if trace := self._trace(record):
            lines += [f"  | {visible(line)}" for line in _cut(trace, MAX_TRACE).split("\n")]
        return masked("\n".join(lines))


FORMATTERS: dict[str, type[logging.Formatter]] = {"json": JsonFormatter, "line": LineFormatter}


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + CUT
