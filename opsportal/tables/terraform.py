"""The tables as Terraform, for those who deploy that way: as deployed, with what is only declared beside it.

A table that exists is imported, never created again, and written with all that DynamoDB says of it, since Terraform takes
away what its files do not hold; one with a setting that Terraform has no argument for is refused. `prevent_destroy`
makes Terraform refuse what would lose a table.
"""

from collections.abc import Iterable
from dataclasses import replace

from opsportal.aws import ServiceTrouble, asking, is_emulated
from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.deployed import Deployed, deployed
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.tables import Binding
from opsportal.tables.hcl import Block, document, quoted
from opsportal.tables.overview import Shown
from opsportal.tables.policy_context import manager_of
from opsportal.tables.terraform_table import Exported, alias, resource

__all__ = ["Exported", "look", "refusal", "terraform"]

# import blocks came with Terraform 1.5; of the provider, 6.37 is the first with every argument that may be written
# (the last were warm_throughput, global_table_witness and key_schema), and with key_schema in order.
TERRAFORM, PROVIDER = ">= 1.5", ">= 6.37"


def look(shown: Iterable[Shown], *, offline: bool = False) -> list[Exported]:
    """Each table with what is deployed. A table at an emulator is exported as one that is to be made at AWS."""
    exported: dict[tuple[str, str], Exported] = {}
    breaker = CircuitBreaker()
    for one in shown:
        table = one.table
        # Two endpoints in one region are one region to AWS.
        if (table.region, table.name) not in exported:
            exported[table.region, table.name] = _look(one.key, table, breaker, offline)
    return list(exported.values())


def _look(key: str, table: Binding, breaker: CircuitBreaker, offline: bool) -> Exported:
    if offline:
        return Exported(key, table, note="Not looked for: if it exists, import it.")
    try:
        with asking("dynamodb:DescribeTable", table.region):  # the profile may not exist
            if is_emulated(table, "sts"):
                return Exported(key, table)
        found = breaker.ask(table, deployed)
    except TableMissing:
        return Exported(key, table)
    except (DynamoError, ServiceTrouble) as problem:
        return Exported(key, table, unread=str(problem))
    replicas = {one.region: _replica(replace(table, region=one.region), breaker) for one in found.replicas}
    return Exported(key, table, found, replicas=replicas, manager=manager_of(table, found.kms_key))


def _replica(table: Binding, breaker: CircuitBreaker) -> Deployed | str:
    """What DescribeTable does not say of a replica where its table is: its recovery and its protection."""
    try:
        return breaker.ask(table, deployed)
    except DynamoError as error:
        return error.sentence


def terraform(tables: Iterable[Exported]) -> str:
    """All of them as one file: requirements, a provider per region, a resource per table, imports. What is refused
    is a comment at its head."""
    exported = list(tables)
    written = [one for one in exported if not one.refused]
    aws = {"source": quoted("hashicorp/aws"), "version": quoted(PROVIDER)}
    blocks = [
        Block(
            "terraform",
            {"required_version": quoted(TERRAFORM)},
            [Block("required_providers", {}, [Block("aws =", aws)])],
            comments=[refusal(one) for one in exported if one.refused],
        )
    ]
    blocks += [
        Block('provider "aws"', {"alias": quoted(alias(region)), "region": quoted(region)})
        for region in dict.fromkeys(one.table.region for one in written)
    ]
    for one in written:
        blocks.append(resource(one))
        if one.found is not None:
            target = {"to": f"aws_dynamodb_table.{one.label}", "id": quoted(one.name)}
            blocks.append(Block("import", target))
    return document(blocks)


def refusal(one: Exported) -> str:
    """Why a table is not in the file."""
    return (
        f"{one.key} ({one.name}) is not written, since Terraform would take away or change what its file does "
        f"not hold: {'; '.join(one.refused)}."
    )
