"""The submission form as its template draws it: every field with its text, its choices and what is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsportal.console.text import exact
from opsportal.dynamo.dialects import Extra
from requests_app.dialects import DOCUMENTED, Dialect
from requests_app.drafts import LABELS, Draft, ExtraRow, Source
from requests_app.fields import EXTRACTION_MODES, priorities
from requests_app.models import STRATEGIES

# Of sources, as far as seed 002 of docs/data.md and what people ask for go; others may be typed.
SOURCE_TYPES = ("government", "academic", "clinical", "regulatory", "news", "company")
HINTS = {
    "quality_threshold": "0 to 1",
    "batch_size": "1 to 20",
    "max_retries": "0 to 10",
    "custom_params": "A JSON object",
}
# Of each field with one value: its kind, the choices that are known, and the list of suggestions.
KINDS: dict[str, tuple[str, Callable[[], Sequence[str]], str]] = {
    "project_id": ("text", tuple, "projects"),
    "user_id": ("text", tuple, ""),
    "request_type": ("select", tuple, ""),
    "priority": ("radio", priorities, ""),
    "processing_strategy": ("radio", lambda: STRATEGIES, ""),
    "extraction_mode": ("radio", lambda: EXTRACTION_MODES, ""),
    "quality_threshold": ("decimal", tuple, ""),
    "batch_size": ("numeric", tuple, ""),
    "max_retries": ("numeric", tuple, ""),
    "custom_params": ("area", tuple, ""),
}
# Of each part of a source: its label, and how its field is drawn.
SOURCE_PARTS: dict[str, tuple[str, dict[str, str]]] = {
    "name": ("Name", {"sent_as": "source_name", "example": "Name"}),
    "base_url": ("Address", {"sent_as": "source_url", "kind": "url", "example": "https://"}),
    "source_type": (
        "Type",
        {"sent_as": "source_type", "suggestions": "source-types", "example": "Type"},
    ),
}
Errors = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Field:
    """`kind`: text, url, decimal, numeric, select, radio or area. `sent_as`: the name of all rows' fields of
    its kind. `autofocus`: the row was just added."""

    name: str
    label: str
    value: str
    errors: Sequence[str] = ()
    kind: str = "text"
    hint: str = ""
    choices: Sequence[str] = ()
    suggestions: str = ""
    sent_as: str = ""
    autofocus: bool = False
    example: str = ""
    fixed: bool = False

    @property
    def post_name(self) -> str:
        return self.sent_as or self.name

    @property
    def id(self) -> str:
        return f"id_{self.name}"

    @property
    def signed(self) -> str:
        """The value with signs for what of it is not seen; "" where all of it is."""
        signed = exact(self.value) if self.kind == "text" else self.value
        return "" if signed == self.value else signed

    @property
    def described_by(self) -> str:
        parts = [f"{self.id}_hint"] if self.hint else []
        parts += [f"{self.id}_signed"] if self.signed else []
        return " ".join([*parts, *([f"{self.id}_error"] if self.errors else [])])


@dataclass(frozen=True)
class SourceRow:
    number: int
    parts: Sequence[Field]
    own: str = ""
    note: str = ""


@dataclass(frozen=True)
class ExtraField:
    """An attribute that the documents do not name, and its field."""

    row: ExtraRow
    field: Field


@dataclass(frozen=True)
class SubmissionForm:
    """What the template reads. `errors`: sentences by the name of their field, of "keywords", "sources", or
    "" for the whole form; `focus`: the field to go on in; `notes`: hints by field."""

    draft: Draft
    reason: str = ""
    types: Sequence[str] = ()
    errors: Errors = field(default_factory=dict)
    focus: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect = DOCUMENTED

    def __getitem__(self, name: str) -> Field:
        """One of `KINDS`, which a template reads as `form.project_id`. KeyError: there is none of that name."""
        kind, choices, suggestions = KINDS[name]
        current = self.draft.texts[name]
        known = self.types if name == "request_type" else choices()
        # A value that is no longer offered is still shown, with its error.
        offered = (current, *known) if kind == "select" and current not in known else known
        hint = self.notes.get(name) or HINTS.get(name, "")
        return Field(
            name, LABELS[name], current, self.errors.get(name, ()), kind, hint, offered, suggestions
        )  # fmt: skip

    @property
    def why(self) -> Field:
        errors = self.errors.get("reason", ())
        return Field("reason", "Reason", self.reason, errors, hint="Optional. Recorded in the audit trail.")

    @property
    def keywords(self) -> list[Field]:
        return [
            self._row(f"keyword-{at}", f"Keyword {at + 1}", text, sent_as="keyword")
            for at, text in enumerate(self.draft.keywords)
        ]

    @property
    def sources(self) -> list[SourceRow]:
        return [self._source(at, source) for at, source in enumerate(self.draft.sources)]

    def _source(self, at: int, source: Source) -> SourceRow:
        fixed = "whole" in source.kept
        parts = [
            self._row(
                f"source-{at}-{name}",
                f"{label} of source {at + 1}",
                getattr(source, name),
                fixed=fixed,
                **drawn,
            )
            for name, (label, drawn) in SOURCE_PARTS.items()
        ]
        return SourceRow(at, parts, source.own, source.note)

    @property
    def source_shape(self) -> Field | None:
        """Which names the fields of a source get, where the table's requests do not agree on them."""
        if self.dialect.shape:
            return None
        choices = [shape.label for shape in self.dialect.shapes]
        return Field(
            "source_shape",
            LABELS["source_shape"],
            self.draft.shape,
            self.errors.get("source_shape", ()),
            "radio",
            "The newest requests of this table do not agree. Choose what its workers read.",
            choices,
        )

    @property
    def extras(self) -> list["ExtraField"]:
        """The attributes that the documents do not name: those that the table's requests have, and those taken over."""
        known = {one.name: one for one in self.dialect.asked_for}
        return [
            self._extra(at, row, known.get(row.name) if not row.within else None)
            for at, row in enumerate(self.draft.extras)
        ]

    def _extra(self, at: int, row: ExtraRow, learned: Extra | None) -> "ExtraField":
        hints = ["Required."] if learned and learned.required else []
        if learned and learned.example:
            hints.append(f"For example {exact(learned.example, 80)}")
        if row.kind == "json":
            hints.append("In DynamoDB's JSON.")
        kind = {"N": "decimal", "json": "area", "BOOL": "select"}.get(row.kind, "text")
        choices = tuple(dict.fromkeys([row.value, "", "true", "false"])) if kind == "select" else ()
        name = f"extra-{at}"
        shown = Field(
            name, exact(row.path, 80), row.value, self.errors.get(name, ()), kind, " ".join(hints), choices,
            sent_as="extra_value",
        )  # fmt: skip
        return ExtraField(row, shown)

    source_types = SOURCE_TYPES

    @property
    def keyword_errors(self) -> Sequence[str]:
        return self.errors.get("keywords", ())

    @property
    def source_errors(self) -> Sequence[str]:
        return self.errors.get("sources", ())

    @property
    def summary(self) -> list[tuple[str, str, str]]:
        """(id of the field, its label, sentence) of every error, in the order of the page."""
        return [(id_, label, one) for id_, label, errors in self._everything() for one in errors]

    def _everything(self) -> Iterator[tuple[str, str, Sequence[str]]]:
        yield "submission", "The form", self.errors.get("", ())
        yield from self._wrong("project_id", "request_type", "user_id", "priority", "processing_strategy")
        yield "keywords", "Keywords", self.keyword_errors
        for one in self.keywords:
            yield one.id, one.label, one.errors
        yield "sources", "Sources", self.source_errors
        for row in self.sources:
            for one in row.parts:
                yield one.id, one.label, one.errors
        if shape := self.source_shape:
            yield shape.id, shape.label, shape.errors
        for extra in self.extras:
            yield extra.field.id, extra.field.label, extra.field.errors
        yield from self._wrong(
            "extraction_mode", "quality_threshold", "batch_size", "max_retries", "custom_params"
        )
        yield self.why.id, self.why.label, self.why.errors

    def _wrong(self, *names: str) -> Iterator[tuple[str, str, Sequence[str]]]:
        for name in names:
            yield self[name].id, self[name].label, self[name].errors

    def _row(self, name: str, label: str, value: str, **others: Any) -> Field:
        errors, autofocus = self.errors.get(name, ()), name == self.focus
        return Field(name, label, value, errors, autofocus=autofocus, **others)
