"""The API against its own description: schemathesis sends what the document allows, and what it does not,
follows its links, and finds nothing."""

import itertools
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from opsportal.api.effects import HEADER
from tests.api.conftest import Program
from tests.factories import put, workflow
from tests.operations.places import request_item
from tests.registry.test_actions import agent
from tests.shapes import examples

# Calls of each operation, and of each kind; `API_EXAMPLES=200` for a long look.
EXAMPLES = int(os.environ.get("API_EXAMPLES", "0")) or examples(1)


def budget(examples: int, **more: Any) -> Any:
    return hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize="API_EXAMPLES" not in os.environ,  # the suite's own run is the same each time
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        **more,
    )


@pytest.fixture
def described(tables: Any, program: Callable[..., Program], settings: Any) -> Any:
    """The schema, bound to the console, with something in each table and a token of an operator."""
    settings.API_RATE_LIMIT = 0
    settings.REQUESTS_QUEUE_URL = settings.WORKFLOW_COMMANDS_QUEUE_URL = ""
    put(tables["workflows"], workflow("s-1", overallStatus="processing"))
    put(tables["workflows"], workflow("s-2", lastUpdated={"not": "text"}, pdfAdapter="done"))
    put(tables["requests"], request_item("req-1", status="failed"))
    put(tables["requests"], request_item("req-2", progress={"L": []}, errors={"S": "x"}))
    put(tables["agents"], agent(agentId={"S": "a-1"}))
    text = program("operator").text
    config = schemathesis.Config.from_dict(
        {
            "auth": {"openapi": {"token": {"bearer": text}}},
            # Compressed answers are not its business, nor can it read them in process.
            "headers": {"Accept-Encoding": "identity"},
            # A made-up cursor is refused with 400.
            "checks": {
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "400", "401", "403", "404", "409", "429", "503"]
                }
            },
        }
    )
    schema = schemathesis.openapi.from_wsgi(
        "/api/openapi.json",
        get_wsgi_application(),
        config=config,
        headers={"Authorization": f"Bearer {text}", "Accept-Encoding": "identity"},
    )
    numbers = itertools.count()

    @schema.hook("map_case")
    def with_a_new_key(_context: Any, case: Any) -> Any:
        """A key that was used for something else is refused, as it is meant to be."""
        if re.fullmatch("[!-~]{1,190}", (case.headers or {}).get(HEADER) or ""):
            case.headers[HEADER] += f"-{next(numbers)}"
        if (case.query or {}).get("numbers") == "text":  # then texts stand where the description has numbers
            case.query["numbers"] = "json"
        return case

    return schema


@pytest.mark.no_moto
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_every_operation_answers_as_it_is_described(described: Any, mode: GenerationMode) -> None:
    found = []
    for operation in (result.ok() for result in described.get_all_operations()):

        @budget(EXAMPLES)
        @given(case=operation.as_strategy(generation_mode=mode))
        def calls(case: Any) -> None:
            case.call_and_validate()

        try:
            calls()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # any text is an id: there is nothing wrong to send
        except FailureGroup as failures:
            found += [f"{operation.label}: {str(failure)[:1500]}" for failure in failures.exceptions]
    assert not found, "\n\n".join(found)


@pytest.mark.no_moto
def test_what_one_answer_leads_to_is_answered_as_described(described: Any) -> None:
    described.as_state_machine().run(settings=budget(EXAMPLES * 2, stateful_step_count=5))
