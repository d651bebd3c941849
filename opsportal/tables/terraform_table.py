"""One table as an `aws_dynamodb_table` resource.

Of a table that exists each setting is as deployed; what is declared and not deployed (an index, TTL, recovery,
encryption, a tag) is added, and a comment says so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.conf import settings

from opsportal.dynamo.deployed import Deployed, Recovery, Ttl
from opsportal.dynamo.descriptions import DeployedIndex, Units
from opsportal.dynamo.tables import Binding, Index
from opsportal.environments import is_strict
from opsportal.tables.drift import differences
from opsportal.tables.exportable import refusals
from opsportal.tables.hcl import Block, mapping, quoted, texts, word

PROVISIONED = "PROVISIONED"
# What DynamoDB serves at once from every table and index. Only more than that can be, and need be, written.
WARM = Units(12_000, 4_000)


@dataclass(frozen=True)
class Exported:
    """A table to be exported. `found`: as deployed at AWS; `note`: a comment where nobody looked; `unread`: why looking
    failed, or "".

    `replicas`: region -> the replica as deployed there, or why that is not known. `manager` of its KMS key: CUSTOMER;
    AWS for DynamoDB's default key, which Terraform must not be given; or why that is not known.
    """

    key: str
    table: Binding
    found: Deployed | None = None
    note: str = ""
    unread: str = ""
    replicas: Mapping[str, Deployed | str] = field(default_factory=dict)
    manager: str = ""

    @property
    def label(self) -> str:
        """Its name among Terraform's resources."""
        return _identifier(self.key)

    @property
    def name(self) -> str:
        """As DynamoDB has it: the settings may say an ARN."""
        return self.found.name if self.found else self.table.name

    @property
    def refused(self) -> list[str]:
        """What of it Terraform can't hold, or nobody knows; [] where it is written."""
        if self.unread:  # it may exist, with more than is declared
            return [f"what is deployed can't be read: {self.unread}"]
        return list(refusals(self.found, self.replicas)) if self.found else []


def alias(region: str) -> str:
    """The name of a region's provider."""
    return _identifier(region)


def _identifier(text: str) -> str:
    """A name of Terraform's, which stands without quotes."""
    return re.sub(r"\W", "_", text)


def resource(one: Exported) -> Block:
    """The table and everything about it that is not a resource of its own."""
    table, spec, found = one.table, one.table.spec, one.found
    key, range_key = (found.key, found.range_key) if found else (table.key, spec.range_key)
    billing = found.billing_mode if found else spec.billing_mode
    arguments = {
        "provider": f"aws.{alias(table.region)}",
        "name": quoted(one.name),
        "billing_mode": quoted(billing),
        "hash_key": quoted(key),
    }
    if range_key:
        arguments["range_key"] = quoted(range_key)
    if found and billing == PROVISIONED:
        arguments |= _capacity(Units(found.read_capacity, found.write_capacity))
    # In development `manage.py dynamo rollback` shall be able to delete what it made.
    protected = found.deletion_protection if found else is_strict(settings.OPSPORTAL_ENV)
    arguments["deletion_protection_enabled"] = word(protected)
    if found and found.table_class != "STANDARD":
        arguments["table_class"] = quoted(found.table_class)
    if found and found.stream:
        arguments |= {"stream_enabled": word(True), "stream_view_type": quoted(found.stream)}
    blocks = [*_attributes(one, key, range_key), *_indexes(one), *_ttl(one), _recovery(one)]
    blocks += [*_throughput(found), *_replicas(one)] if found else []
    blocks += [*_encryption(one), *_tags(one), _lifecycle(found)]
    head = f'resource "aws_dynamodb_table" "{one.label}"'
    return Block(head, arguments, blocks, list(_comments(one)))


# --- Keys and indexes ------------------------------------------------------------------------------------


def _deployed_indexes(found: Deployed | None) -> tuple[DeployedIndex, ...]:
    return found.indexes if found else ()


