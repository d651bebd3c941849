"""Start like this one: what a new request takes over of another, and how it differs from it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from opsportal.dynamo.attributes import Malformed, Typed, plain, raw_text, read_list, read_map, read_text
from opsportal.tables.retention.rules import MARK
from requests_app import json_objects
from requests_app.drafts import DEFAULTS, INNER, LABELS, OUTER, Draft, Source
from requests_app.fields import EXTRACTION_MODES, priorities
from requests_app.models import STRATEGIES, IntelligenceRequest
from requests_app.submission import Config, Submission

# What no form can hold, by its path.
LeftOut = list[tuple[str, Typed]]


@dataclass(frozen=True)
class Original:
    """A request as a draft would have it. `left_out`: what no form can take over, by path."""

    id: str
    draft: Draft
    left_out: tuple[tuple[str, str], ...] = ()

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
            self.draft, texts=texts, keywords=[*self.draft.keywords], sources=[*self.draft.sources]
        )


def original(found: IntelligenceRequest) -> Original:
    """What can be taken over of a request, in whichever shape its writer left it."""
    raw, left_out = found.raw, LeftOut()
    members = read_map(raw.get("config"))
    if isinstance(members, Malformed):
        left_out.append(("config", members.value))
    config = members if isinstance(members, dict) else {}
    texts = {name: _read(name, raw.get(name), left_out) for name in OUTER}
    params = config.get("custom_params")
    if params and "M" in params:
        texts["custom_params"] = json_objects.written(plain(params), "  ")
    texts |= {
        name: _read(f"config.{name}", config.get(name), left_out) for name in INNER if name not in texts
    }
    keywords = _keywords(config.get("keywords"), left_out)
    sources = _sources(config.get("sources"), left_out)
    known = {*Submission.model_fields, *_MADE_HERE, found.binding().key, found.binding().ttl_attribute}
    left_out += [(name, value) for name, value in sorted(raw.items()) if name not in known]
    left_out += [
        (f"config.{name}", value) for name, value in sorted(config.items()) if name not in Config.model_fields
    ]
    return Original(
        found.id,
        Draft(texts, keywords or [""], sources or [Source()]),
        tuple((path, raw_text(value)) for path, value in left_out),
    )


# The attributes that are the console's or the workers' to write.
_MADE_HERE = frozenset(
    {
        "status", "status_message", "created_at", "updated_at", "started_at", "completed_at", "progress",
        "results", "errors", "warnings", "processing_metadata", "ttl", MARK,
    }
)  # fmt: skip


def _text(value: Typed | None) -> str:
    return str(read_text(value) or "")


def _read(path: str, value: Typed | None, left_out: LeftOut) -> str:
    text = read_text(value)
    if value is not None and isinstance(text, Malformed):
        left_out.append((path, value))
    return str(text or "")


def _keywords(value: Typed | None, left_out: LeftOut) -> list[str]:
    members = read_list(value)
    if isinstance(members, Malformed):
        left_out.append(("config.keywords", members.value))
        return []
    found = []
    for at, member in enumerate(members or ()):
        text = read_text(member)
        if isinstance(text, str):
            found.append(text)
        else:
            left_out.append((f"config.keywords[{at}]", member))
    return found


# In either of the two shapes that writers use (DATA.md, point 9).
_SOURCE_NAMES = {"name": ("name",), "base_url": ("base_url", "url"), "source_type": ("source_type", "type")}


def _sources(value: Typed | None, left_out: LeftOut) -> list[Source]:
    members = read_list(value)
    if isinstance(members, Malformed):
        left_out.append(("config.sources", members.value))
        return []
    found = []
    for at, member in enumerate(members or ()):
        path, parts = f"config.sources[{at}]", read_map(member)
        if not isinstance(parts, dict):
            left_out.append((path, member))
            continue
        taken = {
            name: next((one for one in spellings if _text(parts.get(one))), spellings[0])
            for name, spellings in _SOURCE_NAMES.items()
        }
        found.append(Source(**{name: _text(parts.get(one)) for name, one in taken.items()}))
        left_out += [(f"{path}.{name}", parts[name]) for name in sorted(parts) if name not in taken.values()]
    return found


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
        *(Difference(path, value, None, left_out=True) for path, value in first.left_out),
    ]


def _changed(name: str, first: Draft, draft: Draft) -> Difference:
    return Difference(LABELS[name], first.texts[name] or None, draft.texts[name] or None)


def _same(name: str, first: Draft, draft: Draft) -> bool:
    """Whether two texts are one value: 0.70 is 0.7, and the layout of JSON is none of its contents."""
    old, new = first.texts[name].strip(), draft.texts[name].strip()
    if old == new:
        return True
    try:
        if name == "custom_params":
            return json_objects.read(old) == json_objects.read(new)
        return name in INNER and Decimal(old) == Decimal(new)
    except (ValueError, InvalidOperation):
        return False


def _lines(sources: Sequence[Source]) -> list[str]:
    return [" · ".join(part.strip() for part in source if part.strip()) for source in sources]


def _lists_changed(kind: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Difference]:
    old, new = ([text.strip() for text in texts if text.strip()] for texts in (old, new))
    gone, more = Counter(old) - Counter(new), Counter(new) - Counter(old)
    yield from (Difference(LABELS[kind], text, None) for text in gone.elements())
    yield from (Difference(LABELS[kind], None, text) for text in more.elements())
    if not gone and not more and old != new:
        yield Difference(f"{LABELS[kind]}s", "in another order", "in this order")
