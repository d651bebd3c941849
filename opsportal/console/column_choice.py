"""Which columns of a list are shown, by its address: `?columns=status,request_id`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from django.http import QueryDict

from opsportal.console.text import exact

NAME = "columns"
# Characters of the parameter, and of an unknown name in a sentence.
MAX_GIVEN, MAX_NAME = 1_000, 30


class Choosable(Protocol):
    """A column (`console.columns.Column`)."""

    @property
    def key(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def priority(self) -> int: ...


@dataclass(frozen=True)
class ColumnChoice:
    """`columns`: all that the list has; `names`: those that the address asks for, known or not."""

    columns: Sequence[Choosable]
    names: Sequence[str]

    @classmethod
    def given(cls, columns: Sequence[Choosable], query: QueryDict) -> Self:
        """A form sends the parameter once for each ticked column."""
        text = ",".join(query.getlist(NAME))[:MAX_GIVEN] if columns else ""
        return cls(columns, list(dict.fromkeys(filter(None, map(str.strip, text.split(","))))))

    @property
    def keys(self) -> list[str]:
        """The columns that are asked for, in that order; none: all, as far as there is room."""
        known = {column.key for column in self.columns}
        return [name for name in self.names if name in known]

    @property
    def parameters(self) -> dict[str, str]:
        return {NAME: ",".join(self.keys)} if self.keys else {}

    @property
    def notes(self) -> list[str]:
        """What must be said of names that are no column's."""
        known = [column.key for column in self.columns]
        unknown = [exact(name[:MAX_NAME]) for name in self.names if name not in known]
        if not unknown:
            return []
        names = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        return [f"This list has no column {names}. It has: {', '.join(known)}."]

    @property
    def boxes(self) -> list[tuple[str, str, bool]]:
        """(key, label, ticked) of each, the chosen ones first."""
        keys = self.keys
        by_key = {column.key: column for column in self.columns}
        ordered = [*(by_key[key] for key in keys), *(one for one in self.columns if one.key not in keys)]
        return [(one.key, one.label, not keys or one.key in keys) for one in ordered]

    @property
    def label(self) -> str:
        """`4 of 11`, "" where all are shown as far as there is room."""
        return f"{len(self.keys)} of {len(self.columns)}" if self.keys else ""

    @property
    def without_room(self) -> list[tuple[int, int]]:
        """How many columns give way, by the priority that the narrowest screens with a table leave out, 2 or 3."""
        counts = [(least, sum(one.priority >= least for one in self.columns)) for least in (3, 2)]
        return [] if self.keys else [(least, count) for least, count in counts if count]