def _added(one: Exported) -> list[Index]:
    """The declared indexes that are not deployed, but for the optional ones."""
    there = {index.name for index in _deployed_indexes(one.found)}
    return [index for index in one.table.spec.indexes if not index.optional and index.name not in there]


def _attributes(one: Exported, key: str, range_key: str) -> Iterator[Block]:
    """The key attributes of the table and of its indexes, each once: Terraform refuses any other."""
    found = one.found
    names = [key, range_key]
    for added in _added(one):
        names += [added.hash_key, added.range_key]
    for index in (*_deployed_indexes(found), *(found.local_indexes if found else ())):
        names += [name for name, _ in _keys(index)]
    types: Mapping[str, str] = found.attribute_types if found else {}
    for name in dict.fromkeys(filter(None, names)):
        yield Block("attribute", {"name": quoted(name), "type": quoted(types.get(name, "S"))})


def _keys(index: DeployedIndex) -> tuple[tuple[str, str], ...]:
    pairs = ((index.hash_key, "HASH"), (index.range_key, "RANGE"))
    return index.keys or tuple((name, kind) for name, kind in pairs if name)


def _indexes(one: Exported) -> Iterator[Block]:
    found = one.found
    provisioned = found is not None and found.billing_mode == PROVISIONED
    declared = {index.name for index in one.table.spec.indexes}
    for added in _added(one):
        arguments = _named(added.name, added.hash_key, added.range_key)
        arguments |= _projection("INCLUDE" if added.include else "ALL", added.include)
        if found and provisioned:
            arguments |= _capacity(Units(found.read_capacity, found.write_capacity))
        comment = ["Declared, not deployed: Terraform adds it."] if found else []
        yield Block("global_secondary_index", arguments, comments=comment)
    for index in _deployed_indexes(found):
        arguments = _named(index.name, index.hash_key, index.range_key)
        blocks = []
        if index.is_composite:
            arguments = {"name": quoted(index.name)}
            blocks = [
                Block("key_schema", {"attribute_name": quoted(name), "key_type": quoted(kind)})
                for name, kind in index.keys
            ]
        arguments |= _projection(index.projection, index.non_key_attributes)
        if provisioned:
            arguments |= _capacity(index.capacity)
        blocks += [*_maximum(index.maximum), *_warm(index.warm)]
        comment = (
            []
            if index.name in declared
            else ["Deployed, not declared: without it here, Terraform would delete it."]
        )
        yield Block("global_secondary_index", arguments, blocks, comment)
    for index in found.local_indexes if found else ():
        arguments = {"name": quoted(index.name), "range_key": quoted(index.range_key)}
        yield Block(
            "local_secondary_index", arguments | _projection(index.projection, index.non_key_attributes)
        )


def _named(name: str, hash_key: str, range_key: str) -> dict[str, str]:
    arguments = {"name": quoted(name), "hash_key": quoted(hash_key)}
    return arguments | ({"range_key": quoted(range_key)} if range_key else {})


def _projection(kind: str, include: Iterable[str]) -> dict[str, str]:
    included = list(include)
    arguments = {"projection_type": quoted(kind)}
    return arguments | ({"non_key_attributes": texts(included)} if included else {})


# --- Throughput --------------------------------------------------------------------------------------------


def _capacity(units: Units) -> dict[str, str]:
    return {"read_capacity": str(units.reads), "write_capacity": str(units.writes)}


def _throughput(found: Deployed) -> Iterator[Block]:
    yield from _maximum(found.maximum)
    yield from _warm(found.warm)


def _maximum(units: Units) -> Iterator[Block]:
    arguments = {"max_read_request_units": units.reads, "max_write_request_units": units.writes}
    if set_ := {name: str(value) for name, value in arguments.items() if value}:
        yield Block("on_demand_throughput", set_)


