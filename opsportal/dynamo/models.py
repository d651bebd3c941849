"""The base of the models of the tables that other programs write. It declares their attributes and reads tolerantly;
calls are made by `pages`, `merge` and the actions, which deal in whole typed items."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self

from pynamodb.attributes import Attribute
from pynamodb.models import Model

from opsportal.dynamo.attributes import Malformed, Raw, TolerantAttribute, Typed, raw_text, read_text
from opsportal.dynamo.reads import item_of
from opsportal.dynamo.tables import Binding, binding


class DynamoModel(Model):
    """An item of one table of the settings, which names its key attribute. Subclasses name the table in `logical` and
    declare tolerant attributes (`opsportal.dynamo.attributes`). `raw` is the exact item, with what is not declared."""

    logical: ClassVar[str] = ""
    # The documented values of attributes that have a closed list, compared without case.
    documented: ClassVar[Mapping[str, Collection[str]]] = {}
    # What an item holds that no other program acts on, for the few seconds of a test.
    inert: ClassVar[Mapping[str, str]] = {}
    raw: Raw

    _models: ClassVar[list[type["DynamoModel"]]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, attribute in vars(cls).items():
            if isinstance(attribute, Attribute) and not isinstance(attribute, TolerantAttribute):
                raise TypeError(
                    f"{cls.__name__}.{name} would raise on foreign data: use opsportal.dynamo.attributes"
                )
        DynamoModel._models.append(cls)

    @classmethod
    def binding(cls) -> Binding:
        return binding(cls.logical)

    @classmethod
    def from_item(cls, raw: Raw) -> Self:
        """The instance of an item as the wire has it. Never raises, whatever the item holds."""
        # Without PynamoDB's `__init__`, which looks for defaults: no tolerant attribute has one. Half of the time.
        instance = cls.__new__(cls)
        instance.raw = raw
        instance.attribute_values = {
            name: read(raw.get(attribute)) for name, attribute, read in cls._readers(cls.binding().key)
        }
        return instance

    # Kept: to look the names up for each item was a third of its time.
    @classmethod
    @lru_cache(maxsize=64)
    def _readers(cls, key: str) -> tuple[tuple[str, str, Callable[[Typed | None], Any]], ...]:
        """(name, the item's attribute, what reads it) of each declared attribute, in a table with this key."""
        return tuple(
            (name, key if attribute.is_hash_key else attribute.attr_name, attribute.deserialize)
            for name, attribute in cls.get_attributes().items()
        )

    @classmethod
    def read(cls, key: str, *, consistent: bool = False) -> Self | None:
        """The item of that key, or None. Raises `DynamoError`."""
        item = item_of(cls.binding(), key, consistent=consistent)
        return None if item is None else cls.from_item(item)

    @cached_property
    def id(self) -> str:
        """The key's text: always there, since DynamoDB stores no item without it."""
        value = self.attribute_values.get(self._hash_keyname or "")
        return str(value) if value is not None else ""

    @property
    def problems(self) -> dict[str, Malformed]:
        """The declared attributes that could not be read, by their DynamoDB name."""
        if Malformed not in map(type, self.attribute_values.values()):
            return {}  # as nearly always, and a list asks each of its rows
        attributes = self.get_attributes()
        return {
            attributes[name].attr_name: value
            for name, value in self.attribute_values.items()
            if isinstance(value, Malformed)
        }

    @property
    def unreadable(self) -> dict[str, str]:
        """Why a part could not be read, by the part's path. Subclasses add what lies deeper."""
        return {name: malformed.reason for name, malformed in self.problems.items()}

    @property
    def undocumented(self) -> dict[str, str]:
        """Values of attributes whose list is closed (`documented`) that are not in it, by path."""
        found = {}
        for name, values in self.documented.items():
            value = read_text(self.raw.get(name))
            if isinstance(value, str) and value.strip().lower() not in {known.lower() for known in values}:
                found[name] = value
        return found

    @property
    def known(self) -> frozenset[str]:
        """The attributes that the console reads; the others are foreign, and pages show them as such."""
        bound = self.binding()
        attributes = self.get_attributes().values()
        declared = {attribute.attr_name for attribute in attributes if not attribute.is_hash_key}
        return frozenset({*declared, bound.key, bound.ttl_attribute})

    @property
    def size(self) -> int:
        """About the item's size in bytes: that of its JSON, which is somewhat more than DynamoDB's."""
        return len(raw_text({"M": self.raw}).encode(errors="replace"))


def model_of(logical: str) -> type[DynamoModel] | None:
    """The model of that table; None for one of the console's own, which have none."""
    return next((model for model in DynamoModel._models if model.logical == logical), None)
