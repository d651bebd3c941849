"""The API's pages: their examples run, their tables are those of the code."""

import json
import re
import shlex
from typing import Any

import pytest

from opsportal.accounts.scopes import all_scopes
from opsportal.api.description import ALWAYS, OF_EFFECTS, WITH_BODY
from opsportal.api.effects import EffectOut
from tests.factories import put, workflow
from tests.failures.cases import ERROR, case_of
from tests.failures.cases import put as put_case
from tests.operations.places import put as put_typed
from tests.operations.places import request_item
from tests.test_docs import text_of

PAGES = ("api", "api-agents", "api-failures", "api-jobs", "api-errors", "api-origins", "status-api")
DOCUMENT = text_of(*(f"docs/{page}.md" for page in PAGES))
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    """The arguments of each curl command, in order."""
    text = "\n".join(body for language, body in BLOCKS if language == "sh" and body.startswith("curl"))
    return [words[1:] for words in map(shlex.split, re.findall(r"^curl .*?(?=^curl |\Z)", text, re.M | re.S))]


def call(client: Any, token: str, words: list[str]) -> Any:
    """As curl does: POST where there is a body or -X says so."""
    method, body, headers, url = "", "", {}, ""
    arguments = iter(words)
    for word in arguments:
        match word:
            case "-X":
                method = next(arguments)
            case "-d":
                body = next(arguments)
            case "-H":
                name, _, value = next(arguments).partition(": ")
                headers[name] = value.replace("$TOKEN", token)
            case _:
                assert word.startswith("$CONSOLE/"), word
                url = word.removeprefix("$CONSOLE")
    kind = headers.pop("Content-Type", "")
    return client.generic(
        method or ("POST" if body else "GET"), url, body.encode(), content_type=kind, headers=headers
    )


@pytest.mark.no_moto
def test_the_examples_run(tables: Any, program: Any) -> None:
    caller = program()
    put(tables["workflows"], workflow("session-1", overallStatus="processing"))
    put_typed(tables["requests"], request_item())
    put_case(case_of(ERROR))
    found = commands()
    assert len(found) >= 17
    for words in found:
        answer = call(caller.client, caller.text, words)
        assert answer.status_code in (200, 201, 202), (words[-1], answer.content)
    assert len(caller.get("/api/audit").json()["items"]) == 14


def test_documented_headers_of_other_origins_match_the_settings(settings: Any) -> None:
    rows = dict(re.findall(r"^\| Headers it may (send|read) \| (.+) \|$", DOCUMENT, re.M))
    said = {name: sorted(re.findall(r"`([^`]+)`", row)) for name, row in rows.items()}
    assert [name.lower() for name in said["send"]] == sorted({*settings.CORS_ALLOW_HEADERS} - {"accept"})
    assert said["read"] == sorted(settings.CORS_EXPOSE_HEADERS)


def test_the_answers_shown_have_the_shape_of_answers(tables: Any, program: Any) -> None:
    shown = [json.loads(body) for language, body in BLOCKS if language == "json"]
    effect, problem, _ = shown
    assert list(effect) == list(EffectOut.model_fields)
    put_typed(tables["requests"], request_item(status="completed"))
    answer = program().post("/api/requests/req-1/cancel").json()
    assert list(problem) == list(answer)
    assert problem["detail"] == answer["detail"]
    assert list(problem["current"]) == list(answer["current"])


def test_every_scope_and_status_has_its_row() -> None:
    rows = dict(re.findall(r"^\| `(\w+:\w+)` \| (.+) \|$", DOCUMENT, re.M))
    assert rows == {scope.name: scope.label for scope in all_scopes().values()}
    statuses = re.findall(r"^\| ([\d, ]+) \|", DOCUMENT, re.M)
    said = {int(one) for row in statuses for one in row.split(", ")}
    assert said == {*ALWAYS, *WITH_BODY, *OF_EFFECTS, 405}
