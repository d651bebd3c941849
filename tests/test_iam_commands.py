"""What is declared for migrators is the least that the commands need; and what the worker's chores that are off by
default need is declared where they are on."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management.base import CommandParser

from opsportal.dynamo.tables import Binding
from opsportal.management.commands.dynamo import subcommand
from opsportal.tables import ages
from opsportal.tables.commands import Console
from opsportal.tables.retention import chore as retention
from tests.dynamo.migrated import new_place
from tests.iam import Iam, Permission, declared, judged
from tests.tables.retained import disable_ttl, enable_ttl, old_log, old_request, put_all

# Not called where all goes well, and needed where it does not: `backup` waits for what is still being made, and a
# run that finds a table of its own without them sets encryption and tags.
ONLY_SOMETIMES = {"dynamodb:DescribeBackup", "dynamodb:TagResource"}


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    yield from judged(monkeypatch)


def run(*words: str) -> int:
    """A subcommand, to whose questions somebody says yes, or types the name that was said last."""
    name, *arguments = words
    module, parser, said = subcommand(name), CommandParser(), list[str]()
    module.add_arguments(parser)

    def answer(question: str) -> str:
        names = re.findall(r"migrated-\d+-\d+-[\w-]+", "\n".join(said))
        return str(names[-1]) if "name" in question else "yes"

    return module.run(Console(said.append, answer, said.append), vars(parser.parse_args(arguments)))


def test_the_policy_holds_just_what_the_commands_call(
    iam: Iam, engines: Callable[[str], Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an engine does not know is asked for all the same."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    with new_place(engines("dynoxide").endpoint, settings):
        iam.awake = True
        for words in (
            "migrate --yes", "migrate --yes --table requests --drop-index user-index",
            "migrate --yes --table requests --add-indexes", "status", "verify --write-test", "backup list", "cost",
            "alarms --yes --table agents", "alarms --remove --yes --table agents",
        ):  # fmt: skip
            assert run(*words.split()) == 0, words
        run("backup", "create", "--table", "requests")
        # The console's own by their full names.
        run("rollback")
        run("rollback", "--target", "migration_20261120_110000_create_audit_table")
        iam.awake = False
        allowed = _all("migrator")
    assert not iam.asked - allowed
    # Of each action it is enough that one table needs it: a run that was killed may leave the rest to any other.
    assert _actions(allowed) - _actions(iam.asked) == ONLY_SOMETIMES


def _actions(permissions: set[Permission]) -> set[str]:
    return {action for action, _, _ in permissions}


def test_what_retention_and_ages_need_is_declared_where_they_are_on(
    iam: Iam,
    tables: dict[str, Binding],
    engines: Callable[[str], Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    before = _all("operator")
    settings.RETENTION_REQUEST_DAYS = settings.RETENTION_LOG_DAYS = 30
    settings.PUBLISH_AGES = True
    enable_ttl(tables["requests"], tables["request_logs"])
    put_all(tables["requests"], old_request("req-1"))
    put_all(tables["request_logs"], old_log("l-1", "req-1"), old_log("l-2", "gone"))
    iam.awake = True
    for task in (ages.TASK, retention.TASK):
        for table in task.works_on():
            task.run(table, lambda: False)
    iam.awake = False
    disable_ttl(tables["requests"], tables["request_logs"])
    assert not iam.asked - _all("operator")
    added = _all("operator") - before
    assert added & iam.asked == added


def _all(role: str) -> set[Permission]:
    return set().union(*declared(role).values())
