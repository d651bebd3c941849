"""The shared clients."""

import threading
from typing import Any

import botocore.errorfactory
import pytest

from opsportal import aws
from opsportal.dynamo import clients


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
