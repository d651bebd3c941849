"""A list that can be exported: its app declares it among the `exports` of its descriptor, and its view begins with

if answer := exports.answer(request, listing, EXPORT):
    return answer
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol

from opsportal.console.columns import Column, Shown
from opsportal.descriptors import descriptors
from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.spans import Span

EXPORT_LISTS = "exports.export_lists"


class ReadPage(Protocol):
    """One page of the list, such as that of `requests_app.queries`. `values`: the list's own parameters. Raises
    `DynamoError`."""

    def __call__(
        self, values: Mapping[str, str], span: Span, *, purpose: str, cursor: str, limit: int
    ) -> Page: ...


@dataclass(frozen=True)
class Exportable(Generic[Shown]):
    """`name`: the list's, as for its saved views; `title`: what it lists, in the plural; `logical`: the table whose
    audit trail has the entries; `permission`: to see the list; `rows`: what the columns are of, made of items.

    `moment`: when an item was made, if the list is in the order of time: it helps to estimate how many there are.
    `of_table`: whether it lists the items of `logical`, whose number DynamoDB knows.
    """

    name: str
    title: str
    logical: str
    permission: str
    columns: Sequence[Column[Shown]]
    page: ReadPage
    rows: Callable[[Sequence[Raw]], Iterable[Shown]]
    moment: Callable[[Raw], datetime | None] | None = None
    of_table: bool = True

    def chosen(self, keys: Sequence[str]) -> list[Column[Shown]]:
        """The columns of these keys, in their order; all where there is none. KeyError: there is no such column."""
        by_key = {column.key: column for column in self.columns}
        return [by_key[key] for key in keys] or list(self.columns)


@cache
def all_exportable() -> dict[str, Exportable[Any]]:
    """By name."""
    return {one.name: one for app in descriptors() for one in app.exports}
