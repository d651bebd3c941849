"""A stored number is shown, exported and answered digit by digit, on every way out."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from opsportal.api.numbers import NAME
from opsportal.dynamo.json_values import as_json, number_text, parse_foreign, total
from opsportal.operations.changes import Changed
from opsportal.operations.entries import Actor, Entry, Target, new_action_id, stamp
from opsportal.operations.outbox import Message, from_item
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from requests_app.actions import queue_body
from tests.factories import Typed, agent, log, put, request, step, workflow
from tests.operations.places import scan
from tests.pages import visit

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

GIVEN = (
    "9007199254740993", "9007199254740991", "-9223372036854775808", "18446744073709551615", "103195600828599841",
    "12345678901234567890123456789012345678", "0.12345678901234567890123", "1E+125", "9.99E+125", "1E-130", "-0", "1.50",
    "-7.0000000000000000000000000000000000001",
)  # fmt: skip
IN_TEXT = '{"id": 9007199254740993, "small": 0.12345678901234567890123, "deep": [[18446744073709551617]]}'
# What a double would have made of them, or Python of a Decimal.
LOST = re.compile(
    r"9007199254740992\b|9\.2233720368547|1\.0319560|1\.2345678901234568|e\+\d\d|Decimal\(|E\+127"
)


def deep(number: str, levels: int = 20) -> Typed:
    value: dict[str, Any] = {"N": number}
    for _ in range(levels):
        value = {"L": [value]}
    return Typed(value)


def put_all(tables: Any) -> tuple[tuple[str, ...], str]:
    """An item of each table that is full of numbers. Returns them as DynamoDB gives them back, and the audit entry's id."""
    every = Typed(M={f"n{place}": {"N": number} for place, number in enumerate(GIVEN)})
    apart = {f"top{place}": Typed(N=number) for place, number in enumerate(GIVEN)}
    full = Typed(
        M={**every["M"], "set": {"NS": list(GIVEN[:6])}, "deep": deep(GIVEN[0]), "text": {"S": IN_TEXT}}
    )
    put(tables["workflows"], workflow("one", overallStatus="failed", counted=full, digits=step("success", **every["M"]),
        nested=step("success", result=Typed(M=dict(list(every["M"].items())[:3]))),
        pdfAdapter=step(tokenUsage={"totalTokens": Typed(N=GIVEN[5]), "inputTokens": Typed(N=GIVEN[0])}), **apart))  # fmt: skip
    put(tables["requests"], request("one", config=full, processing_metadata=full, results=full, **apart))
    put(tables["requests"], request("two", results=IN_TEXT, errors=[full]))
    put(
        tables["request_logs"],
        *(log("one", metadata={"n": Typed(N=number)}, top=Typed(N=number)) for number in GIVEN),
    )
    put(tables["request_logs"], log("one", metadata=full, message="whole"))
    put(tables["agents"], agent("one", pricing=full, tieredPricing=Typed(M={"basic": full}), capabilities=["count"],
        reputationScore=Typed(N="38.000000000000000001"), **apart))  # fmt: skip
    sides = [Changed((f"n{place}",), {"N": number}, {"N": number}) for place, number in enumerate(GIVEN)]
    entry = Entry(new_action_id(), Action.WORKFLOW_RETRY, Actor("olga", "operator", "user:1"), Target("workflows", "one"),
        stamp(), changes=(*sides, Changed(("whole",), full, full)))  # fmt: skip
    put(audit_table_for(tables["workflows"]), entry.item())
    (stored,) = scan(tables["workflows"])
    return tuple(stored[f"top{place}"]["N"] for place in range(len(GIVEN))), entry.action_id


def spelled(number: str) -> set[str]:
    """The digits as stored, or written out, or without the zeros that DynamoDB does not keep."""
    exact = Decimal(number)
    written = number_text(exact)
    short = written.rstrip("0").rstrip(".") if "." in written else written
    return {number, written, short, str(exact)}


def numbers_in(document: Any) -> set[Decimal]:
    if isinstance(document, dict | list):
        return set().union(*map(numbers_in, document.values() if isinstance(document, dict) else document))
    return (
        {Decimal(document)}
        if isinstance(document, int | Decimal) and not isinstance(document, bool)
        else set()
    )


