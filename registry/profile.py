"""What of an agent a person may edit: each field as text in a form, and as the attribute that the item's
registry keeps it in (docs/data.md#registry-items)."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from opsportal.console.text import exact
from opsportal.dynamo.attributes import (
    Malformed,
    Typed,
    is_absent,
    plain,
    raw_text,
    read_list,
    read_text,
    read_texts,
    typed,
)
from opsportal.dynamo.json_values import as_json, doubled_names, parse_foreign, read_object
from opsportal.operations.changes import NULL, Raw
from registry.models import is_operational

Kind = Literal["text", "texts", "document"]


@dataclass(frozen=True)
class Field:
    """`attributes`: the discovery service's first, then an operational registry's. `exact`: its values are compared with
    those of other agents."""

    name: str
    label: str
    attributes: tuple[str, ...]
    kind: Kind = "text"
    most: int = 200  # characters; of each line for texts
    exact: bool = False


FIELDS = {
    field.name: field
    for field in (
        Field("name", "Name", ("name", "agent_name")),
        Field("endpoint", "Endpoint", ("endpoint",), most=2048),
        Field("capabilities", "Capabilities", ("capabilities", "tools"), "texts"),
        Field("tags", "Tags", ("tags",), "texts"),
        Field("type", "Type", ("type", "agent_type"), most=60, exact=True),
        Field("protocol", "Protocol", ("protocol",), exact=True),
        Field("role", "Role", ("role",), exact=True),
        Field("location", "Location", ("location",), exact=True),
        Field("emoji", "Emoji", ("emoji",), most=16),
        Field("description", "Description", ("description",), most=4000),
        Field("pricing", "Pricing", ("pricing",), "document", most=10_000),
        Field("tiered_pricing", "Tiered pricing", ("tieredPricing",), "document", most=10_000),
        Field(
            "service_availability", "Service availability", ("serviceAvailability",), "document", most=10_000
        ),
    )
}
STATUS = ("status", "deployment_status")
HEARTBEAT = ("lastHeartbeat", "last_heartbeat")
UPDATED = "updatedAt"
# A list or set that a person types, line by line; and what no line can hold.
MAX_LINES = 100
_BROKEN = re.compile(r"[\r\n\0]")


def attribute_of(raw: Raw, field: Field) -> str:
    """Where this item keeps the field, or would."""
    operational = is_operational(raw)
    if field.name == "type" and operational:
        return "agent_type"
    if field.name == "capabilities" and not operational:
        return "capabilities"
    return _first(raw, field.attributes) or field.attributes[0]


def status_name(raw: Raw) -> str:
    return _first(raw, STATUS) or STATUS[is_operational(raw)]


def heartbeat_name(raw: Raw) -> str:
    """The attribute of the last heartbeat, "" when there never was one."""
    return _first(raw, HEARTBEAT)


def _first(raw: Raw, names: tuple[str, ...]) -> str:
    return next((name for name in names if not is_absent(raw.get(name))), "")


def shown(raw: Raw, field: Field) -> str:
    """The field as text in a form; "" where there is nothing or nothing that its kind can be."""
    value = raw.get(attribute_of(raw, field))
    if value is None or is_absent(value):
        return ""
    if field.kind == "text":
        return str(read_text(value) or "")
    if field.kind == "texts":
        return "\n".join(text for text in _members(value) if not _BROKEN.search(text))
    if "S" in value:
        try:
            return as_json(parse_foreign(value["S"]), indent="  ")
        except ValueError:
            return str(value["S"])
    return as_json(plain(value), indent="  ") if "M" in value or "L" in value else ""


def _members(value: Typed) -> list[str]:
    members = read_texts(value)
    return [text for text in members if isinstance(text, str)] if isinstance(members, list) else []


def _doubled(text: str) -> list[str]:
    try:
        return doubled_names(parse_foreign(text))
    except ValueError:
        return []


def note(raw: Raw, field: Field) -> str:
    """What a form must say where the text is not the whole of the value."""
    value = raw.get(attribute_of(raw, field))
    if value is None or is_absent(value):
        return ""
    if field.kind == "texts" and any(map(_BROKEN.search, _members(value))):
        return "Texts with line breaks or NUL can't be edited here, and stay."
    if field.kind == "document" and "S" in value and (names := _doubled(value["S"])):
        text = ", ".join(map(exact, names))
        return f"In this JSON text a name occurs twice in one object: {text}. The last value is shown; if you change the text, the others go."
    if not shown(raw, field) and "S" not in value and value != {"L": []}:
        return f"It is now {raw_text(value)[:200]}, not as documented; what you write here replaces it."
    return ""


def written(raw: Raw, field: Field, text: str) -> Typed:
    """The typed value that stands for `text`, in the layout of the item; what is cleared becomes NULL.
    ValueError where a document is no JSON."""
    old = raw.get(attribute_of(raw, field))
    if field.kind == "texts":
        return _texts(lines(text), old)
    if not text:
        return NULL
    if field.kind == "text":
        return {"S": text}
    document = read_object(text)
    return typed(document, old) if old and "M" in old else {"S": as_json(document)}


def _texts(wanted: list[str], old: Typed | None) -> Typed:
    """A list where the item has one, whose other members stay; else a set, as new agents have it."""
    if old and "L" in old:
        members = read_list(old)
        assert isinstance(members, list)
        by_text = {str(text): member for member in members if isinstance(text := read_text(member), str)}
        others = [
            member
            for member in members
            if isinstance(text := read_text(member), Malformed) or (text and _BROKEN.search(text))
        ]
        return {"L": [*(by_text.get(line, {"S": line}) for line in wanted), *others]}
    kept = [text for text in _members(old) if _BROKEN.search(text)] if old else []
    return {"SS": sorted({*wanted, *kept})} if wanted or kept else NULL


def lines(text: str) -> list[str]:
    """One text a line, exactly, without blank lines and repetitions."""
    return list(dict.fromkeys(line for line in text.split("\n") if line.strip()))


def settled(text: str, field: Field) -> str:
    """Text without what a form can't carry: breaks in another spelling, NUL. Of what is drawn and of what is sent,
    so that an untouched field is never taken for a changed one. Space at the ends is part of what filters compare."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\ufffd", "")
    if field.kind == "texts":
        return "\n".join(line for line in text.split("\n") if line.strip())
    if field.kind == "text" and field.name != "description":
        text = text.replace("\n", "")
    return text if field.exact and text.strip() else text.strip()


def digest(text: str, field: Field) -> str:
    """Another one shows that a field is not as it was drawn."""
    return hashlib.sha256(settled(text, field).encode(errors="surrogatepass")).hexdigest()[:16]


def drawn(raw: Raw) -> dict[str, str]:
    """The digest of every field as it is now."""
    return {name: digest(shown(raw, field), field) for name, field in FIELDS.items()}
