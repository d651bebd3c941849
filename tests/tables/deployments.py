"""Deploying tables as declared or wrong in some way, each under a name of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding, binding
from tests.engines import Engine

Request = dict[str, Any]  # the arguments of CreateTable


class Deployments:
    """Makes tables of the settings, and removes them at the end of the test."""

    def __init__(self, engine: Engine, settings: Any) -> None:
        self.engine, self.settings = engine, settings
        self.prefix = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}-"
        self.made: list[tuple[Any, str]] = []
        settings.DYNAMO_ENDPOINT_URL = engine.endpoint
        settings.DYNAMO_CONNECT_TIMEOUT = settings.DYNAMO_READ_TIMEOUT = 10.0
        settings.OWN_TABLE_PREFIX = f"{self.prefix}opsportal_"
        settings.DYNAMO_TABLES = {
            logical: {**table, "name": f"{self.prefix}{table['name']}", "endpoint": engine.endpoint}
            for logical, table in settings.DYNAMO_TABLES.items()
        }

    def configure(self, logical: str, **changes: str) -> Binding:
        """Change the settings of a table, and nothing of what is deployed."""
        tables = self.settings.DYNAMO_TABLES
        self.settings.DYNAMO_TABLES = tables | {logical: tables[logical] | changes}
        return binding(logical)

    def deploy(
        self, table: Binding, change: Callable[[Request], object] = lambda request: None, **place: str
    ) -> Any:
        """Create the table, with `change` made to the request, and set TTL and recovery as declared where the
        engine knows them; returns a client of its place. `location`: `name` or `region` other than its own."""
        client = clients.client(place.get("region", table.region), table.endpoint, background=True)
        request = table.create_request(optional_indexes=True)
        change(request)
        request["TableName"] = place.get("name", request["TableName"])
        client.create_table(**request)
        self.made.append((client, request["TableName"]))
        if table.ttl_attribute:
            set_ttl(client, request["TableName"], table.ttl_attribute)
        if self.engine.kind == "moto" and table.spec.point_in_time_recovery:
            set_recovery(client, request["TableName"], enabled=True)
        return client


@contextmanager
def deployments(engine: Engine, settings: Any) -> Iterator[Deployments]:
    made = Deployments(engine, settings)
    try:
        yield made
    finally:
        for client, name in made.made:
            client.delete_table(TableName=name)


def set_ttl(client: Any, name: str, attribute: str, *, enabled: bool = True) -> None:
    client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute}
    )


def set_recovery(client: Any, name: str, *, enabled: bool) -> None:
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
    )


def retype(request: Request, name: str, kind: str = "N") -> None:
    """Give a key attribute another type."""
    for part in request["AttributeDefinitions"]:
        if part["AttributeName"] == name:
            part["AttributeType"] = kind


def rename_key(request: Request, name: str) -> None:
    old = request["KeySchema"][0]["AttributeName"]
    request["KeySchema"][0]["AttributeName"] = name
    request["AttributeDefinitions"] = [
        {**part, "AttributeName": name} if part["AttributeName"] == old else part
        for part in request["AttributeDefinitions"]
    ]


def add_sort_key(request: Request, name: str) -> None:
    request["KeySchema"].append({"AttributeName": name, "KeyType": "RANGE"})
    if name not in {part["AttributeName"] for part in request["AttributeDefinitions"]}:
        request["AttributeDefinitions"].append({"AttributeName": name, "AttributeType": "S"})


def index_of(request: Request, name: str) -> dict[str, Any]:
    return next(index for index in request["GlobalSecondaryIndexes"] if index["IndexName"] == name)


def drop_index(request: Request, name: str) -> None:
    """Leave an index out, and the attributes that only it had."""
    request["GlobalSecondaryIndexes"].remove(index_of(request, name))
    keep_used(request)


def keep_used(request: Request) -> None:
    schemas = [request["KeySchema"], *(index["KeySchema"] for index in request["GlobalSecondaryIndexes"])]
    used = {part["AttributeName"] for schema in schemas for part in schema}
    request["AttributeDefinitions"] = [
        part for part in request["AttributeDefinitions"] if part["AttributeName"] in used
    ]


def provision(request: Request) -> None:
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 4}
    request |= {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
    for index in request["GlobalSecondaryIndexes"]:
        index["ProvisionedThroughput"] = throughput
