"""The first step of a search, which comes with the first answer: exact reads, what indexes serve, and what is at hand.

Together at most `SEARCH_CALLS` calls, and no further one after `SEARCH_UNITS` read units.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from opsportal.console import pasted
from opsportal.console.access import lacking
from opsportal.console.parameters import MAX_BYTES, cut
from opsportal.descriptors import descriptors
from opsportal.dynamo import spending
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.concurrency import gather
from opsportal.dynamo.descriptions import describe, known
from opsportal.dynamo.errors import AccessDenied, DynamoError, IndexMissing, TableMissing, Throttled
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.pages import SEARCH_CALLS, SEARCH_UNITS
from opsportal.dynamo.reads import item_of, items_of_tables, read
from opsportal.dynamo.tables import Index
from opsportal.search.sources import Hit, Keyed, Searched

# The newest items of one key of an index.
LOOKUP_ITEMS = 10
# Spellings of a text that are tried as a key: as typed, without what came along, in small letters.
MAX_SPELLINGS = 6
# Hits of one kind in what is at hand, which may hold a thousand.
MAX_KNOWN = 20
May = Callable[[str], bool]


@dataclass(frozen=True)
class Query:
    """What was typed. `text`: what is searched for; `spellings`: the keys that it may be, the exact one first."""

    text: str
    spellings: tuple[str, ...]

    @classmethod
    def typed(cls, given: str) -> "Query":
        spellings = pasted.keys(given)
        text = spellings[-1] if spellings else ""
        every = dict.fromkeys((*spellings, text.lower()))
        return cls(cut(text, MAX_BYTES).strip(), tuple(every)[:MAX_SPELLINGS])


@dataclass(frozen=True)
class Part:
    """What was searched, and what it cost."""

    label: str
    calls: int
    units: Decimal


@dataclass(frozen=True)
class NotSearched:
    """What was not searched, and why; with the IAM statement that is missing, if any."""

    label: str
    why: str
    statement: str = ""


@dataclass(frozen=True)
class Lookup:
    """An index whose key the text may be."""

    source: Searched
    attribute: str

    @property
    def name(self) -> str:
        return f"{self.source.name}:{self.attribute}"

    @property
    def label(self) -> str:
        """In the plural."""
        return f"{self.source.noun.capitalize()} by {dict(self.source.attributes)[self.attribute]}"

    def index(self, *, ask: bool = True) -> Index | None:
        """By this attribute, whatever its name. `ask` False: without a call where one is declared. Raises
        `DynamoError`."""
        table = self.source.table()
        declared = next((one for one in self.source.declared if one.hash_key == self.attribute), None)
        deployed = known(table)
        if deployed is None and declared and not ask:
            return declared
        try:
            deployed = deployed or describe(table)
        except AccessDenied:
            return declared
        if deployed.attribute_types.get(self.attribute) == "S":
            for one in deployed.indexes:
                if (
                    (one.hash_key, one.projection) == (self.attribute, "ALL")
                    and one.usable
                    and not one.is_composite
                ):
                    return Index(one.name, one.hash_key, one.range_key)
        return None

    def read(self, text: str, *, ask: bool = True) -> list[Raw]:
        """The newest items of that key. Raises `DynamoError`."""
        if (index := self.index(ask=ask)) is None:
            return []
        key, table = (Clause(index.hash_key, "=", (text,)),), self.source.table()
        answer = read(table, index.name, key=key, ScanIndexForward=False, Limit=LOOKUP_ITEMS)
        found: list[Raw] = answer["Items"]
        return found

    def hits(self, items: Iterable[Raw]) -> list[Hit]:
        label = dict(self.source.attributes)[self.attribute]
        return [hit.found_in(label) for hit in map(self.source.hit, items) if hit]


@dataclass
class First:
    """`exact`: the hits whose key the text is, which are among the `hits` too; `left`: lookups for which no call was
    left."""

    exact: list[Hit] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    not_searched: list[NotSearched] = field(default_factory=list)
    left: list[Lookup] = field(default_factory=list)

    def add(self, hits: Iterable[Hit]) -> None:
        known = {hit.id for hit in self.hits}
        self.hits += [hit for hit in {hit.id: hit for hit in hits}.values() if hit.id not in known]


def sources() -> list[Searched]:
    """In the order of the navigation."""
    return [source for one in descriptors() for source in one.search]


def allowed(may: May) -> tuple[list[Searched], list[NotSearched]]:
    """What somebody may search, and what not."""
    refused: dict[str, Searched] = {}
    for one in sources():
        if not may(one.permission):
            refused.setdefault(one.permission, one)
    return [one for one in sources() if one.permission not in refused], [
        NotSearched(one.noun.capitalize(), lacking(one.permission).sentence) for one in refused.values()
    ]


def first_step(query: Query, may: May, *, straight: bool = False) -> First:
    """`straight`: no more than the exact reads where they find one item alone, to which it then leads."""
    searched, refused = allowed(may)
    found = First(not_searched=refused)
    with spending.account() as account:
        begun = account.calls, account.read_units

        def booked(label: str) -> None:
            spent = sum(part.calls for part in found.parts), sum(part.units for part in found.parts)
            calls, units = account.calls - begun[0] - spent[0], account.read_units - begun[1] - spent[1]
            found.parts.append(Part(label, calls, units))

        def calls_left() -> int:
            spent = account.read_units - begun[1]
            return 0 if spent >= SEARCH_UNITS else SEARCH_CALLS - (account.calls - begun[0])

        if query.text:
            _exact(query, searched, found, calls_left)
            booked("Exact ids")
        found.add(found.exact)
        if (straight and len(found.exact) == 1) or not query.text:
            return found
        _lookups(query, searched, found, calls_left)
        booked("Indexes")
    _known(query, searched, found)
    return found


# --- Exact reads -------------------------------------------------------------------------------------------------

Asked = tuple[Searched, Keyed]


def _exact(query: Query, searched: Sequence[Searched], found: First, calls_left: Callable[[], int]) -> None:
    """One call for each location, all at the same time. Where one of a location's tables is missing or may not be read,
    the call is refused for all of them: then each is asked by itself."""
    by_location: dict[tuple[str, str], list[Asked]] = {}
    for source in searched:
        for text in query.spellings:
            for one in source.keys(text):
                by_location.setdefault(one.table.location, []).append((source, one))
    refused: list[Asked] = []
    every = list(by_location.values())
    asked, later = every[: (most := calls_left())], [one for batch in every[most:] for one in batch]
    for batch, answer in zip(asked, gather([partial(_in_one_call, batch) for batch in asked]), strict=True):
        if isinstance(answer, list):
            found.exact += answer
        elif isinstance(answer, AccessDenied | TableMissing):
            refused += batch
        else:
            found.not_searched += [_failed(source.noun.capitalize(), answer) for source in _each(batch)]
    # Of each the exact spelling alone.
    singly = list(
        {(source.name, one.table.location): (source, one) for source, one in reversed(refused)}.values()
    )
    singly.reverse()
    now, later = singly[: (most := calls_left())], [*singly[most:], *later]
    answers = gather([partial(_alone, source, one) for source, one in now])
    for (source, _), answer in zip(now, answers, strict=True):
        if isinstance(answer, DynamoError):
            found.not_searched.append(_failed(source.noun.capitalize(), answer))
        else:
            found.exact += answer
    found.not_searched += [NotSearched(source.noun.capitalize(), NO_CALL) for source in _each(later)]
    found.exact = list({hit.id: hit for hit in found.exact}.values())


NO_CALL = f"Not read by id: a search makes at most {SEARCH_CALLS} calls before it answers."


def _in_one_call(asked: Sequence[Asked]) -> list[Hit] | DynamoError:
    tables = {one.table.name: one.table for _, one in asked}
    keys = {name: {one.key.text: one.key for _, one in asked if one.table.name == name} for name in tables}
    try:
        answers = items_of_tables([(table, list(keys[name].values())) for name, table in tables.items()])
    except DynamoError as problem:
        return problem
    hits = []
    for source, name in {
        (source.name, one.table.name): (source, one.table.name) for source, one in asked
    }.values():
        if name not in answers:
            return Throttled(f"The table {name} is throttled.", "Try again.")
        hits += [hit for hit in map(source.hit, answers[name]) if hit]
    return hits


def _alone(source: Searched, one: Keyed) -> list[Hit] | DynamoError:
    try:
        item = item_of(one.table, one.key.text)
    except DynamoError as problem:
        return problem
    hit = source.hit(item) if item else None
    return [hit] if hit else []


def _each(asked: Sequence[Asked]) -> list[Searched]:
    return list({source.name: source for source, _ in asked}.values())


def _failed(label: str, problem: DynamoError) -> NotSearched:
    return NotSearched(label, f"{problem.sentence} {problem.fix}".strip(), problem.statement)


# --- Indexes, and what is at hand ----------------------------------------------------------------------------------


def lookups(searched: Iterable[Searched]) -> list[Lookup]:
    return [Lookup(source, attribute) for source in searched for attribute in source.indexed]


def _lookups(query: Query, searched: Sequence[Searched], found: First, calls_left: Callable[[], int]) -> None:
    ready: list[Lookup] = []
    for one in lookups(searched):
        # To know the indexes may take a call, once a minute.
        if calls_left() <= len(ready):
            found.left.append(one)
            continue
        try:
            index = one.index(ask=False)
        except DynamoError:
            continue  # the exact read has said it
        if index:
            ready.append(one)
    now, later = ready[: (most := max(0, calls_left()))], ready[most:]
    found.left = [*later, *found.left]

    def answer_of(one: Lookup) -> list[Hit] | DynamoError:
        try:
            return one.hits(one.read(query.text, ask=False))
        except DynamoError as problem:
            return problem

    for one, answer in zip(now, gather([partial(answer_of, one) for one in now]), strict=True):
        if isinstance(answer, IndexMissing):  # it has another name here, which takes a call to know
            found.left.append(one)
        elif isinstance(answer, DynamoError):
            found.not_searched.append(_failed(one.label, answer))
        else:
            found.add(answer)


def _known(query: Query, searched: Sequence[Searched], found: First) -> None:
    """A part of a text, whatever its case: it costs nothing to compare."""
    for source in searched:
        try:
            items: list[Raw] = [item for item in source.known() if source.match(item, query.text)]
        except DynamoError as problem:
            found.not_searched.append(_failed(source.noun.capitalize(), problem))
            continue
        found.add(source.found(items[:MAX_KNOWN], query.text))
