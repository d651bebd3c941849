"""What IAM is asked for by the calls that a test makes, and what is declared, to compare it with."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.cache import caches
from django.test import Client

from opsportal import aws
from opsportal.dynamo import clients
from opsportal.dynamo.tables import bindings, internal_table
from opsportal.operations.tables import locations
from opsportal.tables.grants import OWN, Place, places_of
from opsportal.tables.permissions import features
from tests.samples import forget

# Action, table (logical; the console's own with their region; * for what has no resource), index or "".
Permission = tuple[str, str, str]


def table_names() -> dict[tuple[str, str], str]:
    """(region, name) -> how a `Permission` calls the table."""
    known = {(table.region, table.name): table.logical for table in bindings()}
    for beside in locations():
        for own in (internal_table(spec, beside) for spec in OWN.values()):
            known[own.region, own.name] = f"{own.logical} {own.region}"
    return known


class Iam:
    """What the shared clients ask for, by botocore's events (`asked`), and what is refused (`denied`)."""

    def __init__(self) -> None:
        self.asked: set[Permission] = set()
        self.denied: set[Permission] = set()
        self.awake = False  # the fixtures' own calls, which make and delete tables, are none of it

    def read(self, client: Client, address: str, data: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of an answer that no cache had a part in; with `data`, of a POST."""
        forget()
        caches["process"].clear()
        self.awake = True
        try:
            response = client.get(address) if data is None else client.post(address, data)
            body = b"".join(response.streaming_content) if response.streaming else response.content
        finally:
            self.awake = False
        return response.status_code, body.decode()

    def decide(self, params: dict[str, Any], model: Any, region: str) -> None:
        for action, name, index in _needed(model.name, params):
            wanted = f"dynamodb:{action}", table_names()[region, name] if name != "*" else name, index
            self.asked.add(wanted)
            if wanted in self.denied:
                below = f"/index/{index}" if index else ""
                message = (
                    f"User: arn:aws:sts::111122223333:assumed-role/console/i-0 is not authorized to perform: "
                    f"{wanted[0]} on resource: arn:aws:dynamodb:{region}:111122223333:table/{name}{below} "
                    f"because no identity-based policy allows the {wanted[0]} action"
                )
                raise ClientError(
                    {"Error": {"Code": "AccessDeniedException", "Message": message}}, model.name
                )


# What IAM asks for each part of a transaction; there is no permission for the transaction itself.
PARTS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def _needed(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(action, table's name, index) of each permission that a call needs."""
    if operation == "TransactWriteItems":
        for part in params["TransactItems"]:
            ((kind, arguments),) = part.items()
            yield PARTS[kind], arguments["TableName"], ""
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for name in params["RequestItems"]:
            yield operation, name, ""
    elif operation == "ListBackups":
        yield operation, "*", ""
    elif operation == "ListTagsOfResource" or operation == "TagResource":
        yield operation, params["ResourceArn"].partition("/")[2], ""
    elif operation == "DescribeBackup":
        yield operation, params["BackupArn"].split("/")[1], "backup/*"
    else:
        yield operation, params["TableName"], params.get("IndexName", "")


def judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    """The judge of every call that the shared clients make; the body of a fixture."""
    made_by_boto, judge = clients._make, Iam()

    def made(region: str, endpoint: str, **options: Any) -> Any:
        client = made_by_boto(region, endpoint, **options)

        def decide(params: dict[str, Any], model: Any, **_: Any) -> None:
            if judge.awake:
                judge.decide(params, model, region)

        client.meta.events.register("provide-client-params.dynamodb", decide)
        return client

    beside_by_boto = aws._make

    def made_beside(name: str, region: str) -> Any:
        client = beside_by_boto(name, region)

        def note(model: Any, **_: Any) -> None:
            if judge.awake:
                judge.asked.add((f"{name}:{model.name}", "*", ""))

        client.meta.events.register(f"provide-client-params.{name}", note)
        return client

    clients.forget()
    aws.forget()
    monkeypatch.setattr(clients, "_make", made)
    monkeypatch.setattr(aws, "_make", made_beside)
    yield judge
    clients.forget()
    aws.forget()


def declared(role: str) -> dict[str, set[Permission]]:
    """What a role is declared to need, by the statements' Sids."""
    statements = {}
    for feature in features(role):
        allowed = {(action, *_called(place)) for place in places_of(feature) for action in feature.actions}
        if allowed:
            statements[feature.sid] = allowed
    return statements


def _called(place: Place) -> tuple[str, str]:
    if place.table is None:
        return "*", ""
    below = place.resource.partition(f"table/{place.table.name}")[2].removeprefix("/")
    return table_names()[place.table.region, place.table.name], below.removeprefix("index/")
