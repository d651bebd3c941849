"""A request in the making: what stands in the form as text, whether or not it could be sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

from requests_app.submission import Problem

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
    "max_retries": "Most retries",
    "custom_params": "Custom parameters",
}
# Seed 002's values.
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
    """One row of the sources."""

    name: str = ""
    base_url: str = ""
    source_type: str = ""

    @property
    def blank(self) -> bool:
        return not any(text.strip() for text in self)


_ROW = re.compile(r"(add|remove)-(keyword|source)(?:-(\d{1,4}))?")


@dataclass
class Draft:
    """`texts`: the values of OUTER and INNER by name."""

    texts: dict[str, str]
    keywords: list[str] = field(default_factory=lambda: [""])
    sources: list[Source] = field(default_factory=lambda: [Source()])

    def data(self) -> dict[str, Any]:
        """What `submission.read` takes. Blank rows are left out."""
        return {
            **{name: self.texts[name] for name in OUTER},
            "config": {
                **{name: self.texts[name] for name in INNER},
                "keywords": [self.keywords[row] for row in self._keyword_rows],
                "sources": [self.sources[row]._asdict() for row in self._source_rows],
            },
        }

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


def posted(post: Any) -> Draft:
    """What was sent, as it was typed. `post` is a QueryDict; nothing in it is trusted."""
    rows = zip_longest(
        *(post.getlist(name) for name in ("source_name", "source_url", "source_type")), fillvalue=""
    )
    return Draft(
        {name: post.get(name, "") for name in (*OUTER, *INNER)},
        post.getlist("keyword") or [""],
        [Source(*row) for row in rows] or [Source()],
    )
