"""A request in the making: what stands in the form as text, whether or not it could be sent."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

from opsportal.dynamo.attributes import Typed, raw_text
from opsportal.dynamo.dialects import Extra
from requests_app import typed_json
from requests_app.source_shapes import SPELLINGS, SourceShape
from requests_app.submission import Given, Problem

# Of the submission, and of its config.
OUTER = ("project_id", "user_id", "request_type", "priority", "processing_strategy")
INNER = ("extraction_mode", "quality_threshold", "batch_size", "max_retries", "custom_params")
LABELS = {
    "project_id": "Project",
    "user_id": "User",
    "request_type": "Type",
    "priority": "Priority",
    "processing_strategy": "Strategy",
    "keyword": "Keyword",
    "source": "Source",
    "extraction_mode": "Extraction mode",
    "quality_threshold": "Quality threshold",
    "batch_size": "Batch size",
    "max_retries": "Max. retries",
    "custom_params": "Custom parameters",
    "source_shape": "Names of a source's fields",
}
# As documented: docs/data.md, seed 002.
DEFAULTS = {
    "priority": "medium",
    "processing_strategy": "table",
    "extraction_mode": "summary",
    "quality_threshold": "0.7",
    "batch_size": "5",
    "max_retries": "2",
    "custom_params": "{}",
}


class Source(NamedTuple):
    """One row of the sources. `own`: what it keeps of another request, as `own_of` writes it."""

    name: str = ""
    base_url: str = ""
    source_type: str = ""
    own: str = ""

    @property
    def blank(self) -> bool:
        return not any(text.strip() for text in self[:3])

    @property
    def kept(self) -> dict[str, Any]:
        """`own` as `submission.Source` takes it; empty for what this console did not write."""
        try:
            own = json.loads(self.own) if self.own else {}
            if "whole" in own:
                return {"whole": typed_json.checked(own["whole"])}
            if not own:
                return {}
            fields = tuple((str(name), role) for name, role in own["fields"] if role in SPELLINGS)
            more = typed_json.checked({"M": own["more"]})["M"]
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
            return {}
        return {"shape": SourceShape(fields), "more": more}

    @property
    def note(self) -> str:
        """What a person should know of `own`: the names of its fields, and what else it has."""
        kept = self.kept
        if "whole" in kept:
            return f"As it was: {raw_text(kept['whole'])}"
        if not kept:
            return ""
        more = raw_text({"M": kept["more"]}) if kept["more"] else ""
        return f"As {kept['shape'].label}{' and ' + more if more else ''}"

    def data(self, shape: SourceShape | None) -> dict[str, Any]:
        """`shape`: that of a source without one of its own."""
        kept = self.kept
        if "whole" in kept:
            return kept
        kept = kept or ({"shape": shape} if shape else {})
        return {"name": self.name, "base_url": self.base_url, "source_type": self.source_type, **kept}


def own_of(shape: SourceShape, more: Mapping[str, Typed]) -> str:
    """For `Source.own`: the shape of a source, and its further members."""
    return raw_text({"fields": shape.fields, "more": dict(more)})


def own_whole(value: Typed) -> str:
    """For `Source.own` of a source that has no parts."""
    return raw_text({"whole": value})


class ExtraRow(NamedTuple):
    """An attribute that the documents do not name. `within`: "" for the item's own, "config" for one in there;
    `kind`: S, N, BOOL, or json for DynamoDB's JSON."""

    name: str
    within: str = ""
    kind: str = "S"
    value: str = ""

    @property
    def path(self) -> str:
        return f"{self.within}.{self.name}" if self.within else self.name


_ROW = re.compile(r"(add|remove)-(keyword|source)(?:-(\d{1,4}))?")


