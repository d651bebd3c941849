"""What IAM is asked for by the calls that a test makes, and the README's policies to compare it with."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.cache import caches
from django.test import Client

from opsportal.dynamo import clients
from opsportal.dynamo.tables import bindings
from opsportal.operations.tables import audit_beside, jobs_beside, places
from tests.test_docs import block_after

Permission = tuple[str, str, str]  # action, table (logical; the console's own with their region), index or ""


def table_names() -> dict[tuple[str, str], str]:
    """(region, name) -> how a `Permission` calls the table."""
    known = {(table.region, table.name): table.logical for table in bindings()}
    for beside in places():
        for own in (audit_beside(beside), jobs_beside(beside)):
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
            wanted = f"dynamodb:{action}", table_names()[region, name], index
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
    elif operation == "BatchWriteItem":
        for name in params["RequestItems"]:
            yield operation, name, ""
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

    clients.forget()
    monkeypatch.setattr(clients, "_make", made)
    yield judge
    clients.forget()


def policy(mark: str = "iam-policy") -> dict[str, set[Permission]]:
    """The statements of one of the README's policies, by their Sid; without those on queues. Ask before the
    tables get names of their own."""
    known = table_names()
    statements = {}
    for statement in json.loads(block_after(mark))["Statement"]:
        assert statement["Effect"] == "Allow"
        if statement["Sid"] == "SendMessages":
            continue
        allowed = []
        for arn in statement["Resource"]:
            found = re.fullmatch(r"arn:aws:dynamodb:([\w-]+):\d{12}:table/([\w-]+)(?:/index/([\w-]+))?", arn)
            assert found, arn
            table = known[found[1], found[2]]
            allowed += [(action, table, found[3] or "") for action in statement["Action"]]
        assert len(set(allowed)) == len(allowed)
        statements[statement["Sid"]] = set(allowed)
    return statements