def _warm(units: Units) -> Iterator[Block]:
    arguments = {}
    if units.reads > WARM.reads:
        arguments["read_units_per_second"] = str(units.reads)
    if units.writes > WARM.writes:
        arguments["write_units_per_second"] = str(units.writes)
    if arguments:
        yield Block("warm_throughput", arguments)


# --- What else there is --------------------------------------------------------------------------------------


def _ttl(one: Exported) -> Iterator[Block]:
    attribute = one.table.ttl_attribute if one.table.spec.ttl_attribute else ""
    if one.found and isinstance(one.found.ttl, Ttl) and one.found.ttl.on:
        # DynamoDB lets no attribute be changed before TTL was off for an hour.
        attribute = one.found.ttl.attribute
    if attribute:
        yield Block("ttl", {"attribute_name": quoted(attribute), "enabled": word(True)})


def _recovery(one: Exported) -> Block:
    known = one.found.recovery if one.found else None
    recovery = known if isinstance(known, Recovery) else Recovery(enabled=False)
    arguments = {"enabled": word(recovery.enabled or one.table.spec.point_in_time_recovery)}
    if recovery.days:
        arguments["recovery_period_in_days"] = str(recovery.days)
    return Block("point_in_time_recovery", arguments)


def _replicas(one: Exported) -> Iterator[Block]:
    found = one.found
    assert found is not None
    for replica in found.replicas:
        arguments = {"region_name": quoted(replica.region)}
        if replica.kms_key:
            arguments["kms_key_arn"] = quoted(replica.kms_key)
        if found.consistency:
            arguments["consistency_mode"] = quoted(found.consistency)
        there = one.replicas[replica.region]
        assert isinstance(there, Deployed)  # else it is refused
        assert isinstance(there.recovery, Recovery)
        arguments["point_in_time_recovery"] = word(there.recovery.enabled)
        arguments["deletion_protection_enabled"] = word(there.deletion_protection)
        yield Block("replica", arguments)
    for region in found.witnesses:
        yield Block("global_table_witness", {"region_name": quoted(region)})


def _encryption(one: Exported) -> Iterator[Block]:
    """Without a key of one's own, KMS is AWS's key for DynamoDB, which must not be named."""
    found = one.found
    if one.table.spec.encryption or (found and found.encryption):
        named = found is not None and found.encryption and found.kms_key and one.manager != "AWS"
        key = {"kms_key_arn": quoted(found.kms_key)} if found and named else {}
        yield Block("server_side_encryption", {"enabled": word(True), **key})


def _tags(one: Exported) -> Iterator[Block]:
    found = one.found
    deployed = found.tags if found and isinstance(found.tags, Mapping) else {}
    # Those of aws: are made by AWS's services alone, and Terraform leaves them.
    own = {name: value for name, value in sorted(deployed.items()) if not name.startswith("aws:")}
    if tags := {**one.table.tags, **own}:
        yield mapping("tags", tags)


def _lifecycle(found: Deployed | None) -> Block:
    arguments = {"prevent_destroy": word(True)}
    if found and any(_warm(found.warm)):
        # DynamoDB raises it with the traffic, and Terraform would replace the table to lower it.
        arguments["ignore_changes"] = "[warm_throughput]"
    return Block("lifecycle", arguments)


def _comments(one: Exported) -> Iterator[str]:
    table: Binding = one.table
    yield f"{table.spec.title} ({table.spec.source})"
    if one.note:
        yield one.note
    if one.found is None:
        return
    for difference in differences(table, one.found):
        if not difference.unknown:
            yield (
                f"As deployed it differs in {difference.point}: {difference.deployed}, declared "
                f"{difference.declared}."
            )
    if one.found.kms_key and one.manager not in ("", "AWS", "CUSTOMER"):
        yield f"If its key is aws/dynamodb, take kms_key_arn out: whose it is is not known. {one.manager}"
    if one.found.billing_mode == PROVISIONED:
        yield (
            "Where auto scaling sets the capacity, add read_capacity and write_capacity to lifecycle's ignore_changes."
        )
