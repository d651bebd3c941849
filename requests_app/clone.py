"""Copy to a new request: what a new request takes over of another, and how it differs from it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from opsportal.dynamo.attributes import Malformed, Typed, plain, raw_text, read_list, read_map, read_text
from opsportal.dynamo.dialects import describes_run
from opsportal.dynamo.json_values import as_json
from requests_app import typed_json
from requests_app.dialects import DOCUMENTED, DOCUMENTED_NAMES, Dialect, made_here
from requests_app.drafts import (
    DEFAULTS,
    INNER,
    LABELS,
    MAX_EXTRAS,
    OUTER,
    Draft,
    ExtraRow,
    Source,
    own_of,
    own_whole,
)
from requests_app.fields import EXTRACTION_MODES, priorities, read_params
from requests_app.models import STRATEGIES, IntelligenceRequest
from requests_app.source_shapes import SourceShape
from requests_app.submission import Config, Submission

# What no form can hold, by its path.
LeftOut = list[tuple[str, Typed]]


@dataclass(frozen=True)
class Original:
    """A request as a draft would have it. `left_out`: what describes one run of it, or what no form can take over,
    by path; `made`: the ids that a new request gets new."""

    id: str
    draft: Draft
    left_out: tuple[tuple[str, str], ...] = ()
    made: tuple[tuple[str, str], ...] = ()

    def start(self, user: str) -> Draft:
        """The draft to begin with: the person's own, and with defaults where the original has a value that
        can't be asked for."""
        texts = {**self.draft.texts, "user_id": user}
        choices = {
            "priority": priorities(),
            "processing_strategy": STRATEGIES,
            "extraction_mode": EXTRACTION_MODES,
        }
        for name, known in choices.items():
            if texts[name] not in known:
                lower = texts[name].strip().lower()
                texts[name] = lower if lower in known else DEFAULTS[name]
        for name, default in DEFAULTS.items():
            texts[name] = texts[name] or default
        return replace(
            self.draft,
            texts=texts,
            keywords=[*self.draft.keywords],
            sources=[*self.draft.sources],
            extras=[*self.draft.extras],
        )


def original(found: IntelligenceRequest, dialect: Dialect = DOCUMENTED) -> Original:
    """What is taken over of a request: everything that describes the work, in whichever shape its writer left it."""
    raw, left_out = found.raw, LeftOut()
    members = read_map(raw.get("config"))
    if isinstance(members, Malformed):
        left_out.append(("config", members.value))
    config = members if isinstance(members, dict) else {}
    texts = {name: _read(name, raw.get(name), left_out) for name in OUTER}
    params = config.get("custom_params")
    if params and "M" in params:
        texts["custom_params"] = as_json(plain(params), indent="  ")
    texts |= {
        name: _read(f"config.{name}", config.get(name), left_out) for name in INNER if name not in texts
    }
    keywords = _keywords(config.get("keywords"), left_out)
    sources = _sources(config.get("sources"), left_out)
    if dialect.shape and dialect.origin in ("learned", "file") and made_here(raw):
        # The console's own, from before this table's form was known: no worker of it could read that again.
        sources = [_in_dialect(source, dialect.shape) for source in sources]
    made = [one.name for one in dialect.made if one.name in raw]
    known = {
        *Submission.model_fields,
        *DOCUMENTED_NAMES,
        found.binding().key,
        found.binding().ttl_attribute,
        *made,
    }
    others = [("", name, value) for name, value in sorted(raw.items()) if name not in known]
    left_out += [(name, value) for _, name, value in others if describes_run(name)]
    others = [other for other in others if not describes_run(other[1])]
    others += [("config", name, value) for name, value in sorted(config.items()) if name not in _CONFIG]
    return Original(
        found.id,
        Draft(texts, keywords or [""], sources or [Source()], _extras(others, left_out)),
        tuple((path, raw_text(value)) for path, value in left_out),
        tuple((name, raw_text(raw[name])) for name in made),
    )


_CONFIG = frozenset(Config.model_fields) - {"more"}
# A text that one line of a form holds as it is.
_BREAK = re.compile(r"[\r\n]")
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]{1,1000}")


def _extras(others: Sequence[tuple[str, str, Typed]], left_out: LeftOut) -> list[ExtraRow]:
    rows: list[ExtraRow] = []
    left = typed_json.MAX_BYTES // 2
    for within, name, value in others:
        row = _row(within, name, value)
        if not _LINE.fullmatch(name):  # a browser would send another
            left_out.append((row.path, value))
            continue
        left -= len(raw_text({name: value}).encode(errors="replace"))
        if left < 0 or len(rows) == MAX_EXTRAS:
            left_out.append((row.path, value))
        else:
            rows.append(row)
    return rows


def _row(within: str, name: str, value: Typed) -> ExtraRow:
    if "S" in value and value["S"].strip() and _LINE.fullmatch(value["S"]):
        return ExtraRow(name, within, "S", value["S"])
    if "N" in value:
        return ExtraRow(name, within, "N", value["N"])
    if "BOOL" in value:
        return ExtraRow(name, within, "BOOL", "true" if value["BOOL"] else "false")
    return ExtraRow(name, within, "json", raw_text(value))


