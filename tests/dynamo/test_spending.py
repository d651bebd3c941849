"""Every call of a request is on its account, and on no other's."""

import contextlib
import contextvars
import threading
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsportal.dynamo import clients, spending
from opsportal.dynamo.spending import Spending, request_budget
from opsportal.dynamo.tables import Binding
from tests.dynamo.fake_aws import Answer, FakeDynamo, error

KEY = {"request_id": {"S": "r"}}


def capacity(units: float) -> dict[str, Any]:
    return {"TableName": "t", "CapacityUnits": units}


def test_reads_and_writes_are_counted_apart(fake: FakeDynamo, requests_table: Binding) -> None:
    client, name = clients.client(*requests_table.location), requests_table.name
    answers: dict[str, Any] = {
        "GetItem": {"ConsumedCapacity": capacity(0.5)},
        "Query": {"Items": [], "ConsumedCapacity": capacity(2)},
        "Scan": {"Items": [], "ConsumedCapacity": capacity(0.1)},
        "BatchGetItem": {"ConsumedCapacity": [capacity(1), capacity(3)]},
        "TransactGetItems": {"ConsumedCapacity": [capacity(4)]},
        "PutItem": {"ConsumedCapacity": capacity(10)},
        "UpdateItem": {"ConsumedCapacity": capacity(20)},
        "DeleteItem": {"ConsumedCapacity": capacity(30)},
        "BatchWriteItem": {"ConsumedCapacity": [capacity(40)]},
        "TransactWriteItems": {"ConsumedCapacity": [capacity(50)]},
        "DescribeTable": {"Table": {}},
    }
    fake.answer = lambda operation, arguments: Answer(answers[operation])
    with request_budget(50) as account:
        client.get_item(TableName=name, Key=KEY)
        client.query(TableName=name, KeyConditionExpression="a = b")
        client.scan(TableName=name)
        client.batch_get_item(RequestItems={name: {"Keys": [KEY]}})
        client.transact_get_items(TransactItems=[{"Get": {"TableName": name, "Key": KEY}}])
        assert (account.read_units, account.write_units) == (Decimal("10.6"), 0)
        client.put_item(TableName=name, Item=KEY)
        client.update_item(TableName=name, Key=KEY)
        client.delete_item(TableName=name, Key=KEY)
        client.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": KEY}}]})
        client.transact_write_items(TransactItems=[{"Delete": {"TableName": name, "Key": KEY}}])
        client.describe_table(TableName=name)
    assert (account.read_units, account.write_units) == (Decimal("10.6"), Decimal(150))
    assert account.calls == account.attempts == 11
    assert account.operations == fake.operations == list(answers)
    assert account.request_ids == [f"REQUEST{number}" for number in range(1, 12)]
    # Capacity is only told when asked for; DescribeTable knows no such argument.
    asked = {operation: arguments.get("ReturnConsumedCapacity") for operation, arguments in fake.asked}
    assert asked.pop("DescribeTable") is None
    assert set(asked.values()) == {"TOTAL"}


def test_what_a_caller_asks_for_stays(fake: FakeDynamo, requests_table: Binding) -> None:
    clients.client(*requests_table.location).get_item(
        TableName=requests_table.name, Key=KEY, ReturnConsumedCapacity="INDEXES"
    )
    assert fake.asked[0][1]["ReturnConsumedCapacity"] == "INDEXES"


def test_an_engine_says_what_it_consumed(tables: dict[str, Binding]) -> None:
    table = tables["requests"]
    client = clients.client(*table.location)
    with request_budget(None) as account:
        client.put_item(TableName=table.name, Item=KEY)
        client.get_item(TableName=table.name, Key=KEY)
    assert account.operations == ["PutItem", "GetItem"]
    assert account.write_units >= 1
    assert account.read_units > 0


def test_a_failed_call_is_a_call_and_its_retries_are_attempts(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    client = clients.client(*requests_table.location)
    fake.says(error("InternalServerError", "sorry", 500), Answer({"ConsumedCapacity": capacity(1)}))
    with request_budget(50) as account:
        client.get_item(TableName=requests_table.name, Key=KEY)
        assert (account.calls, account.attempts) == (1, 2)
        fake.says(error("ValidationException", "no"))
        with pytest.raises(ClientError):
            client.get_item(TableName=requests_table.name, Key=KEY)
    assert (account.calls, account.attempts, account.read_units) == (2, 3, 1)


def test_without_a_budget_nothing_is_counted(fake: FakeDynamo, requests_table: Binding) -> None:
    assert spending.current() is None
    clients.client(*requests_table.location).get_item(TableName=requests_table.name, Key=KEY)
    assert spending.current() is None
    assert fake.operations == ["GetItem"]


def test_accounts_nest_and_end_also_when_something_is_raised() -> None:
    with request_budget(50) as outer:
        assert spending.current() is outer
        with contextlib.suppress(ZeroDivisionError), request_budget(None) as inner:
            assert spending.current() is inner
            _ = 1 / 0
        assert spending.current() is outer
    assert spending.current() is None


def test_threads_of_two_requests_do_not_share_an_account(fake: FakeDynamo, requests_table: Binding) -> None:
    client = clients.client(*requests_table.location)
    fake.says(Answer({"ConsumedCapacity": capacity(1)}))
    accounts: dict[int, Spending] = {}
    together = threading.Barrier(3)

    def request(number: int) -> None:
        with request_budget(None) as account:
            together.wait()
            for _ in range(number):
                client.get_item(TableName=requests_table.name, Key=KEY)
            accounts[number] = account

    threads = [threading.Thread(target=request, args=(number,)) for number in (1, 5, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: (account.calls, account.read_units) for number, account in accounts.items()} == {
        1: (1, 1),
        5: (5, 5),
        9: (9, 9),
    }


def test_a_thread_that_works_for_a_request_books_on_its_account(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    client = clients.client(*requests_table.location)

    def read() -> None:
        client.get_item(TableName=requests_table.name, Key=KEY)

    with request_budget(50) as account:
        stranger = threading.Thread(target=read)
        worker = threading.Thread(target=contextvars.copy_context().run, args=(read,))
        for thread in (stranger, worker):
            thread.start()
            thread.join()
    assert account.calls == 1
    assert len(fake.asked) == 2


def test_units_add_up_without_the_error_of_floats() -> None:
    account = Spending()
    for _ in range(10):
        account.book("Query", {"ConsumedCapacity": {"CapacityUnits": 0.1}})
    assert account.read_units == Decimal(1)
    account.book("Query", {"ConsumedCapacity": {"TableName": "t"}})
    account.book("Query", {"ConsumedCapacity": {"CapacityUnits": None}})
    assert account.read_units == Decimal(1)
