"""What an app says of its items that failed, whatever their writers left there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.failures.failure import Failure
from requests_app.failures import failure_of as failure_of_request
from tests.dynamo.typed import EVERY_TYPE
from tests.factories import MISSING, naive, request, step, workflow, zulu
from tracking.failures import failure_of as failure_of_workflow

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def failed_workflow(**values: Any) -> dict[str, Any]:
    return workflow(
        "one", **{"overallStatus": "failed", "lastUpdated": zulu(AT), "pdfAdapter": MISSING, **values}
    )


def test_the_step_of_a_workflow_is_the_first_failed_one_that_says_why() -> None:
    silent, loud = step("error", error=None), step("error", error="loud", completedAt=zulu(AT))
    assert failure_of_workflow(
        failed_workflow(pdfAdapter=silent, tradeMatching=loud, error="own")
    ) == Failure("tradeMatching", "Trade matching", "loud", AT, AT)
    found = failure_of_workflow(failed_workflow(pdfAdapter=step(error="odd"), error="own"))
    assert found == Failure("", "Workflow", "own", AT)
    found = failure_of_workflow(failed_workflow(pdfAdapter=step(error="of a step that did not fail")))
    assert found
    assert (found.step, found.error) == ("pdfAdapter", "of a step that did not fail")
    found = failure_of_workflow(failed_workflow(pdfAdapter=silent))
    assert found
    assert (found.step, found.label, found.error) == ("pdfAdapter", "PDF adapter", "")
    assert failure_of_workflow(failed_workflow()) == Failure("", "Workflow", "", AT)
    assert failure_of_workflow(failed_workflow(overallStatus="processing", pdfAdapter=loud)) is None


def test_the_stage_of_a_request_is_that_of_its_error_or_the_one_it_stopped_in() -> None:
    def failed(**values: Any) -> Failure | None:
        return failure_of_request(request("one", **{"status": "Failed", "completed_at": naive(AT), **values}))

    assert failed(errors=["first", "second"]) == Failure(
        "content_extraction", "Content extraction", "first", AT
    )
    assert failed(errors=[{"message": "bad", "stage": "serp_discovery"}]) == Failure(
        "serp_discovery", "Serp discovery", "bad", AT
    )
    assert failed(errors=[], status_message="said", progress=None) == Failure("", "Request", "said", AT)
    later = naive(AT + timedelta(hours=1))
    found = failed(completed_at=None, updated_at=later)
    assert found
    assert found.failed_at == AT + timedelta(hours=1)
    assert failed(status="completed") is None


@pytest.mark.parametrize(
    "errors", ["of a text", {"message": "of a map"}, ["", "of a second"], [], [{"message": "of a list"}]]
)
def test_the_page_of_a_request_reads_the_same_failure_as_the_worker_s_row(errors: Any) -> None:
    """The whole item, and what `errors[0]` leaves of it."""
    whole = request("one", status="failed", completed_at=naive(AT), errors=errors)
    row = {name: value for name, value in whole.items() if name != "errors"}
    if first := whole["errors"].get("L"):
        row["errors"] = {"L": first[:1]}
    assert failure_of_request(whole) == failure_of_request(row)


@pytest.mark.parametrize(
    "make", [failed_workflow, lambda **values: request("one", **{"status": "failed", **values})]
)
def test_no_shape_of_an_attribute_is_in_the_way(make: Callable[..., dict[str, Any]]) -> None:
    whole = make()
    source = failure_of_workflow if "sessionId" in whole else failure_of_request
    status = "overallStatus" if "sessionId" in whole else "status"
    assert source(whole)
    whole["pdfAdapter"] = {"M": {"status": {"S": "error"}}}
    for name in (*whole, "error", "errors"):
        for value in (
            *EVERY_TYPE.values(),
            {"M": {"error": {"L": [{"M": {}}]}, "status": {"S": "failed"}}},
            {"L": [{"L": []}]},
        ):
            found = source({**whole, name: value})
            assert (found is None) == (name == status)
            if found:
                assert isinstance(found.error, str)