@dataclass
class Draft:
    """`texts`: the values of OUTER and INNER by name. `shape`: the label of the shape that was chosen for sources without
    one of their own, which is `chosen`."""

    texts: dict[str, str]
    keywords: list[str] = field(default_factory=lambda: [""])
    sources: list[Source] = field(default_factory=lambda: [Source()])
    extras: list[ExtraRow] = field(default_factory=list)
    shape: str = ""
    chosen: SourceShape | None = None

    def data(self) -> dict[str, Any]:
        """What `submission.read` takes. Blank rows are left out."""
        return {
            **{name: self.texts[name] for name in OUTER},
            "config": {
                **{name: self.texts[name] for name in INNER},
                "keywords": [self.keywords[row] for row in self._keyword_rows],
                "sources": [self.sources[row].data(self.chosen) for row in self._source_rows],
                "more": self._given("config"),
            },
            "extra": self._given(""),
        }

    def ask_for(self, extras: Iterable[Extra]) -> None:
        """A row for each of these attributes of the item that has none yet."""
        rows = {row.name for row in self.extras if not row.within}
        self.extras += [ExtraRow(one.name, "", one.kind) for one in extras if one.name not in rows]

    def leave_out(self, made: Iterable[Extra]) -> None:
        """What is made new by now, though it was not when the form was opened."""
        names = {one.name for one in made}
        self.extras = [row for row in self.extras if row.within or row.name not in names]

    def _given(self, within: str) -> dict[str, Given]:
        """What is emptied is left out."""
        rows = [row for row in self.extras if row.within == within and row.value.strip()]
        return {row.name: Given(row.kind, row.value) for row in rows}

    @property
    def needs_shape(self) -> bool:
        """Whether a source has no shape of its own."""
        return any(not self.sources[row].kept for row in self._source_rows)

    def extra_row(self, within: str, name: str) -> str:
        found = (at for at, row in enumerate(self.extras) if (row.within, row.name) == (within, name))
        return f"extra-{next(found, 0)}"

    @property
    def _keyword_rows(self) -> list[int]:
        return [row for row, keyword in enumerate(self.keywords) if keyword.strip()]

    @property
    def _source_rows(self) -> list[int]:
        return [row for row, source in enumerate(self.sources) if not source.blank]

    def place(self, problem: Problem) -> str:
        """The name of the form's field (or group of rows) that a problem of `data` is about; "" for none."""
        match problem.loc:
            case ("config", "keywords", int(at)):
                return f"keyword-{self._keyword_rows[at]}"
            case ("config", "sources", int(at), str(name)):
                return f"source-{self._source_rows[at]}-{name}"
            case ("extra", str(name), *_):
                return self.extra_row("", name)
            case ("config", "more", str(name), *_):
                return self.extra_row("config", name)
            case ("config", str(name), *_) | (str(name), *_) if name in (
                *OUTER,
                *INNER,
                "keywords",
                "sources",
            ):
                return name
        return ""

    def rows_changed(self, wish: str) -> str | None:
        """Carry out the wish of a row's button ("add-keyword", "remove-source-2"); returns the name of the
        field to go on in, None when it is no such wish."""
        found = _ROW.fullmatch(wish)
        if not found:
            return None
        verb, kind, at = found[1], found[2], int(found[3] or -1)
        rows: list[Any] = self.keywords if kind == "keyword" else self.sources
        if verb == "add":
            rows.append(Source() if kind == "source" else "")
            at = len(rows) - 1
        elif 0 <= at < len(rows):
            del rows[at]
        if not rows:
            rows.append(Source() if kind == "source" else "")
        at = min(max(at, 0), len(rows) - 1)
        return f"keyword-{at}" if kind == "keyword" else f"source-{at}-name"


def blank(user: str, types: Sequence[str]) -> Draft:
    """The form as it is first shown: everything that can be guessed is filled in."""
    first = types[0] if types else ""
    return Draft({"project_id": "", "user_id": user, "request_type": first, **DEFAULTS})


# Of the attributes that the documents do not name, rows of a form.
MAX_EXTRAS = 100


def posted(post: Any) -> Draft:
    """What was sent, as it was typed. `post` is a QueryDict; nothing in it is trusted."""
    names = ("source_name", "source_url", "source_type")
    # A row that a program sends without the last has none.
    columns = [*(post.getlist(name) for name in names), post.getlist("source_own")]
    columns[3] = columns[3][: max(map(len, columns[:3]))]
    rows = zip_longest(*columns, fillvalue="")
    extra_names = ("extra_name", "extra_within", "extra_kind", "extra_value")
    extras = zip(*(post.getlist(name)[:MAX_EXTRAS] for name in extra_names), strict=False)
    return Draft(
        {name: post.get(name, "") for name in (*OUTER, *INNER)},
        post.getlist("keyword") or [""],
        [Source(*row) for row in rows] or [Source()],
        [ExtraRow(*row) for row in extras if row[1] in ("", "config")],
        post.get("source_shape", ""),
    )
