"""What the commands say, whoever wrote it, is harmless for a terminal, and a refusal comes with what would allow it."""

import io
import json
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal import aws
from opsportal.dynamo import clients, ledger
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.migrations import migrations
from opsportal.dynamo.tables import Binding, binding
from opsportal.tables import terraform
from opsportal.tables.commands import Console, status
from tests.dynamo.fake_aws import Answer, FakeDynamo, error
from tests.false_answers import FALSE
from tests.tables.deployments import deployments, rename_key

EVIL = "\x1b]0;title\x07\x1b[31mred\u202eright\u200b\x9b31m\nforged line"
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]|^forged", re.MULTILINE)
DENIED = error(
    "AccessDeniedException",
    "User: arn:aws:iam::111122223333:user/me is not authorized to perform: dynamodb:ListBackups on resource: *",
)


def dynamo(*arguments: str) -> str:
    """What was said, on either way out."""
    out = io.StringIO()
    try:
        call_command("dynamo", *arguments, stdout=out, no_color=True)
    except SystemExit:
        pass
    except CommandError as refusal:
        return f"{out.getvalue()}{refusal}\n"
    return out.getvalue()


@pytest.mark.no_moto
def test_names_and_texts_of_others_do_nothing_to_a_terminal(engine: Any, settings: Any) -> None:
    with deployments(engine, settings) as at:
        requests, agents = at.configure("requests", ttl_attribute=""), binding("agents")
        at.deploy(requests, lambda request: rename_key(request, f"key{EVIL}"))
        at.made.append((at.deploy(agents), begun_by_somebody(agents)))
        clients.client(*requests.location, background=True).update_time_to_live(
            TableName=requests.name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": f"ttl{EVIL}"},
        )
        for words in (
            "status",
            "migrate --plan",
            "verify",
            "backup",
            "doctor --role migrator",
            "migrate --target \x1b[31m",
        ):
            said = dynamo(*words.split())
            assert not HARMFUL.search(said), words
        assert "⟦U+001B⟧[31mred⟦U+202E⟧" in dynamo("status")
        assert "by who⟦U+001B⟧" in dynamo("migrate", "--plan")


def begun_by_somebody(table: Binding) -> str:
    """A rollback in the ledger, by somebody whose name is not only a name; returns the ledger's name."""
    ledger.ensure_ledger(table)
    (one,) = [one for one in migrations() if one.step.logical == table.logical]
    where = ledger.ledger_of(table)
    clients.client(*where.location, background=True).put_item(
        TableName=where.name,
        Item={
            "name": {"S": f"{one.name}/{table.name}"},
            "removing_at": {"S": "2026-11-20T10:00:00+00:00"},
            "removing_by": {"S": f"who{EVIL}"},
        },
    )
    return where.name


def test_a_document_for_programs_is_printed_as_it_is() -> None:
    said: list[str] = []
    Console(said.append).show(json.dumps({"a": EVIL}, indent=2))
    assert json.loads(said[0]) == {"a": EVIL}


def test_a_refusal_comes_with_the_statement_that_would_allow_it(fake: FakeDynamo) -> None:
    described = {
        "Table": {"TableName": "t", "TableStatus": "ACTIVE", "KeySchema": [], "AttributeDefinitions": []}
    }
    fake.answer = lambda operation, _: DENIED if operation == "ListBackups" else Answer(described)
    assert '"dynamodb:ListBackups"' in dynamo("backup", "--table", "requests")


def test_what_iam_refuses_to_a_whole_command_comes_with_the_statement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> int:
        raise AccessDenied("The role may not.", "Add this statement.", statement='{\n  "Effect": "Allow"\n}')

    monkeypatch.setattr(status, "run", refuse)
    assert dynamo("status") == 'The role may not. Add this statement.\n{\n  "Effect": "Allow"\n}\n'


def test_an_interrupt_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", interrupt)
    with pytest.raises(CommandError, match="Interrupted") as ended:
        call_command("dynamo", "status")
    assert ended.value.returncode == 130


@pytest.mark.parametrize(
    "words", ["status", "verify", "backup", "backup restore", "cost", "export-terraform"]
)
def test_a_place_that_refuses_or_is_silent_is_asked_once(
    fake: FakeDynamo, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Where nothing answers, each call takes minutes."""
    monkeypatch.setattr(terraform, "is_emulated", lambda table, service: False)
    fake.says(error("UnrecognizedClientException", "The security token included in the request is invalid."))
    said = dynamo(*words.split())
    assert "The access key is not known." in said
    assert len(fake.asked) == 1


def test_an_answer_that_nobody_knows_is_a_sentence_and_no_trace(
    fake: FakeDynamo, caplog: pytest.LogCaptureFixture
) -> None:
    fake.says(error("ValidationException", "something new"))
    assert "ValidationException: something new" in dynamo("backup", "--table", "requests")
    assert caplog.records == []
    dynamo("--verbosity", "2", "backup", "--table", "requests")
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_profile_that_is_not_there_is_a_sentence(
    fake: FakeDynamo, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    clients.forget()
    aws.forget()
    try:
        assert "The config profile (nobody) could not be found" in dynamo("export-terraform")
    finally:
        clients.forget()
        aws.forget()


@pytest.mark.parametrize("kind", ["a page", "null", "403"])
def test_what_is_not_dynamodb_is_no_success_of_any_command(fake: FakeDynamo, db: None, kind: str) -> None:
    for words in (
        "status",
        "migrate --plan",
        "migrate --yes",
        "verify",
        "verify --write",
        "backup list",
        "backup create --table requests",
        "doctor",
        "doctor --role migrator",
    ):
        fake.says(FALSE[kind])
        out = io.StringIO()
        with pytest.raises((SystemExit, CommandError)) as ended:
            call_command("dynamo", *words.split(), stdout=out, no_color=True)
        said = f"{out.getvalue()}{ended.value}"
        assert "not as DynamoDB does" in said, words
        assert isinstance(ended.value, CommandError) or ended.value.code == 1, words
