"""The base of every model: a PynamoDB model that is bound from the settings and reads tolerantly.

A model's `Meta` and key attribute come from settings.DYNAMO_TABLES, and its calls go through the shared
clients. An instance keeps the exact item in `raw`, with whatever the model does not declare.
"""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.signals import setting_changed
from pynamodb.connection.base import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.models import Model

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Malformed, TolerantAttribute, Typed, raw_text, read_text
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding, binding


class SharedConnection(Connection):
    """PynamoDB's connection over the shared client, so that all models of one place use one."""

    @property
    def client(self) -> Any:
        return clients.client(self.region or "", self.host or "")


class DynamoModel(Model):
    """A singular item of one table. Subclasses name the table in `logical` and declare attributes."""

    logical: ClassVar[str] = ""
    # The documented values of attributes that have a closed list, compared without case.
    documented: ClassVar[Mapping[str, Collection[str]]] = {}
    # What an item holds that no other program acts on, for the few seconds of a test.
    inert: ClassVar[Mapping[str, str]] = {}
    raw: dict[str, Typed]

    _models: ClassVar[list[type["DynamoModel"]]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        DynamoModel._models.append(cls)

    @classmethod
    def binding(cls) -> Binding:
        return binding(cls.logical)

    @classmethod
    def bind(cls) -> None:
        """Take name, region, endpoint and key attribute from the settings (again)."""
        bound = cls.binding()
        cls.Meta.table_name, cls.Meta.region, cls.Meta.host = bound.name, bound.region, bound.endpoint or None
        key: Any = cls._hash_key_attribute()  # type: ignore[no-untyped-call]
        if key.attr_name != bound.key:
            key.attr_name = bound.key
            cls._dynamo_to_python_attrs = {  # type: ignore[attr-defined]
                attribute.attr_name: name for name, attribute in cls.get_attributes().items()
            }
        cls._connection = None

    @classmethod
    def _get_connection(cls) -> TableConnection:
        if cls._connection is None:
            cls.bind()
        table_connection = super()._get_connection()
        if type(table_connection.connection) is Connection:
            table_connection.connection.__class__ = SharedConnection
        return table_connection

    @classmethod
    def _instantiate(cls, attribute_values: dict[str, Typed]) -> Self:
        return cls.of(attribute_values)

    @classmethod
    def of(cls, raw: dict[str, Typed]) -> Self:
        """The instance of an item as the wire has it. Never raises, whatever the item holds."""
        instance = cls(_user_instantiated=False)
        instance.deserialize(raw)
        return instance

    def deserialize(self, attribute_values: dict[str, Typed]) -> None:
        """Become that item. PynamoDB calls it with what `update` and `refresh` were answered."""
        self.raw = attribute_values
        key_name, key_attribute = self._hash_keyname, self.binding().key
        for name, attribute in self.get_attributes().items():
            source = key_attribute if name == key_name else attribute.attr_name
            self.attribute_values[name] = _read(attribute, attribute_values.get(source))
        for name in [
            name for name in vars(self) if isinstance(getattr(type(self), name, None), cached_property)
        ]:
            del vars(self)[name]

    @classmethod
    def read(cls, key: str, *, consistent: bool = False) -> Self | None:
        """The item of that key, or None. Raises `DynamoError`."""
        bound = cls.binding()
        if not _can_be_a_key(key):
            return None
        with translated(bound):
            answer = clients.client(*bound.place).get_item(
                TableName=bound.name, Key={bound.key: {"S": key}}, ConsistentRead=consistent
            )
        return cls.of(answer["Item"]) if "Item" in answer else None

    @property
    def id(self) -> str:
        """The key's text: always there, since DynamoDB stores no item without it."""
        value = read_text(self.raw.get(self.binding().key))
        return str(value) if value is not None else ""

    @property
    def problems(self) -> dict[str, Malformed]:
        """The declared attributes that could not be read, by their DynamoDB name."""
        found = {}
        for name, attribute in self.get_attributes().items():
            value = self.attribute_values.get(name)
            if isinstance(value, Malformed):
                found[attribute.attr_name] = value
        return found

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
        declared = {attribute.attr_name for attribute in self.get_attributes().values()}
        return frozenset({*declared, bound.key, bound.ttl_attribute})

    @property
    def size(self) -> int:
        """About the item's size in bytes: that of its JSON, which is somewhat more than DynamoDB's."""
        return len(raw_text({"M": self.raw}).encode(errors="replace"))


def model_of(logical: str) -> type[DynamoModel] | None:
    """The model of that table; None for one of the console's own, which have none."""
    return next((model for model in DynamoModel._models if model.logical == logical), None)


# An AWS limit: a partition key is 1 to 2,048 bytes long.
MAX_KEY_BYTES = 2048


def _can_be_a_key(text: str) -> bool:
    try:
        return 1 <= len(text.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return False


def _read(attribute: Any, value: Typed | None) -> Any:
    if isinstance(attribute, TolerantAttribute):
        return attribute.read(value)
    raise TypeError(
        f"{type(attribute).__name__} would raise on foreign data: use opsportal.dynamo.attributes"
    )


def bind_all() -> None:
    """Bind every model whose table the settings have: conditions may name a key before the first call."""
    for model in DynamoModel._models:
        if model.logical in settings.DYNAMO_TABLES:
            model.bind()


def _rebind(*, setting: str, **_: Any) -> None:
    if setting == "DYNAMO_TABLES":
        bind_all()


setting_changed.connect(_rebind)
