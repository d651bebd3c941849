"""Tables: one declaration each (`TableSpec`), bound to this deployment's names (`Binding`).

A spec says what the documents of a table's owners say; the binding adds what settings.DYNAMO_TABLES
says about where the table is and what its key is called here.
"""

import functools
import hashlib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import ProfileNotFound
from django.conf import settings
from django.utils.module_loading import import_string

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.keys import Key


@dataclass(frozen=True)
class Workload:
    """The traffic of one table, per event of a kind ("workflow", "request"), of which there are `per_day`.

    `writes` and `reads`: of items, per event; `items`: new ones per event; `item_bytes`: the size of one.
    `moves`: index -> how many of the writes change its key, which DynamoDB carries out as a deletion and an
    insertion. `kept_days`: how long an item lives. `source` says who says so.
    """

    event: str
    per_day: int
    writes: int
    reads: int
    item_bytes: int
    kept_days: int
    source: str
    items: int = 1
    moves: tuple[tuple[str, int], ...] = ()

    def moved(self, index: str) -> int:
        """Writes per event that change the key of that index."""
        return dict(self.moves).get(index, 0)


@dataclass(frozen=True)
class Index:
    """A global secondary index. It projects every attribute (seed 002 of docs/data.md: ``ProjectionType: ALL``), or with
    `include` the keys and those only.

    `optional` marks one that the documents do not have: it is used where a deployment has it. `serves`: what is
    read by it, in the plural.
    """

    name: str
    hash_key: str
    range_key: str = ""
    optional: bool = False
    include: tuple[str, ...] = ()
    serves: str = "lists that read it"

    @property
    def keys(self) -> str:
        """``status, created_at``, for people."""
        return ", ".join(filter(None, (self.hash_key, self.range_key)))

    @property
    def key_schema(self) -> list[dict[str, str]]:
        schema = [{"AttributeName": self.hash_key, "KeyType": "HASH"}]
        if self.range_key:
            schema.append({"AttributeName": self.range_key, "KeyType": "RANGE"})
        return schema

    def definition(self) -> dict[str, Any]:
        """The index as CreateTable and UpdateTable take it."""
        projection: dict[str, Any] = {"ProjectionType": "ALL"}
        if self.include:
            projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(self.include)}
        return {"IndexName": self.name, "KeySchema": self.key_schema, "Projection": projection}


@dataclass(frozen=True)
class TableSpec:
    """A table as its documents declare it, under its logical name.

    All key attributes of all documents are strings, so indexes name attributes of type S; `key_types` are those of
    `key` and `range_key`.
    `point_in_time_recovery` and `encryption` (``"KMS"`` or ``""`` for the AWS-owned key) are what the
    documents ask for; an emulator may know neither. `workload` is the traffic that they expect, if any says.
    `names`: what documents call the table, with ``{env}``; where it is missing it is looked for by these.
    ``{env}`` in the value of a tag is the environment, too.
    """

    logical: str
    title: str
    key: str
    indexes: tuple[Index, ...] = ()
    range_key: str = ""
    key_types: tuple[str, str] = ("S", "S")
    billing_mode: str = "PAY_PER_REQUEST"
    ttl_attribute: str = ""
    point_in_time_recovery: bool = False
    encryption: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    names: tuple[str, ...] = ()
    workload: Workload | None = None

    def index(self, name: str) -> Index:
        """The declared index of that name; KeyError when there is none."""
        for index in self.indexes:
            if index.name == name:
                return index
        raise KeyError(name)


@dataclass(frozen=True)
class Binding:
    """A spec where it is deployed: name, region, endpoint ("" is Amazon's), hash key and TTL attribute."""

    spec: TableSpec
    name: str
    region: str
    endpoint: str
    key: str
    ttl_attribute: str

    @property
    def logical(self) -> str:
        return self.spec.logical

    @functools.cached_property
    def key_attributes(self) -> dict[str, str]:
        """The type of each attribute of the primary key, by name, the hash first."""
        pairs = zip((self.key, self.spec.range_key), self.spec.key_types, strict=True)
        return {name: kind for name, kind in pairs if name}

    def key_of(self, text: str) -> Key:
        """The key with that text. Raises NotAKey."""
        return Key.from_text(text, self.key_attributes)

    def key_in(self, item: Mapping[str, Typed]) -> Key:
        """The key of an item, whole or projected. KeyError where the primary key is another one."""
        return Key.from_item(item, self.key_attributes)

    def start_names(self, index: Index | None = None) -> tuple[str, ...]:
        """The attributes of an ExclusiveStartKey: those of the index's key and of the table's."""
        of_index = (index.hash_key, index.range_key) if index else ()
        return tuple(dict.fromkeys(name for name in (*of_index, *self.key_attributes) if name))

    @property
    def location(self) -> tuple[str, str]:
        """What clients, and the console's own tables, exist once per."""
        return self.region, self.endpoint

    @property
    def fingerprint(self) -> str:
        """A short digest of the place and name, for cache keys."""
        return hashlib.sha256("\n".join((self.name, *self.location)).encode()).hexdigest()[:16]

    @property
    def tags(self) -> dict[str, str]:
        return {key: value.format(env=settings.OPSPORTAL_ENV) for key, value in self.spec.tags.items()}

    def create_request(self, *, optional_indexes: bool = False) -> dict[str, Any]:
        """The arguments of CreateTable: keys, indexes, billing, encryption and tags.

        TTL and point-in-time recovery have calls of their own, once the table is ACTIVE.
        """
        indexes = [index for index in self.spec.indexes if optional_indexes or not index.optional]
        names = (name for index in indexes for name in self.start_names(index))
        attributes = self.key_attributes | dict.fromkeys(names, "S") | self.key_attributes
        request: dict[str, Any] = {
            "TableName": self.name,
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()
            ],
            "KeySchema": Index("", self.key, self.spec.range_key).key_schema,
            "BillingMode": self.spec.billing_mode,
        }
        if indexes:
            request["GlobalSecondaryIndexes"] = [index.definition() for index in indexes]
        if self.spec.encryption:
            request["SSESpecification"] = {"Enabled": True, "SSEType": self.spec.encryption}
        if self.tags:
            request["Tags"] = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        return request


