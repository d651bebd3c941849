"""A new request: what may be asked for, and the item that it becomes.

One model validates what a form or a JSON body asks for, in the shape of the item (seed 002). Status, times,
progress and metadata are the console's to make.
"""

import hashlib
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsportal.dynamo.attributes import Typed, raw_text
from opsportal.operations.changes import NULL, Raw, number, text
from opsportal.operations.entries import Actor
from requests_app import json_objects
from requests_app.fields import (
    MOST_KEYWORDS,
    MOST_SOURCES,
    Address,
    BatchSize,
    CustomParams,
    ExtractionMode,
    Keyword,
    Line,
    Priority,
    RequestType,
    Retries,
    Share,
    Strategy,
)
from requests_app.models import IntelligenceRequest
from requests_app.stamps import written


class _Part(BaseModel):
    # What is not known would be lost in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where a worker looks."""

    name: Line
    base_url: Address
    source_type: Line


class Config(_Part):
    """`config` of the item, with the bounds of DATA.md ("Request lifecycle")."""

    keywords: list[Keyword] = Field(min_length=1, max_length=MOST_KEYWORDS)
    sources: list[Source] = Field(min_length=1, max_length=MOST_SOURCES)
    extraction_mode: ExtractionMode
    quality_threshold: Share
    batch_size: BatchSize
    max_retries: Retries
    custom_params: CustomParams = Field(default_factory=dict)

    def typed(self) -> Typed:
        sources: list[Typed] = [
            {
                "M": {
                    "name": text(source.name),
                    "base_url": text(source.base_url),
                    "source_type": text(source.source_type),
                }
            }
            for source in self.sources
        ]
        return {
            "M": {
                "keywords": {"L": [text(keyword) for keyword in self.keywords]},
                "sources": {"L": sources},
                "extraction_mode": text(self.extraction_mode),
                "quality_threshold": number(self.quality_threshold),
                "batch_size": number(self.batch_size),
                "max_retries": number(self.max_retries),
                "custom_params": json_objects.typed(self.custom_params),
            }
        }


class Submission(_Part):
    """What a person or a program asks for. Validate it with `read`."""

    project_id: Line
    user_id: Line
    request_type: RequestType
    priority: Priority
    processing_strategy: Strategy
    config: Config

    def asked(self) -> Raw:
        """The attributes that were asked for, as the item has them."""
        names = ("project_id", "user_id", "request_type", "priority", "processing_strategy")
        return {**{name: text(getattr(self, name)) for name in names}, "config": self.config.typed()}

    def request_id(self, action_id: str, milliseconds: int | None = None) -> str:
        """``req_<epoch ms>_<8 hex>``: the time is that of the action_id, the digits are of it and of what is
        asked for. So a form sent twice is one request, and one that was changed meanwhile is another.

        `milliseconds`: the time, where the action_id is another's. Without it, ValueError for an action_id
        that `new_action_id` has not made.
        """
        if milliseconds is None:
            if minted_at(action_id) is None:
                raise ValueError("This action_id holds no time.")
            milliseconds = _milliseconds(action_id)
        digest = hashlib.sha256(f"{action_id}\n{raw_text({'M': self.asked()})}".encode()).hexdigest()
        return f"req_{milliseconds}_{digest[:8]}"

    def item(self, *, by: Actor, action_id: str, now: datetime, milliseconds: int | None = None) -> Raw:
        """The whole item (seed 002), pending, as it is written at `now`. `milliseconds`: see `request_id`."""
        moment = written(now)
        entry: Typed = {
            "M": {
                "timestamp": text(moment),
                "old_status": NULL,
                "new_status": text("pending"),
                "message": text(f"Submitted by {by.name}"),
            }
        }
        return {
            IntelligenceRequest.binding().key: text(self.request_id(action_id, milliseconds)),
            **self.asked(),
            "status": text("pending"),
            "status_message": NULL,
            "created_at": text(moment),
            "updated_at": text(moment),
            "started_at": NULL,
            "completed_at": NULL,
            "progress": fresh_progress(moment),
            "results": NULL,
            "errors": {"L": []},
            "warnings": {"L": []},
            "processing_metadata": {"M": {"submitted_by": text(by.name), "status_history": {"L": [entry]}}},
        }


def fresh_progress(moment: str) -> Typed:
    """The progress of a request that nobody has taken yet (seed 002's map)."""
    return {
        "M": {
            "current_stage": text("initialization"),
            "percentage": number(0),
            "urls_found": number(0),
            "content_extracted": number(0),
            "processing_errors": number(0),
            "estimated_completion": NULL,
            "last_updated": text(moment),
        }
    }


def read(data: Any, types: Iterable[str] | None = None) -> Submission:
    """The submission that `data` (texts of a form, or JSON) asks for. `types`: the types of request that are
    known, None when that could not be found out. Raises pydantic's ValidationError, see `problems`."""
    return Submission.model_validate(data, context={"types": None if types is None else frozenset(types)})


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value, in a sentence. `loc` leads to it: ("config", "keywords", 2)."""

    loc: tuple[str | int, ...]
    sentence: str


# pydantic's words are about types; these are for the person who fills in a form.
_SENTENCES = {
    "missing": "This is needed.",
    "string_too_short": "This is needed.",
    "string_too_long": "At most {max_length} characters.",
    "string_unicode": "It must be Unicode text.",
    "greater_than_equal": "At least {ge}.",
    "less_than_equal": "At most {le}.",
    "too_short": "At least one is needed.",
    "too_long": "At most {max_length}; there are {actual_length}.",
    "extra_forbidden": "There is no such field.",
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "A whole number is needed."
    ),
    **dict.fromkeys(("decimal_type", "decimal_parsing", "finite_number"), "A number is needed."),
}


def problems(error: ValidationError) -> list[Problem]:
    """Every problem that validation found, in the order of the model."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        template = _SENTENCES.get(one["type"])
        found.append(Problem(one["loc"], template.format_map(one.get("ctx", {})) if template else one["msg"]))
    return found


# --- The action_id of a submission -----------------------------------------------------------------------


def new_action_id() -> str:
    """A UUID of version 7 (RFC 9562): the time in it becomes that of the request's id."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(uuid.UUID(int=value))


def _milliseconds(action_id: str) -> int:
    return uuid.UUID(action_id).int >> 80


def minted_at(action_id: str) -> datetime | None:
    """When `new_action_id` made it; None for any other text."""
    try:
        known = uuid.UUID(action_id)
        if known.version == 7 and str(known) == action_id:
            return datetime.fromtimestamp(_milliseconds(action_id) / 1000, UTC)
    except (ValueError, OverflowError):
        pass
    return None
