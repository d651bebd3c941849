"""The shared clients."""

import threading
from typing import Any

import botocore.errorfactory
import pytest
from botocore.regions import EndpointRulesetResolver

from opsportal import aws
from opsportal.dynamo import clients
from tests.writers.test_forks import ended_well, in_a_child


@pytest.mark.parametrize("kind", ["dynamodb", "another service"])
def test_threads_that_use_a_client_first_at_once_catch_the_same_errors(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    made = threading.Barrier(2)
    create = botocore.errorfactory.ClientExceptionsFactory._create_client_exceptions

    def create_together(self: Any, model: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            made.wait(5)
        return create(self, model)

    monkeypatch.setattr(
        botocore.errorfactory.ClientExceptionsFactory, "_create_client_exceptions", create_together
    )
    module = clients if kind == "dynamodb" else aws
    module.forget()
    client = clients.client("us-east-1") if kind == "dynamodb" else aws.service("sqs", "us-east-1")
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(client.exceptions)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [client.exceptions] * 2


@pytest.mark.no_moto
def test_no_process_uses_the_connections_of_another(tables: dict[str, Any]) -> None:
    """The web server's master asks for the demo's tables before it forks its workers. Over one connection each would
    get the answers of the others: the page of a table showed another one."""
    names = [table.name for table in tables.values()]
    location = tables["workflows"].location
    queues, made = aws.service("sqs", location[0]), clients.client(*location)
    made.list_tables()  # a connection is open, and kept

    def asks() -> bool:
        own = clients.client(*location)
        answered = [own.describe_table(TableName=name)["Table"]["TableName"] for name in names]
        return own is not made and aws.service("sqs", location[0]) is not queues and answered == names

    children = [in_a_child(asks) for _ in range(2)]
    assert asks() is False, "the parent keeps its own"
    assert [ended_well(child) for child in children] == [True, True]


@pytest.mark.no_moto
def test_the_rules_for_endpoints_are_asked_once_where_the_endpoint_is_given(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    construct = EndpointRulesetResolver.construct_endpoint

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["operation_model"].name)
        return construct(self, *args, **kwargs)

    monkeypatch.setattr(EndpointRulesetResolver, "construct_endpoint", counting)
    clients.forget()
    made = clients.client(*tables["workflows"].location)
    made.list_tables()
    for table in tables.values():
        assert made.describe_table(TableName=table.name)["Table"]["TableName"] == table.name
    assert asked == ["ListTables"]
    # Of Amazon's own endpoints each table may have another one.
    assert isinstance(clients.client("us-east-1")._ruleset_resolver, EndpointRulesetResolver)