class _Deployed:
    """The bindings of one value of settings.DYNAMO_TABLES, made on first use. A list of 50 asks for one 260 times, and
    reading settings and environment each time was 2 % of its CPU."""

    def __init__(self, configured: Mapping[str, Mapping[str, str]]) -> None:
        self.configured = configured
        self.made: dict[str, Binding] = {}

    def binding(self, logical: str) -> Binding:
        if (found := self.made.get(logical)) is None:
            config = self.configured[logical]
            found = self.made[logical] = bind(import_string(config["spec"]), config)
        return found

    @functools.cached_property
    def all(self) -> tuple[Binding, ...]:
        return tuple(self.binding(logical) for logical in self.configured)

    @functools.cached_property
    def logical_names(self) -> dict[str, str]:
        return {table.name: table.logical for table in reversed(self.all)}


_deployed = _Deployed({})


def _current() -> _Deployed:
    global _deployed
    current = _deployed
    if current.configured is not settings.DYNAMO_TABLES:
        current = _deployed = _Deployed(settings.DYNAMO_TABLES)
    return current


def forget() -> None:
    """Bind again. For whoever has changed the environment, or settings.DYNAMO_TABLES in its place."""
    global _deployed
    _deployed = _Deployed({})


def binding(logical: str) -> Binding:
    """The table of that logical name as the settings place it; KeyError when there is none."""
    return _current().binding(logical)


def bindings() -> list[Binding]:
    """Every table, in the order of the settings."""
    return list(_current().all)


def logical_name(name: str) -> str:
    """What the settings call the table of that name in DynamoDB; the internal tables go by theirs, without the prefix.
    Which deployment it is, a scrape knows."""
    if found := _current().logical_names.get(name):
        return found
    own = name.removeprefix(settings.OWN_TABLE_PREFIX)
    return own if own != name else "other"


def bind(spec: TableSpec, config: Mapping[str, str]) -> Binding:
    """`spec` at the place that `config`, one entry of settings.DYNAMO_TABLES, names."""
    return Binding(
        spec=spec,
        name=config["name"],
        region=config["region"] or aws_region() or config["default_region"],
        endpoint=config["endpoint"],
        key=config["key"] or spec.key,
        ttl_attribute=config["ttl_attribute"],
    )


def internal_table(spec: TableSpec, beside: Binding) -> Binding:
    """One of the console's own tables, ``{env}-opsportal_<logical>``, in the location of `beside`."""
    return Binding(
        spec=spec,
        name=f"{settings.OWN_TABLE_PREFIX}{spec.logical}",
        region=beside.region,
        endpoint=beside.endpoint,
        key=spec.key,
        ttl_attribute=spec.ttl_attribute,
    )


def other_spellings(table: Binding) -> Iterator[str]:
    """Its name with hyphens for underscores and the reverse, and never its own: the documents of the requests'
    tables spell them both ways. The environment at its start keeps its hyphens."""
    prefix = f"{settings.OPSPORTAL_ENV}-"
    if not table.name.startswith(prefix):
        prefix = "".join(table.name.partition("-")[:2])
    rest = table.name.removeprefix(prefix)
    names = (table.name.replace("_", "-"), prefix + rest.replace("-", "_"), table.name.replace("-", "_"))
    yield from dict.fromkeys(name for name in names if name != table.name)


def name_setting(table: Binding, name: str) -> str:
    """What to set so that this table of the settings is looked for under `name`."""
    own = f"set DYNAMODB_{table.logical.upper()}_TABLE={name}"
    spelled = {names.get(table.logical): spelling for spelling, names in settings.REQUEST_TABLE_NAMES.items()}
    if table.name in spelled and name in spelled:
        return f"set REQUEST_TABLES_SPELLING={spelled[name]}, or for this table alone {own}"
    return own


def aws_region() -> str:
    """The region of the AWS chain, or "". botocore alone ignores AWS_REGION, which other SDKs honour."""
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        return region
    # Without the handlers of its calls: 0.1 ms in place of 4.
    session = botocore.session.Session(include_builtin_handlers=False)
    try:
        return session.get_config_variable("region") or ""
    except ProfileNotFound:
        return ""  # the first call says so, in a sentence


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this machine, so that made-up data may be written to it: ``localhost`` or a
    loopback address, not a name that looks like one."""
    try:
        host = urlsplit(endpoint).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
