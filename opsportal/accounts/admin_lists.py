"""Lists of the admin that answer about what they show and about nothing else.

Django takes any column of a list's table as a filter from the address, shown or not: who counts the rows of
`?data__secret__startswith=J` reads a secret, letter by letter.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest


class ShownOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """What every list of the site is. Its lookups (400 for others) and its search go by its columns, its filters and
    its date hierarchy alone, for superusers too."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        if lookup.rpartition(LOOKUP_SEP)[2] in ("regex", "iregex"):  # one that runs for hours is soon written
            return False
        return request is not None and path_of(self.model, lookup) in set(self._shown(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        shown = set(self._shown(request))
        return [
            one
            for one in super().get_search_fields(request)
            if path_of(self.model, one.lstrip("^=@")) in shown
        ]

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """An object is found by its number alone. (Django's own also raises on a reverse relation's name.)"""
        return self.opts.pk is not None and to_field == self.opts.pk.name

    def _shown(self, request: HttpRequest) -> Iterator[str]:
        """Paths of fields. A column that a method makes shows the field that it is ordered by."""
        for column in self.get_list_display(request):
            method = column if callable(column) else getattr(self, column, None)
            yield str(getattr(method, "admin_order_field", column)).removeprefix("-")
        for one in self.get_list_filter(request):
            yield str(one[0] if isinstance(one, (tuple, list)) else one)
        if self.date_hierarchy:
            yield self.date_hierarchy


def path_of(model: type[Model] | None, lookup: str) -> str:
    """The fields that a lookup goes by: "user__username" of "user__username__startswith". The key of a relation is
    the relation: "groups" of "groups__id__exact". "" where it begins with no field, such as "pk"."""
    names: list[str] = []
    relation: Any = None
    for part in lookup.split(LOOKUP_SEP):
        if model is None:
            break
        try:
            field: Any = model._meta.get_field(part)
        except FieldDoesNotExist:
            break  # a transform or a lookup: of what is shown, it may be any
        if relation is not None and field is relation.target_field and not field.is_relation:
            break
        names.append(field.name)
        if not field.is_relation:
            break
        model, relation = field.related_model, field
    return LOOKUP_SEP.join(names)
