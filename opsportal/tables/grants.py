"""What IAM is asked for, in its own terms: actions on targets, and the ARNs that the settings make of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings

from opsportal.aws import queue_region
from opsportal.dynamo.aws_names import arn
from opsportal.dynamo.descriptions import Description
from opsportal.dynamo.migrations import LEDGER
from opsportal.dynamo.structure import used_for
from opsportal.dynamo.tables import Binding, TableSpec, binding, bindings, internal_table
from opsportal.environments import is_strict
from opsportal.operations.tables import AUDIT, JOBS

# Stands for the account's number where that is not known.
PLACEHOLDER = "111122223333"
# The console's own tables, by logical name.
OWN: dict[str, TableSpec] = {spec.logical: spec for spec in (AUDIT, JOBS, LEDGER)}
# What the tables are as deployed, by `Binding.fingerprint`; those that could not be described are missing.
Found = Mapping[str, Description]


@dataclass(frozen=True)
class Target:
    """What an action is done to: a table of the settings or one of the console's own, by logical name, or an
    index or the `backups` of it; a queue, by the name of its setting; the console's alarms; or, with nothing of
    these, ``*``, which is what AWS wants for actions that know no resource.

    The console's own tables are in every place that holds a table of the settings, or only `beside` those named.
    """

    table: str = ""
    index: str = ""
    beside: tuple[str, ...] = ()
    backups: bool = False
    queue: str = ""
    alarms: bool = False


@dataclass(frozen=True)
class Permission:
    """One action (``dynamodb:GetItem``) on one target."""

    action: str
    target: Target

    @property
    def table(self) -> str:
        return self.target.table

    @property
    def index(self) -> str:
        return self.target.index


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Feature:
    """Something the console does, and what it needs: one statement of a policy, its actions on its targets.

    `name` says what, for a reader; `sid` is the statement's. `optional`: what needs it does without, or says on its
    own page that it can't. `managing`: it changes tables rather than items; those of other programs are then only
    meant in development and where they are named. `wanted`: whether the settings have it switched on. `condition`: the statement's, where
    the resource alone would allow too much.
    """

    sid: str
    name: str
    roles: frozenset[str]
    actions: tuple[str, ...]
    targets: Callable[[], tuple[Target, ...]]
    optional: bool = False
    managing: bool = False
    wanted: Callable[[], bool] = _always
    condition: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)

    @property
    def permissions(self) -> tuple[Permission, ...]:
        return tuple(Permission(action, target) for target in self.targets() for action in self.actions)


@dataclass(frozen=True)
class Place:
    """A target where the settings have it. `resource`: its ARN, with `PLACEHOLDER` for the account. Of a table,
    `table` and `index` ("" is the table itself); of a queue, its URL in `queue`; else `region` alone."""

    resource: str
    region: str
    table: Binding | None = None
    index: str = ""
    queue: str = ""

    def arn(self, account: str) -> str:
        # The account in a queue's URL is the queue's own.
        return self.resource if self.queue else self.resource.replace(f":{PLACEHOLDER}:", f":{account}:")


def places_of(feature: Feature, found: Found = {}, named: tuple[str, ...] = ()) -> list[Place]:  # noqa: B006
    """Where the settings have the targets of `feature`.

    With `found`, an index is the one that the table has for that key; an optional one is left out where it has none.
    `named`: the tables of other programs that a `managing` feature is meant for outside development.
    """
    locations: dict[str, Place] = {}
    for target in feature.targets() if feature.wanted() else ():
        foreign = target.table in settings.DYNAMO_TABLES
        if feature.managing and foreign and is_strict(settings.OPSPORTAL_ENV) and target.table not in named:
            continue
        for location in _places(target, found):
            locations.setdefault(
                f"{location.resource} {location.region if location.resource == '*' else ''}", location
            )
    return list(locations.values())


@dataclass(frozen=True)
class Need:
    """One action at one place, for one feature."""

    feature: Feature
    action: str
    location: Place

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The same for two features that need the same."""
        return self.action, self.location.resource, self.location.region, self.location.index


def needs_of(features: Iterable[Feature], found: Found = {}) -> list[Need]:  # noqa: B006
    """What the features need, feature by feature; `found` as for `places_of`."""
    return [
        Need(feature, action, location)
        for feature in features
        for location in places_of(feature, found)
        for action in feature.actions
    ]


def _places(target: Target, found: Found) -> Iterator[Place]:
    if target.table:
        for table in tables_of(target):
            index = _index(target.index, table, found.get(table.fingerprint))
            if index is not None:
                below = "/backup/*" if target.backups else f"/index/{index}" if index else ""
                yield Place(table_arn(table) + below, table.region, table, index)
    elif target.queue:
        url = getattr(settings, target.queue)
        yield Place(queue_arn(url), queue_region(url), queue=url)
    else:
        for region in dict.fromkeys(table.region for table in bindings()):
            name = f"alarm:{settings.OPSPORTAL_ENV}-opsportal-*"
            alarms = arn("cloudwatch", region, PLACEHOLDER, name)
            yield Place(alarms if target.alarms else "*", region)


def tables_of(target: Target) -> list[Binding]:
    """The tables that a target means: one, or one of the console's own per place."""
    if target.table in settings.DYNAMO_TABLES:
        return [binding(target.table)]
    beside = [table for table in bindings() if not target.beside or table.logical in target.beside]
    return [
        internal_table(OWN[target.table], table)
        for table in {table.location: table for table in beside}.values()
    ]


def _index(name: str, table: Binding, found: Description | None) -> str | None:
    declared = next((index for index in table.spec.indexes if index.name == name), None)
    if declared is None or found is None:
        return name
    # It may have any name; while it is being built it is not used yet, but it will be.
    if deployed := used_for(table, found, declared):
        return deployed.name
    return None if declared.optional else name  # which may be added later


def table_arn(table: Binding) -> str:
    return arn("dynamodb", table.region, PLACEHOLDER, f"table/{table.name}")


def queue_arn(url: str) -> str:
    """Of ``https://sqs.<region>.amazonaws.com/<account>/<name>``; of a URL that is none, the last two parts."""
    region = queue_region(url)
    account, name = (["", PLACEHOLDER, *urlsplit(url).path.strip("/").split("/")])[-2:]
    return arn("sqs", region, account, name)
