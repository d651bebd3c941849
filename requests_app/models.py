"""Market-intelligence requests and their logs, read from DynamoDB, and the permissions of this app."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db import models

from opsportal.console.text import exact
from opsportal.console.tones import FAILED, RUNNING, WAITING, tone_of
from opsportal.dynamo.attributes import (
    DocumentAttribute,
    ListAttribute,
    Malformed,
    MapAttribute,
    TextAttribute,
    TimeAttribute,
    Typed,
    plain,
    read_list,
    read_texts,
)
from opsportal.dynamo.json_values import as_json
from opsportal.dynamo.models import DynamoModel
from opsportal.tables.retention.rules import MARK, expires_at
from requests_app.parts import (
    Progress,
    Source,
    StatusChange,
    change_of,
    messages_of,
    progress_of,
    source_of,
)
from requests_app.statuses import STATUSES, is_open, is_terminal

# As documented: docs/data.md, seed 002.
PRIORITIES = ("high", "medium", "low")
STRATEGIES = ("table", "sqs")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


_STAMP = re.compile(r"\A\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?:\s+")


def _says(message: Any) -> bool:
    """Whether a message is there and not blank; one that can't be read is there."""
    return message is not None and not (isinstance(message, str) and not message.strip())


class IntelligenceRequest(DynamoModel):
    """One request. Attributes may be None (missing) or `Malformed`."""

    logical: ClassVar[str] = "requests"
    documented: ClassVar[Mapping[str, Collection[str]]] = {
        "status": STATUSES,
        "priority": PRIORITIES,
        "processing_strategy": STRATEGIES,
    }
    inert: ClassVar[Mapping[str, str]] = {"status": "cancelled"}

    request_id = TextAttribute(hash_key=True)
    project_id = TextAttribute()
    user_id = TextAttribute()
    request_type = TextAttribute()
    status = TextAttribute()
    status_message = TextAttribute()
    priority = TextAttribute()
    processing_strategy = TextAttribute()
    config = MapAttribute()
    created_at = TimeAttribute()
    updated_at = TimeAttribute()
    started_at = TimeAttribute()
    completed_at = TimeAttribute()
    results = DocumentAttribute()
    errors = ListAttribute()
    warnings = ListAttribute()
    processing_metadata = MapAttribute()

    @property
    def is_terminal(self) -> bool:
        """Compared without case; an unknown status is not terminal (it may go on)."""
        return is_terminal(self.status)

    @cached_property
    def is_open(self) -> bool:
        """Whether it should move on. Of an unknown status that is not known."""
        return is_open(self.status)

    @cached_property
    def progress(self) -> Progress:
        return progress_of(self.raw.get("progress"))

    @property
    def known(self) -> frozenset[str]:
        return super().known | {"progress"}

    @property
    def unreadable(self) -> dict[str, str]:
        """Also what could not be read in the progress."""
        found, parts = super().unreadable, vars(self.progress)
        if Malformed in map(type, parts.values()):
            odd = {name: value for name, value in parts.items() if isinstance(value, Malformed)}
            found |= {
                f"progress.{name}".removesuffix(".malformed"): value.reason for name, value in odd.items()
            }
        return found

    @property
    def touched_at(self) -> datetime | None:
        """The newest stamp that says the request moved."""
        stamps = (self.updated_at, self.progress.last_updated, self.started_at, self.created_at)
        return max((stamp for stamp in stamps if isinstance(stamp, datetime)), default=None)

    @property
    def expires_at(self) -> datetime | None:
        """From when on TTL deletes it; None where nothing says so."""
        return expires_at(self.raw, self.binding().ttl_attribute)

    @property
    def elapsed(self) -> timedelta | None:
        """From start (or creation) to completion; None while it is not over, or runs again."""
        if tone_of(str(self.status or "")) in (RUNNING, WAITING):
            return None
        begin = self.started_at if isinstance(self.started_at, datetime) else self.created_at
        if not (isinstance(begin, datetime) and isinstance(self.completed_at, datetime)):
            return None
        return self.completed_at - begin if self.completed_at >= begin else None

    @property
    def messages(self) -> dict[str, list[Any]]:
        """Errors and warnings, each a text or what else a writer put there."""
        return {
            "errors": messages_of(self.raw.get("errors")),
            "warnings": messages_of(self.raw.get("warnings")),
        }

    @property
    def error_messages(self) -> list[Any]:
        """The recorded errors; of a failed request without any what its status says, since some writers set that
        alone."""
        recorded = [message for message in messages_of(self.raw.get("errors")) if _says(message)]
        failed = tone_of(str(self.status or "")) == FAILED
        return recorded or ([self.status_message] if failed and _says(self.status_message) else [])

    @property
    def error_is_status_message(self) -> bool:
        return (
            self.status_message in (self.first_error, self.first_error_text) and len(self.error_messages) == 1
        )

    @property
    def first_error(self) -> Any:
        return next(iter(self.error_messages), None)

    @property
    def first_error_text(self) -> Any:
        """The first error without the stamp that writers put before it (`2024-01-09T15:43:12.000000: ...`,
        seed 002), which would fill a narrow column."""
        error = self.first_error
        return _STAMP.sub("", error) or error if isinstance(error, str) else error

    @property
    def _config(self) -> dict[str, Typed]:
        return self.config if isinstance(self.config, dict) else {}

    @property
    def keywords(self) -> Any:
        return read_texts(self._config.get("keywords"))

    @property
    def sources(self) -> list[Source]:
        members = read_list(self._config.get("sources"))
        if members is None:
            return []
        if isinstance(members, Malformed):
            return [Source(None, None, None, members)]
        return [source_of(member) for member in members]

    @property
    def settings(self) -> dict[str, Any]:
        """The rest of `config`, as plain data."""
        return {
            name: plain(value)
            for name, value in sorted(self._config.items())
            if name not in ("keywords", "sources")
        }

    @property
    def worker(self) -> Any:
        """Who took it last, where its worker says so."""
        return self.metadata.get("worker_id")

    @property
    def correlation_id(self) -> Any:
        """As its submitter gave it along, under either name."""
        given = plain(self._config.get("custom_params", {"NULL": True}))
        named = given if isinstance(given, dict) else {}
        return named.get("correlation_id") or named.get("correlationId")

    @property
    def result_parts(self) -> list[tuple[str, Any]]:
        """The parts of `results` by name, what is not a map as one part."""
        if isinstance(self.results, dict):
            return [(str(name), value) for name, value in self.results.items()]
        return [("results", self.results)]

    @property
    def status_history(self) -> list[StatusChange]:
        metadata = self.processing_metadata if isinstance(self.processing_metadata, dict) else {}
        entries = read_list(metadata.get("status_history"))
        if entries is None:
            return []
        if isinstance(entries, Malformed):
            return [StatusChange(None, None, None, None, entries)]
        return [change_of(entry) for entry in entries]

    @property
    def metadata(self) -> dict[str, Any]:
        """`processing_metadata` without the history, as plain data."""
        members = self.processing_metadata if isinstance(self.processing_metadata, dict) else {}
        return {name: plain(value) for name, value in sorted(members.items()) if name != "status_history"}


