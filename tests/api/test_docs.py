"""docs/api.md: its examples are run as they stand, its tables are those of the code."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from opsportal.accounts.scopes import SCOPES
from opsportal.api.description import ALWAYS, OF_EFFECTS, WITH_BODY
from opsportal.api.effects import EffectOut
from tests.factories import put, workflow
from tests.operations.places import put as put_typed
from tests.operations.places import request_item

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    """The arguments of each curl command, in order."""
    text = "\n".join(body for language, body in BLOCKS if language == "sh")
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
def test_the_examples_run_as_they_stand(tables: Any, program: Any) -> None:
    caller = program()
    put(tables["workflows"], workflow("session-1", overallStatus="processing"))
    put_typed(tables["requests"], request_item())
    found = commands()
    assert len(found) >= 17
    for words in found:
        answer = call(caller.client, caller.text, words)
        assert answer.status_code in (200, 201), (words[-1], answer.content)
    assert len(caller.get("/api/audit").json()["items"]) == 8


def test_the_headers_of_pages_of_other_origins_are_those_of_the_settings(settings: Any) -> None:
    rows = dict(re.findall(r"^\| Headers it may (send|read) \| (.+) \|$", DOCUMENT, re.M))
    told = {name: sorted(re.findall(r"`([^`]+)`", row)) for name, row in rows.items()}
    assert [name.lower() for name in told["send"]] == sorted({*settings.CORS_ALLOW_HEADERS} - {"accept"})
    assert told["read"] == sorted(settings.CORS_EXPOSE_HEADERS)


def test_the_answers_shown_have_the_shape_of_answers(tables: Any, program: Any) -> None:
    shown = [json.loads(body) for language, body in BLOCKS if language == "json"]
    effect, problem = shown
    assert list(effect) == list(EffectOut.model_fields)
    put_typed(tables["requests"], request_item(status="completed"))
    answer = program().post("/api/requests/req-1/cancel").json()
    assert list(problem) == list(answer)
    assert problem["detail"] == answer["detail"]
    assert list(problem["current"]) == list(answer["current"])


def test_every_scope_and_status_has_its_row() -> None:
    rows = dict(re.findall(r"^\| `(\w+:\w+)` \| (.+) \|$", DOCUMENT, re.M))
    assert rows == {scope.name: scope.label for scope in SCOPES.values()}
    statuses = re.findall(r"^\| ([\d, ]+) \|", DOCUMENT, re.M)
    told = {int(one) for row in statuses for one in row.split(", ")}
    assert told == {*ALWAYS, *WITH_BODY, *OF_EFFECTS, 405}
