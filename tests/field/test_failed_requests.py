"""A request that writer B failed: the message is its status message, and `errors` stays empty."""

from typing import Any

import pytest

from tests.pages import visit

writer_b = pytest.importorskip("tests.field.writer_b").writer_b


def test_the_status_message_of_a_failed_request_is_its_error(writer_b: Any, client_for: Any) -> None:
    request_id, client = writer_b.submit(), client_for("viewer")
    writer_b.fail(writer_b.take(), "Rate limit of the source exceeded")
    page = visit(client, f"/requests/{request_id}/")
    assert page.fact("Status") == "FAILED"
    error = page.root.one("section", aria_label="First error").one("pre")
    assert error.text == "Rate limit of the source exceeded"
    assert "no_error" not in page.findings
    document = client.get(f"/api/requests/{request_id}").json()
    assert document["error"] == "Rate limit of the source exceeded"
    assert "no_error" not in [finding["kind"] for finding in document["findings"]]
