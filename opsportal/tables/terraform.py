"""The tables as Terraform, for those who deploy that way: as declared, with what is deployed beside it kept.

A table that exists is imported, never made anew; an index, a tag, recovery, TTL or a key that only the deployment
has is kept, since Terraform takes away what its files do not hold. `prevent_destroy` makes Terraform refuse what would lose a table.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings

from opsportal.aws import ServiceTrouble, asking, is_emulated
from opsportal.dynamo.deployed import Deployed, Recovery, Ttl, deployed
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.silence import Silence
from opsportal.dynamo.tables import Binding, Index
from opsportal.environments import is_strict
from opsportal.tables.drift import differences
from opsportal.tables.hcl import Block, document, mapping, quoted, texts, word
from opsportal.tables.overview import Shown

# import blocks came with Terraform 1.5; deletion protection with 4.43 of the provider.
TERRAFORM, PROVIDER = ">= 1.5", ">= 4.43"


@dataclass(frozen=True)
class Exported:
    """A table to be exported. `found`: as deployed at AWS; `note`: why that is not known, or ""."""

    key: str
    table: Binding
    found: Deployed | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """Its name among Terraform's resources."""
        return self.key.replace("-", "_").replace(".", "_")


def look(shown: Iterable[Shown], *, offline: bool = False) -> list[Exported]:
    """Each table with what is deployed. A table at an emulator is exported as one that is to be made at AWS."""
    exported: dict[tuple[str, str], Exported] = {}
    silence = Silence()
    for one in shown:
        table = one.table
        # Two endpoints in one region are one region to AWS.
        if (table.region, table.name) not in exported:
            exported[table.region, table.name] = _look(one.key, table, silence, offline)
    return list(exported.values())


def _look(key: str, table: Binding, silence: Silence, offline: bool) -> Exported:
    if offline:
        return Exported(key, table, note="Not looked for: if it exists, import it.")
    try:
        with asking("dynamodb:DescribeTable", table.region):  # the profile may not exist
            if is_emulated(table, "sts"):
                return Exported(key, table)
        return Exported(key, table, silence.ask(table, deployed))
    except TableMissing:
        return Exported(key, table)
    except (DynamoError, ServiceTrouble) as trouble:
        return Exported(key, table, note=f"If it exists, import it. It could not be looked for: {trouble}")


def terraform(tables: Iterable[Exported]) -> str:
    """All of them as one file: requirements, a provider per region, a resource per table, imports."""
    exported = list(tables)
    regions = dict.fromkeys(one.table.region for one in exported)
    aws = {"source": quoted("hashicorp/aws"), "version": quoted(PROVIDER)}
    blocks = [
        Block(
            "terraform",
            {"required_version": quoted(TERRAFORM)},
            [Block("required_providers", {}, [Block("aws =", aws)])],
        )
    ]
    blocks += [
        Block('provider "aws"', {"alias": quoted(_alias(region)), "region": quoted(region)})
        for region in regions
    ]
    for one in exported:
        blocks.append(_resource(one))
        if one.found is not None:
            target = {"to": f"aws_dynamodb_table.{one.label}", "id": quoted(one.table.name)}
            blocks.append(Block("import", target))
    return document(blocks)


def _alias(region: str) -> str:
    return region.replace("-", "_")


