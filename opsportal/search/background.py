"""The rest of a search, in steps that the page asks for: indexes for which no call was left, then each kind's text."""

from collections.abc import Iterable, Sequence

from opsportal.dynamo import cursors
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.errors import AccessDenied, IndexMissing, KeyMismatch, TableMissing
from opsportal.dynamo.pages import Page
from opsportal.dynamo.searching import Step, step
from opsportal.dynamo.spans import Span
from opsportal.search.first import Lookup, Query, lookups
from opsportal.search.sources import Hit, Searched

# What another attempt does not change: the search goes on with the next part.
LASTING = (AccessDenied, IndexMissing, KeyMismatch, TableMissing)


class Background:
    """`sources`: what may be searched; `also`: the name of one that is searched on demand. `hits`: of the last step."""

    def __init__(self, query: Query, sources: Sequence[Searched], also: str) -> None:
        self.query, self.hits = query, list[Hit]()
        self.lookups = {one.name: one for one in lookups(sources)}
        self.sources = {
            one.name: one for one in sources if one.read and (not one.on_demand or one.name == also)
        }

    def parts(self, left: Iterable[Lookup]) -> list[tuple[str, str]]:
        """Names and labels, in their order. What was asked for comes first."""
        asked = sorted(self.sources.values(), key=lambda source: not source.on_demand)
        return [(one.name, one.label) for one in left] + [(one.name, one.noun.capitalize()) for one in asked]

    def cursor(self, parts: Iterable[tuple[str, str]], *, purpose: str) -> str:
        """Of the first step; "" where there is nothing to search."""
        names = [name for name, _ in parts]
        return cursors.dump({"parts": names, "at": ""}, purpose=purpose) if names else ""

    def read(self, values: dict[str, str], span: Span, *, purpose: str, cursor: str) -> Step:
        """One step, of the first part that takes a call. Raises `DynamoError`, MalformedCursor among them."""
        position = cursors.load(cursor, purpose=purpose)
        names, at = list(position["parts"]), str(position["at"])
        while True:
            name, rest = names[0], names[1:]
            found, why = self._step(name, values, span, purpose=f"{purpose}:{name}", cursor=at)
            if found.cursor:
                on = cursors.dump({"parts": names, "at": found.cursor}, purpose=purpose)
            else:
                on = cursors.dump({"parts": rest, "at": ""}, purpose=purpose) if rest else ""
            self.hits = self._hits(name, found.items)
            if found.calls or found.items or found.cursor or why or not rest:
                return Step(
                    found.items, on, found.covered_to, found.calls, found.units, found.notes,
                    part=name, ended=not found.cursor, why=why,
                )  # fmt: skip
            names, at = rest, ""

    def _step(
        self, name: str, values: dict[str, str], span: Span, *, purpose: str, cursor: str
    ) -> tuple[Step, str]:
        try:
            if name in self.lookups:
                return step(lambda: Page(self.lookups[name].read(self.query.text)), str), ""
            if (source := self.sources.get(name)) and source.read:
                given = {**values, "q": self.query.text}
                return source.read(given, span, purpose=purpose, cursor=cursor), ""
        except LASTING as problem:
            return step(lambda: Page([]), str), f"{problem.sentence} {problem.fix}".strip()
        # A role may have been taken away meanwhile.
        return step(lambda: Page([]), str), "You may not search these."

    def _hits(self, name: str, items: Sequence[Raw]) -> list[Hit]:
        if name in self.lookups:
            return self.lookups[name].hits(items)
        return self.sources[name].found(items, self.query.text) if name in self.sources else []
