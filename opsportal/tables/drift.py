"""The declared table against the deployed one, point by point, each difference with its fix.

A difference `breaks` the console when its reads or writes fail by it; the others are notes, such as the
recovery that the documents ask for and nobody switched on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from opsportal.dynamo.deployed import UNKNOWN_HERE, Deployed, Ttl, Unknown
from opsportal.dynamo.fixes import assign, aws, setting
from opsportal.dynamo.structure import NONE, Flaw, index_flaws, key_flaws, keys_of, used_for
from opsportal.dynamo.tables import Binding
from opsportal.environments import is_live

NO_MAXIMUM = "MaxReadRequestUnits=-1,MaxWriteRequestUnits=-1"


@dataclass(frozen=True)
class Agreement:
    """A point that is as declared, or better."""

    point: str
    deployed: str


@dataclass(frozen=True)
class Difference:
    """A point that is not as declared, or is `unknown`; `fix` is a setting or a command, `consequence`
    what fails or is slower by it."""

    point: str
    declared: str
    deployed: str
    breaks: bool = False
    fix: str = ""
    unknown: bool = False
    consequence: str = ""


Point = Agreement | Difference


def differences(table: Binding, found: Deployed) -> list[Difference]:
    """Where `found` is not as `table` declares it; [] when all is well."""
    return [point for point in points(table, found) if isinstance(point, Difference)]


def points(table: Binding, found: Deployed) -> Iterator[Point]:
    """Every point that was compared."""
    yield _state(found)
    keys = list(_key(table, found))
    yield from keys
    if not setting(table, "KEY") and any(isinstance(point, Difference) for point in keys):
        return  # another program's, under a name of the console's own: what else it lacks is not ours to add
    yield from _indexes(table, found)
    yield from _undeclared(table, found)
    yield _billing(table, found)
    yield from _maximum(table, found)
    yield _table_class(table, found)
    yield _ttl(table, found)
    yield _recovery(table, found)
    yield _encryption(table, found)
    yield from _tags(table, found)


# --- State and key ---------------------------------------------------------------------------------------

STATES = {
    "CREATING": "Wait until it is ACTIVE; it takes about half a minute.",
    "DELETING": "It is being deleted; once it is gone, python manage.py dynamo migrate creates it again.",
    "ARCHIVED": "Its KMS key could not be used for a week: restore it from the backup that AWS made of it.",
    "ARCHIVING": "Its KMS key can't be used: enable the key now, before the table is archived.",
    "INACCESSIBLE_ENCRYPTION_CREDENTIALS": "Enable its KMS key again, and allow the console's role to use it.",
}


def _state(found: Deployed) -> Point:
    if found.state in ("ACTIVE", "UPDATING"):
        return Agreement("state", found.state)
    fix = STATES.get(found.state, "Look at it in the AWS console.")
    return Difference("state", "ACTIVE", found.state or NONE, breaks=True, fix=fix)


def _key(table: Binding, found: Deployed) -> Iterator[Point]:
    flaws = key_flaws(table, found)
    yield from map(_difference, flaws)
    wrong = {flaw.point for flaw in flaws}
    if "partition key" not in wrong:
        yield Agreement("partition key", found.key)
    if table.spec.range_key and "sort key" not in wrong:
        yield Agreement("sort key", table.spec.range_key)


def _difference(flaw: Flaw) -> Difference:
    return Difference(
        flaw.point, flaw.declared, flaw.deployed, flaw.breaks, flaw.fix, consequence=flaw.consequence
    )


# --- Indexes ---------------------------------------------------------------------------------------------


def _indexes(table: Binding, found: Deployed) -> Iterator[Point]:
    flaws = index_flaws(table, found)
    for index in table.spec.indexes:
        of_index = [flaw for flaw in flaws if flaw.index == index]
        deployed = used_for(table, found, index)
        for flaw in of_index:
            if flaw.missing and index.optional:
                absent = f"absent, and optional. {flaw.consequence} To add it: {flaw.fix}"
                yield Agreement(flaw.point, absent)
            else:
                yield _difference(flaw)
        if deployed and not of_index:
            alias = "" if deployed.name == index.name else f", under the name {deployed.name}"
            yield Agreement(f"index {index.name}", f"{index.keys} ({deployed.projection}){alias}")


def _undeclared(table: Binding, found: Deployed) -> Iterator[Difference]:
    used = {deployed.name for index in table.spec.indexes if (deployed := used_for(table, found, index))}
    unread = "The console does not read it; each write to the table pays for it"
    undeclared = [("index", index, f"{unread}.") for index in found.indexes if index.name not in used]
    undeclared += [
        ("local index", index, f"{unread}, and it goes only with the table.") for index in found.local_indexes
    ]
    for kind, index, fix in undeclared:
        yield Difference(f"{kind} {index.name}", NONE, f"{keys_of(index)} ({index.projection})", fix=fix)


# --- What does not break anything ------------------------------------------------------------------------


def _billing(table: Binding, found: Deployed) -> Point:
    if found.billing_mode == table.spec.billing_mode:
        return Agreement("billing", found.billing_mode)
    fix = aws(table, "update-table", "--billing-mode", table.spec.billing_mode)
    capacity = f" ({found.read_capacity:,} RCU, {found.write_capacity:,} WCU)"
    deployed = found.billing_mode + (capacity if found.billing_mode == "PROVISIONED" else "")
    return Difference("billing", table.spec.billing_mode, deployed, fix=fix)


def _maximum(table: Binding, found: Deployed) -> Iterator[Point]:
    """Caps of throughput, which no document asks for; an index has its own."""
    for part, units in (("", found.maximum), *((f" of {one.name}", one.maximum) for one in found.indexes)):
        named = (("read", units.reads), ("write", units.writes))
        if caps := [f"{value:,} {kind} units/s" for kind, value in named if value]:
            fix = "What goes beyond it is throttled, the console's own calls too."
            if not part:
                remove = aws(table, "update-table", "--on-demand-throughput", NO_MAXIMUM)
                fix += f" To remove it: {remove}"
            yield Difference(f"maximum throughput{part}", NONE, ", ".join(caps), fix=fix)


def _table_class(table: Binding, found: Deployed) -> Point:
    if found.table_class == "STANDARD":
        return Agreement("table class", "STANDARD")
    fix = "Its storage costs less and its reads and writes more. " + aws(
        table, "update-table", "--table-class", "STANDARD"
    )
    return Difference("table class", "STANDARD", found.table_class, fix=fix)


def _ttl(table: Binding, found: Deployed) -> Point:
    declared = table.ttl_attribute
    if isinstance(found.ttl, Unknown):
        return _unknown("TTL", declared or "off", found.ttl)
    deployed = found.ttl.attribute if found.ttl.on else ""
    if deployed == declared:
        return Agreement("TTL", f"{deployed} ({found.ttl.status})" if deployed else "off")
    return Difference("TTL", declared or "off", _ttl_text(found.ttl), fix=_ttl_mend(table, found.ttl))


def _ttl_text(ttl: Ttl) -> str:
    return "off" if ttl.status == "DISABLED" else f"{ttl.attribute} ({ttl.status})"


def _ttl_mend(table: Binding, ttl: Ttl) -> str:
    variable = setting(table, "TTL_ATTRIBUTE")
    if ttl.on and variable:
        return f"The deployed attribute is {ttl.attribute}: {assign(variable, ttl.attribute)}"
    specification = f"Enabled=true,AttributeName={table.ttl_attribute}"
    command = aws(table, "update-time-to-live", "--time-to-live-specification", specification)
    if ttl.status == "DISABLING":
        return f"It is being switched off, which takes up to an hour; then: {command}"
    return command


def _recovery(table: Binding, found: Deployed) -> Point:
    point = "point-in-time recovery"
    if not table.spec.point_in_time_recovery:
        return Agreement(point, "not asked for")
    if isinstance(found.recovery, Unknown):
        return _unknown(point, "on", found.recovery)
    if found.recovery.enabled:
        return Agreement(point, "on")
    fix = aws(
        table,
        "update-continuous-backups",
        "--point-in-time-recovery-specification",
        "PointInTimeRecoveryEnabled=true",
    )
    return Difference(point, "on", "off", fix=fix)


def _encryption(table: Binding, found: Deployed) -> Point:
    declared = table.spec.encryption
    if not found.encryption and declared and ":ddblocal:" in found.arn:
        return _unknown("encryption", declared, Unknown())  # DynamoDB Local has none and reports none
    if found.encryption or not declared:
        return Agreement("encryption", found.encryption or "AWS owned key")
    fix = aws(table, "update-table", "--sse-specification", f"Enabled=true,SSEType={declared}")
    return Difference("encryption", declared, "AWS owned key", fix=fix)


def _tags(table: Binding, found: Deployed) -> Iterator[Point]:
    if not table.tags:
        return
    if isinstance(found.tags, Unknown):
        yield _unknown("tags", ", ".join(table.tags), found.tags)
        return
    for key, value in table.tags.items():
        deployed = found.tags.get(key, NONE)
        # Seed 000 of docs/data.md tags the table of its one environment so, whatever that is called here.
        documented = deployed == "production" and key == "Environment" and is_live(settings.OPSPORTAL_ENV)
        if deployed == value or documented:
            yield Agreement(f"tag {key}", deployed)
            continue
        tag = json.dumps([{"Key": key, "Value": value}])
        fix = aws(table, "tag-resource", "--resource-arn", found.arn, "--tags", tag)
        yield Difference(f"tag {key}", value, deployed, fix=fix)


def _unknown(point: str, declared: str, unknown: Unknown) -> Difference:
    fix = f"Add this statement to the policy of the console's role: {unknown.statement}"
    return Difference(
        point, declared, unknown.why or UNKNOWN_HERE, fix=fix if unknown.statement else "", unknown=True
    )
