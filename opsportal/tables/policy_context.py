"""What a policy depends on beside the settings: the account, the tables as deployed, the keys that encrypt them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from opsportal.aws import ServiceTrouble, asking, is_emulated, service
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import Binding
from opsportal.tables.concurrency import together
from opsportal.tables.grants import PLACEHOLDER, Feature, Found, places_of
from opsportal.tables.policy import Key

# For all tables, and for all keys.
SECONDS = 10.0


@dataclass
class PolicyContext:
    """`account` is "" where it is unknown; `notes` say what is unknown, and what was assumed."""

    account: str = ""
    found: dict[str, Description] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def tables_for(asked: Iterable[Feature]) -> list[Binding]:
    """Every table that one of the features touches, once."""
    tables = [location.table for feature in asked for location in places_of(feature) if location.table]
    return list({table.fingerprint: table for table in tables}.values())


def look(asked: Iterable[Feature]) -> PolicyContext:
    """As AWS describes it now; takes at most half a minute, and raises no AWS error."""
    context = PolicyContext()
    tables = tables_for(asked)
    outcomes = together({table.fingerprint: partial(_described, table) for table in tables}, SECONDS)
    assumed: dict[str, list[str]] = {}
    for table in tables:
        outcome = outcomes.get(table.fingerprint, "DynamoDB did not answer in time.")
        if isinstance(outcome, Description):
            context.found[table.fingerprint] = outcome
        else:
            assumed.setdefault(outcome, []).append(f"{table.name} in {table.region}")
    for why, names in assumed.items():
        context.notes.append(f"Taken as declared: {', '.join(names)}. {why}")
    try:
        with asking("sts:GetCallerIdentity", "every region"):  # the profile may not exist
            real = [table for table in tables if not is_emulated(table, "sts")]
        context.account = account_of(real[0].region) if real else ""
    except ServiceTrouble as problem:
        context.notes.append(f"The account is unknown: {problem.why}")
    if not context.account:
        context.notes.append(f"{PLACEHOLDER} stands for your account: give --account.")
    _look_at_keys(tables, context)
    return context


def _described(table: Binding) -> Description | str:
    try:
        return describe(table, fresh=True)
    except DynamoError as error:
        return error.sentence


def account_of(region: str) -> str:
    """The account of the credentials. Raises `ServiceTrouble`. Needs no permission."""
    with asking("sts:GetCallerIdentity", region):
        return str(service("sts", region).get_caller_identity()["Account"])


def _look_at_keys(tables: list[Binding], context: PolicyContext) -> None:
    used = {
        key: table
        for table in tables
        if (key := _key(table, context.found)) and not is_emulated(table, "kms")
    }
    managers = together(
        {key: partial(key_manager, key, table.region) for key, table in used.items()}, SECONDS
    )
    for key, table in used.items():
        manager = managers.get(key, "KMS did not answer in time.")
        if manager == "AWS":
            continue  # its key policy admits whoever may use the table
        if manager != "CUSTOMER":
            context.notes.append(
                f"Whether {key} is a customer managed key is unknown, so the policy treats it as one. {manager}"
            )
        context.keys.append(Key(key, table.region))


def _key(table: Binding, found: Found) -> str:
    description = found.get(table.fingerprint)
    return description.kms_key if description and description.encryption == "KMS" else ""


def key_manager(key: str, region: str) -> str:
    """AWS or CUSTOMER, whose key it is; or why that is unknown."""
    try:
        with asking("kms:DescribeKey", region, key):
            return str(service("kms", region).describe_key(KeyId=key)["KeyMetadata"]["KeyManager"])
    except ServiceTrouble as problem:
        return problem.why


def manager_of(table: Binding, key: str) -> str:
    """As `key_manager`, of the key that encrypts a table; "" without one, or at an emulator."""
    return key_manager(key, table.region) if key and not is_emulated(table, "kms") else ""