def _resource(one: Exported) -> Block:
    table, spec, found = one.table, one.table.spec, one.found
    arguments = {
        "provider": f"aws.{_alias(table.region)}",
        "name": quoted(table.name),
        "billing_mode": quoted(spec.billing_mode),
        "hash_key": quoted(table.key),
    }
    if spec.range_key:
        arguments["range_key"] = quoted(spec.range_key)
    # In development `manage.py dynamo rollback` shall be able to delete what it made.
    protected = found.deletion_protection if found else is_strict(settings.OPSPORTAL_ENV)
    arguments["deletion_protection_enabled"] = word(protected)
    blocks = [*_attributes(one), *_indexes(one), *_ttl(one)]
    recovery = found is not None and isinstance(found.recovery, Recovery) and found.recovery.enabled
    recovery = recovery or spec.point_in_time_recovery
    blocks.append(Block("point_in_time_recovery", {"enabled": word(recovery)}))
    # Without a key of one's own, KMS is AWS's key for DynamoDB, which need not be named.
    if spec.encryption or (found and found.encryption):
        key = {"kms_key_arn": quoted(found.kms_key)} if found and found.kms_key else {}
        blocks.append(Block("server_side_encryption", {"enabled": word(True), **key}))
    deployed_tags = found.tags if found and isinstance(found.tags, Mapping) else {}
    # A tag of another value is somebody's choice.
    if tags := {**table.tags, **dict(sorted(deployed_tags.items()))}:
        blocks.append(mapping("tags", tags))
    blocks.append(Block("lifecycle", {"prevent_destroy": word(True)}))
    head = f'resource "aws_dynamodb_table" "{one.label}"'
    return Block(head, arguments, blocks, list(_comments(one)))


def _ttl(one: Exported) -> Iterator[Block]:
    attribute = one.table.ttl_attribute if one.table.spec.ttl_attribute else ""
    if one.found and isinstance(one.found.ttl, Ttl) and one.found.ttl.on:
        # DynamoDB lets no attribute be changed before TTL was off for an hour.
        attribute = one.found.ttl.attribute
    if attribute:
        yield Block("ttl", {"attribute_name": quoted(attribute), "enabled": word(True)})


def _comments(one: Exported) -> Iterator[str]:
    yield f"{one.table.spec.title} ({one.table.spec.source})".replace("\n", " ")
    if one.note:
        yield one.note.replace("\n", " ")
    for difference in differences(one.table, one.found) if one.found else ():
        if not difference.unknown:
            yield (
                f"As deployed it differs in {difference.point}: {difference.deployed}, declared "
                f"{difference.declared}."
            ).replace("\n", " ")


def _kept(one: Exported) -> list[Index]:
    """The declared indexes, the optional ones where they are deployed."""
    deployed_names = {index.name for index in one.found.indexes} if one.found else set()
    return [index for index in one.table.spec.indexes if not index.optional or index.name in deployed_names]


def _attributes(one: Exported) -> Iterator[Block]:
    """The key attributes of the table and of its indexes, each once: Terraform refuses any other."""
    names = [one.table.key, one.table.spec.range_key]
    for index in _kept(one):
        names += [index.hash_key, index.range_key]
    types: dict[str, str] = {name: "S" for name in names if name}
    declared = {index.name for index in one.table.spec.indexes}
    for other in one.found.indexes if one.found else ():
        if other.name not in declared and one.found:
            for name in filter(None, (other.hash_key, other.range_key)):
                types.setdefault(name, one.found.attribute_types.get(name, "S"))
    for name, kind in types.items():
        yield Block("attribute", {"name": quoted(name), "type": quoted(kind)})


def _indexes(one: Exported) -> Iterator[Block]:
    for index in _kept(one):
        projection = "INCLUDE" if index.include else "ALL"
        yield _index(index.name, index.hash_key, index.range_key, projection, index.include)
    declared = {index.name for index in one.table.spec.indexes}
    for other in one.found.indexes if one.found else ():
        if other.name not in declared:
            yield _index(
                other.name,
                other.hash_key,
                other.range_key,
                other.projection,
                other.non_key_attributes,
                comment="Deployed, not declared: without it here, Terraform would delete it.",
            )


def _index(
    name: str, hash_key: str, range_key: str, projection: str, include: Iterable[str], comment: str = ""
) -> Block:
    arguments = {"name": quoted(name), "hash_key": quoted(hash_key)}
    if range_key:
        arguments["range_key"] = quoted(range_key)
    arguments["projection_type"] = quoted(projection)
    if included := list(include):
        arguments["non_key_attributes"] = texts(included)
    return Block("global_secondary_index", arguments, comments=[comment] if comment else [])