# What a log line shows in columns of its own, or not at all.
_LINE = frozenset(
    {"log_id", "request_id", "timestamp", "log_level", "message", "stage", "metadata", "ttl", MARK}
)


class ProcessingLog(DynamoModel):
    """One log line of a request."""

    logical: ClassVar[str] = "request_logs"
    documented: ClassVar[Mapping[str, Collection[str]]] = {"log_level": LEVELS}

    log_id = TextAttribute(hash_key=True)
    request_id = TextAttribute()
    timestamp = TimeAttribute()
    log_level = TextAttribute()
    message = TextAttribute()
    stage = TextAttribute()
    log_metadata = DocumentAttribute(attr_name="metadata")

    @property
    def extras(self) -> str:
        """What else the line holds, `name=value` each: its metadata, and undocumented attributes."""
        fields = {name: plain(value) for name, value in self.raw.items() if name not in _LINE}
        if self.metadata_members:
            # Neither hides the other of that name.
            fields |= {
                f"metadata.{name}" if name in fields else name: value
                for name, value in self.metadata_members.items()
            }
        elif self.log_metadata is not None:
            fields["metadata"] = plain(self.raw["metadata"])
        texts = {name: value if isinstance(value, str) else as_json(value) for name, value in fields.items()}
        return " ".join(f"{exact(name)}={text}" for name, text in sorted(texts.items()))

    @property
    def metadata_members(self) -> dict[str, Any] | None:
        return self.log_metadata if isinstance(self.log_metadata, dict) else None

    @property
    def level(self) -> str:
        return str(self.log_level or "").strip().upper()

    @property
    def tone(self) -> str:
        if self.level in ("ERROR", "CRITICAL", "FATAL"):
            return "failed"
        return "attention" if self.level in ("WARNING", "WARN") else "waiting"

    @property
    def text(self) -> str:
        """The message as text whatever its type, so that a line is never empty for being odd."""
        message = self.message
        return message.raw if isinstance(message, Malformed) else str(message or "")


class RequestPermissions(models.Model):
    """Holds the app's permissions; there is no relational table of requests."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_requests", "Can see requests and their logs"),
            ("submit_requests", "Can submit requests"),
            ("cancel_requests", "Can cancel requests"),
            ("retry_requests", "Can retry requests"),
            ("fail_requests", "Can mark requests failed, and undo it"),
            ("complete_requests", "Can mark requests completed, and undo it"),
            ("purge_requests", "Can purge finished requests, and undo it"),
            ("purge_unfinished_requests", "Can purge requests that are not finished"),
        ]

    def __str__(self) -> str:
        return "Permissions on requests"
