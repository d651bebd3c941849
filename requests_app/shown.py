"""What the page of a request shows of its item, in any of its tabs; its part "Other attributes" has all else."""

from opsportal.console.other_attributes import Part, Shown
from opsportal.dynamo.attributes import Typed, is_absent
from requests_app.models import IntelligenceRequest

ALWAYS = (
    "status", "status_message", "priority", "created_at", "updated_at", "started_at", "completed_at", "request_type",
    "project_id", "user_id", "processing_strategy", "errors", "warnings", "results",
)  # fmt: skip
PROGRESS = (
    "current_stage", "percentage", "urls_found", "content_extracted", "processing_errors", "last_updated",
)  # fmt: skip
CHANGE: Shown = dict.fromkeys(("timestamp", "old_status", "new_status", "message"))


def shown_of(request: IntelligenceRequest) -> Shown:
    """By the attribute's name."""
    shown: dict[str, Part] = dict.fromkeys((request.binding().key, *ALWAYS, *request.problems))
    if request.expires_at:
        shown[request.binding().ttl_attribute] = None
    expected = () if request.is_terminal else ("estimated_completion",)
    shown["progress"] = dict.fromkeys((*PROGRESS, *expected))
    config, metadata = _map(request.raw, "config"), _map(request.raw, "processing_metadata")
    shown["config"] = dict.fromkeys(config) | {"sources": [_source(one) for one in _list(config, "sources")]}
    history = [CHANGE for _ in _list(metadata, "status_history")]
    shown["processing_metadata"] = dict.fromkeys(metadata) | {"status_history": history}
    return shown


def _source(source: Typed) -> Shown:
    """Address and type are under one of two names each; where both are, the first is shown."""
    members = source.get("M", {})
    pairs = (("base_url", "url"), ("source_type", "type"))
    chosen = (next((name for name in pair if _says(members.get(name))), pair[0]) for pair in pairs)
    return dict.fromkeys(("name", *chosen))


def _says(value: Typed | None) -> bool:
    return not is_absent(value) and value != {"S": ""}


def _map(raw: dict[str, Typed], name: str) -> dict[str, Typed]:
    members: dict[str, Typed] = raw.get(name, {}).get("M", {})
    return members


def _list(raw: dict[str, Typed], name: str) -> list[Typed]:
    members: list[Typed] = raw.get(name, {}).get("L", [])
    return members