def test_every_digit_is_on_every_way_out(tables: Any, client_for: Any, settings: Any) -> None:
    stored, action_id = put_all(tables)
    client = client_for("administrator")
    pages = [
        "/workflows/one/",
        "/workflows/one/?tab=raw",
        f"/audit/{action_id}/",
        "/agents/one/",
        "/agents/one/?tab=raw",
    ]
    pages += [
        f"/requests/one/{tab}"
        for tab in ("", "?tab=config", "?tab=results", "?tab=history", "?tab=raw", "logs/")
    ]
    pages += ["/requests/two/", "/requests/one/logs/?format=ndjson"]
    for url in pages:
        response = client.get(url)
        assert response.status_code == 200, url
        text = response.getvalue().decode()
        if url.endswith("/"):
            text = visit(client, url).root.text
        for number in stored:
            assert any(spelling in text for spelling in spelled(number)), f"{url}: {number}"
        assert not LOST.search(text), f"{url}: {LOST.search(text)}"
    step_page = visit(client, "/workflows/one/").root.text
    assert (
        f"{int(GIVEN[5]):,}" in step_page
    )  # the sum of the steps' tokens: 28 digits are Python's, not DynamoDB's
    nested = re.findall("result: (.*)", step_page)[0]
    assert sorted(nested.strip("{}").split(", ")) == [f'"n{place}": {GIVEN[place]}' for place in range(3)]
    for url in ("/workflows/", "/requests/", "/agents/", "/audit/", "/audit/?format=jsonl", "/audit/?format=csv",
                "/requests/two/?tab=results", "/requests/one/logs/?format=txt", "/requests/new/?like=one"):  # fmt: skip
        assert not LOST.search(client.get(url).getvalue().decode()), url


API = (
    "/api/workflows/one", "/api/requests/one", "/api/agents/one", "/api/agents?capability=count", "/api/requests/one/logs",
    "/api/requests/one/logs?format=ndjson",
)  # fmt: skip


def test_the_api_answers_each_digit_as_a_number_or_as_text(tables: Any, client_for: Any) -> None:
    stored, action_id = put_all(tables)
    client = client_for("administrator")
    for url in (*API, f"/api/audit/{action_id}"):
        body = client.get(url).getvalue().decode()
        for line in body.splitlines():
            json.loads(line)
        found = set().union(*(numbers_in(parse_foreign(line)) for line in body.splitlines()))
        assert found >= {Decimal(number) for number in stored}, url
        assert not LOST.search(body), url
        as_text = client.get(f"{url}{'&' if '?' in url else '?'}{NAME}=text")
        assert as_text.status_code == 200
        texts = as_text.getvalue().decode()
        assert not set().union(*(numbers_in(json.loads(line)) for line in texts.splitlines())), url
        assert all(any(f'"{one}"' in texts for one in spelled(number)) for number in stored), url
    for url in ("/api/workflows", "/api/requests", "/api/audit", "/workflow/one/status"):
        assert not numbers_in(client.get(f"{url}?{NAME}=text").json()), url
        assert numbers_in(client.get(f"{url}?{NAME}=json").json()) or url == "/api/audit"
    assert not numbers_in(client.get(f"/api/workflows/one?{NAME}=te%78t").json()), "escaped in the address"
    for given in ("double", "", f"text&{NAME}=text"):
        assert client.get(f"/api/workflows/one?{NAME}={given}").status_code == 422
    parameters = client.get("/api/openapi.json").json()["paths"]["/api/workflows/{session_id}"]["get"][
        "parameters"
    ]
    assert [one["schema"]["enum"] for one in parameters if one["name"] == NAME] == [["json", "text"]]


def test_a_message_holds_the_numbers_of_its_item(tables: Any) -> None:
    raw = request("one", processing_strategy="sqs", config={"ids": [Typed(N=number) for number in GIVEN[:7]]})
    body = queue_body(raw, "one", datetime.now(UTC), 0)
    message = Message("requests.sqs", body, new_action_id(), datetime.now(UTC))
    written = message.item()["body"]["S"]
    assert f'"ids": [{", ".join(GIVEN[:7])}]' in written
    read = from_item({**message.item()}).body
    assert read["configuration"]["ids"] == [Decimal(number) for number in GIVEN[:7]]
    assert as_json(read) == written
    assert json.loads(as_json({"é\U0001f680": "\ufffe"}, ascii_only=True)) == {"é\U0001f680": "\ufffe"}
    assert as_json({"é\U0001f680": "\ufffe"}, ascii_only=True).isascii()


def test_a_sum_has_as_many_digits_as_dynamodb() -> None:
    assert total([Decimal(GIVEN[5]), Decimal(1)]) == Decimal("12345678901234567890123456789012345679")