def _read(path: str, value: Typed | None, left_out: LeftOut) -> str:
    text = read_text(value)
    if value is not None and not _fits(path, text):
        left_out.append((path, value))
        return ""
    return str(text or "")


def _breaks(values: Iterable[Typed]) -> bool:
    return any(_BREAK.search(value["S"]) for value in values)


def _fits(path: str, text: str | Malformed | None) -> bool:
    """Whether the form's field can hold it: one of one line loses line breaks without a word."""
    if isinstance(text, Malformed):
        return False
    return not text or path == "config.custom_params" or not _BREAK.search(text)


def _keywords(value: Typed | None, left_out: LeftOut) -> list[str]:
    members = read_list(value)
    if isinstance(members, Malformed):
        left_out.append(("config.keywords", members.value))
        return []
    found = []
    for at, member in enumerate(members or ()):
        text, path = read_text(member), f"config.keywords[{at}]"
        if isinstance(text, str) and text.strip() and _fits(path, text):
            found.append(text)
        else:
            left_out.append((path, member))
    return found


def _sources(value: Typed | None, left_out: LeftOut) -> list[Source]:
    members = read_list(value)
    if isinstance(members, Malformed):
        left_out.append(("config.sources", members.value))
        return []
    return [_source(member) for member in members or ()]


def _source(value: Typed) -> Source:
    parts = read_map(value)
    found = SourceShape.found_in(parts) if isinstance(parts, dict) else SourceShape(())
    if not isinstance(parts, dict) or not found.fields or _breaks(parts[name] for name, _ in found.fields):
        return Source(name=raw_text(value)[:60], own=own_whole(value))
    texts: dict[str, str] = {}
    fields = []
    for name, role in found.fields:
        # Of two that say different things the second stays as it is.
        if texts.setdefault(role, parts[name]["S"]) == parts[name]["S"]:
            fields.append((name, role))
    more = {name: value for name, value in parts.items() if name not in dict(fields)}
    return Source(
        texts.get("name", ""),
        texts.get("address", ""),
        texts.get("type", ""),
        own_of(SourceShape(tuple(fields)), more),
    )


def _in_dialect(source: Source, shape: SourceShape) -> Source:
    kept = source.kept
    if "shape" not in kept or dict(kept["shape"].fields).items() >= dict(shape.fields).items():
        return source
    return source._replace(own=own_of(shape, kept["more"]))


@dataclass(frozen=True)
class Difference:
    """One value that the original has and the draft has not, or the other way round; None is absence."""

    label: str
    old: str | None
    new: str | None
    left_out: bool = False


def differences(first: Original, draft: Draft) -> list[Difference]:
    """What is not as in the original, in the order of the form."""
    return [
        *(_changed(name, first.draft, draft) for name in OUTER if not _same(name, first.draft, draft)),
        *_lists_changed("keyword", first.draft.keywords, draft.keywords),
        *_lists_changed("source", _lines(first.draft.sources), _lines(draft.sources)),
        *(_changed(name, first.draft, draft) for name in INNER if not _same(name, first.draft, draft)),
        *_extras_changed(first.draft.extras, draft.extras),
        *(Difference(name, value, "made new") for name, value in first.made),
        *(Difference(path, value, None, left_out=True) for path, value in first.left_out),
    ]


def _extras_changed(old: Sequence[ExtraRow], new: Sequence[ExtraRow]) -> Iterator[Difference]:
    before, after = ({row.path: row.value for row in rows if row.value.strip()} for rows in (old, new))
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) != after.get(path):
            yield Difference(path, before.get(path), after.get(path))


def _changed(name: str, first: Draft, draft: Draft) -> Difference:
    return Difference(LABELS[name], first.texts[name] or None, draft.texts[name] or None)


def _same(name: str, first: Draft, draft: Draft) -> bool:
    """Whether two texts are one value: 0.70 is 0.7, and the layout of JSON is none of its contents."""
    old, new = first.texts[name], draft.texts[name]
    if old == new:
        return True
    try:
        if name == "custom_params":
            return read_params(old) == read_params(new)
        return name in INNER and Decimal(old) == Decimal(new)
    except (ValueError, InvalidOperation):
        return False


def _lines(sources: Sequence[Source]) -> list[str]:
    return [" · ".join(part for part in source[:3] if part.strip()) for source in sources]


def _lists_changed(kind: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Difference]:
    old, new = ([text for text in texts if text.strip()] for texts in (old, new))
    gone, more = Counter(old) - Counter(new), Counter(new) - Counter(old)
    yield from (Difference(LABELS[kind], text, None) for text in gone.elements())
    yield from (Difference(LABELS[kind], None, text) for text in more.elements())
    if not gone and not more and old != new:
        yield Difference(f"{LABELS[kind]}s", "in another order", "in this order")
