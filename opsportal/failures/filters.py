"""What the lists of items that come to an end filter by, whatever else each of them does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.expressions import AnyOf, Clause
from opsportal.dynamo.folded import holds_text
from opsportal.dynamo.lists import Wanted, every, of_status
from opsportal.dynamo.pages import Keep
from opsportal.dynamo.spans import Span
from opsportal.failures.matching import of_case


@dataclass(frozen=True)
class Rules:
    """Of one table: which statuses are open or failures, which items are stuck or have an error or a finding, and the
    attributes in which a text is searched for."""

    logical: str
    is_open: Wanted
    is_failure: Wanted
    is_stuck: Callable[[Raw, datetime], bool]
    needs_attention: Callable[[Raw, datetime], bool]
    searched: Callable[[], Sequence[str]]


@dataclass(frozen=True)
class ItemFilter:
    """`text`: part of an id or another text, letter by letter, but `any_case`; `stuck`: only what is stuck; `attention`:
    what has an error or a finding; `case`: the failures of that case, by its id."""

    rules: ClassVar[Rules]
    # By the parameter of the list, the field that is its value.
    parameters: ClassVar[Mapping[str, str]]
    _: KW_ONLY
    status: str = ""
    text: str = ""
    span: Span = field(default_factory=Span)
    stuck: bool = False
    attention: bool = False
    case: str = ""
    any_case: bool = False

    @classmethod
    def of(cls, values: Mapping[str, str], span: Span) -> Self:
        """What the list's own parameters choose."""
        names = {"status": "status", "q": "text", "case": "case", **cls.parameters}
        chosen: dict[str, Any] = {attribute: values.get(name, "") for name, attribute in names.items()}
        flags = {"stuck": "stuck", "attention": "attention", "anycase": "any_case"}
        chosen |= {attribute: name in values for name, attribute in flags.items()}
        return cls(span=span, **chosen)

    @property
    def statuses(self) -> list[Wanted]:
        """Which it wants: all must hold."""
        wanted: list[Wanted] = [of_status([self.status])] if self.status else []
        if self.stuck:
            wanted.append(self.rules.is_open)
        return [*wanted, self.rules.is_failure] if self.case else wanted

    def keep(self, now: datetime) -> Keep | None:
        """What no expression can hold."""
        tests: list[Keep] = []
        if self.stuck:
            tests.append(lambda item: self.rules.is_stuck(item, now))
        if self.attention:
            tests.append(lambda item: self.rules.needs_attention(item, now))
        if self.case:
            tests.append(of_case(self.rules.logical, self.case))
        if self.text and self.any_case:
            tests.append(holds_text(self.rules.searched(), self.text))
        return every(tests)

    def text_clauses(self, *served: str) -> list[AnyOf]:
        """Of the text, as far as an expression can hold it; `served`: attributes whose value an index fixes."""
        if not self.text or self.any_case:
            return []
        names = [name for name in self.rules.searched() if name not in served]
        return [AnyOf(tuple(Clause(name, "contains", (self.text,)) for name in names))]
