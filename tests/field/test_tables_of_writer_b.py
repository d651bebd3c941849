"""Tables as the programs of the field make them: writer B's with the primary key only, writer A's whose items have no
createdAt, and tables with a sort key. The console's tools say what is wrong, and add what they may."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError
from django.core.management.base import CommandParser
from django.urls import reverse

from opsportal.dynamo import clients
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.plans import UnlistedFound
from opsportal.dynamo.rollback import NotOurs
from opsportal.dynamo.tables import Binding
from opsportal.management.commands.dynamo import subcommand
from opsportal.tables.commands import Console
from requests_app.queries import RequestFilter, page
from tests.api.conftest import Program, program  # noqa: F401 (a fixture)
from tests.dynamo.migrated import INDEX, ledger_item, new_place
from tests.engines import Engine
from tests.factories import log, put, request
from tests.pages import visit

INDEXES = ["user-index", "project-index", "status-index", "strategy-index"]


class Operator:
    """Somebody at the command line, who answers each question with `answer`."""

    def __init__(self) -> None:
        self.answer: Callable[[str], str] = lambda question: "yes"
        self.asked: list[str] = []
        self.said: list[str] = []

    def runs(self, words: str) -> int:
        """The status of a subcommand; what it said is in `said`."""
        name, *arguments = words.split()
        module, parser = subcommand(name), CommandParser()
        module.add_arguments(parser)
        self.asked.clear()
        self.said.clear()
        caches["process"].clear()  # each command is a process of its own

        def ask(question: str) -> str:
            self.asked.append(question)
            return self.answer(question)

        return module.run(Console(self.said.append, ask), vars(parser.parse_args(arguments)))

    def finding(self, state: str, word: str) -> list[str]:
        """The lines of the one finding of the doctor that has this word in its first line."""
        heads = [at for at, line in enumerate(self.said) if line.startswith(f"  {state:<8}") and word in line]
        (start,) = heads
        more = next(
            (
                at
                for at, line in enumerate(self.said[start + 1 :], start + 1)
                if not line.startswith(" " * 10)
            ),
            len(self.said),
        )
        return self.said[start:more]

    def has(self, text: str) -> bool:
        return any(text in line for line in self.said)


@pytest.fixture
def operator_() -> Operator:
    return Operator()


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    settings.DYNAMO_CONNECT_TIMEOUT = settings.DYNAMO_READ_TIMEOUT = 10.0
    settings.DYNAMO_REQUEST_DEADLINE = 30.0
    with new_place(engine.endpoint, settings) as found:
        yield found


def create(table: Binding, *keys: str) -> None:
    """A table with these as its primary key and nothing else, as another program makes it."""
    kinds = ("HASH", "RANGE")
    clients.client(*table.location, background=True).create_table(
        TableName=table.name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, kinds, strict=False)],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def writer_b(place: dict[str, Binding]) -> dict[str, Binding]:
    """Both tables as writer B's own migrations make them, with three requests, one of them half written."""
    create(place["requests"], "request_id")
    create(place["request_logs"], "log_id")
    put(place["requests"], request("r-1"), request("r-2"))
    half = request("half")
    del half["created_at"]
    put(place["requests"], half)
    put(place["request_logs"], log("r-1"))
    return place


def indexes_of(table: Binding) -> list[str]:
    return [index.name for index in describe(table, fresh=True).indexes]


# --- Writer B -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_writer_bs_tables_get_their_indexes_and_lose_them_again(
    writer_b: dict[str, Binding], operator_: Operator
) -> None:
    requests, logs = writer_b["requests"], writer_b["request_logs"]
    # The rest of the console is there; a plain migrate leaves writer B's two as they are.
    assert operator_.runs("migrate --yes") == 0
    assert operator_.has(f"{requests.name} exists already and is left as it is")
    assert indexes_of(requests) == indexes_of(logs) == []

    # A missing index is a problem, with the command that adds it, for everyone in the same words.
    assert operator_.runs("doctor") == 1
    lacking = f"The table {requests.name} in us-east-1 lacks the indexes {', '.join(INDEXES)}."
    adds = "python manage.py dynamo migrate --table requests --add-indexes"
    head, *more = operator_.finding("FAIL", "requests: ")
    assert head.endswith(f"requests: {lacking}")
    assert [line.strip() for line in more if "->" in line] == [f"-> {adds}"]
    assert sum("bounded scan" in line for line in more) == 4  # what each of them means
    assert "request-logs-index" in operator_.finding("FAIL", "request_logs: ")[0]
    unknown = [line for line in operator_.said if line.startswith("  unknown")]
    assert not any("ListByIndex" in line or "index" in line.lower() for line in unknown)
    assert operator_.runs("status") == 0
    assert operator_.has(
        f"problem: The table {requests.name} in us-east-1 lacks the index status-index on (status"
    )
    assert operator_.runs("verify --table requests") == 1
    assert sum(line.strip().startswith("BREAKS") for line in operator_.said) == 4
    assert operator_.has(adds)

    # The plan says what would be in no index, and changes nothing; nor is it done without a word about that.
    assert operator_.runs("migrate --table requests --add-indexes --plan") == 0
    assert operator_.has("1 of 3 sampled items (33 %) has no created_at and would not be in the index")
    assert operator_.has("status-index: the backfill writes ")
    assert operator_.has(
        "To take an index back: python manage.py dynamo migrate --table requests --drop-index NAME"
    )
    with pytest.raises(UnlistedFound, match="has no created_at and would not be in the index") as refused:
        operator_.runs("migrate --yes --table requests --add-indexes")
    assert "--accept-unlisted" in refused.value.fix
    operator_.answer = lambda question: "no"
    with pytest.raises(CommandError, match="not confirmed"):
        operator_.runs("migrate --table requests --add-indexes --accept-unlisted")
    assert indexes_of(requests) == []

    operator_.answer = lambda question: "yes"
    assert operator_.runs("migrate --table requests --add-indexes --accept-unlisted") == 0
    assert operator_.asked == ["Do this? [yes/no] "]  # in development no name is asked for
    assert sorted(indexes_of(requests)) == sorted(INDEXES)
    for name in INDEXES:
        assert operator_.has(f"added {name} to {requests.name}")
        assert ledger_item(requests, f"add_index_{name}")["made"]
    assert operator_.has("4 table migrations applied.")
    found = page(RequestFilter(), purpose="test")
    assert found.how.startswith("Query")
    # What is in no index is listed all the same.
    assert {item["request_id"]["S"] for item in found.items} == {"half", "r-1", "r-2"}

    # Done is done, and each command knows it.
    assert operator_.runs("migrate --yes --table requests --add-indexes") == 0
    assert operator_.has("No table migration is pending.")
    assert operator_.runs("status") == 0
    assert operator_.has("applied  add_index_status-index (requests_app, ")
    assert operator_.runs("migrate --yes --table request_logs --add-indexes") == 0
    assert operator_.runs("doctor") == 0
    assert operator_.runs("status") == 0
    assert not operator_.has("problem: ")

    # And back.
    assert operator_.runs("migrate --table requests --drop-index status-index") == 0
    assert operator_.has(
        "no item is lost. Without it the console reads the table by a bounded scan for lists of requests, newest first"
    )
    assert operator_.has(f"To add it again: {adds}")
    assert sorted(indexes_of(requests)) == sorted(set(INDEXES) - {"status-index"})
    assert "rolled_back_at" in ledger_item(requests, "add_index_status-index")
    assert operator_.runs("status") == 0
    assert operator_.has("removed  add_index_status-index")
    assert operator_.runs("doctor") == 1
    assert (
        "lacks the index status-index on (status, created_at)" in operator_.finding("FAIL", "requests: ")[0]
    )
    with pytest.raises(CommandError, match="has no index status-index"):
        operator_.runs("migrate --yes --table requests --drop-index status-index")
    assert operator_.runs("migrate --yes --table requests --add-indexes --accept-unlisted") == 0
    assert "status-index" in indexes_of(requests)

    # A rollback of the app takes back what migrate added, and leaves writer B's tables.
    operator_.answer = lambda question: logs.name if "request-logs-index" in question else requests.name
    assert operator_.runs("rollback --app requests_app") == 0
    assert operator_.has("was there before")
    assert indexes_of(requests) == indexes_of(logs) == []


def test_outside_development_the_tables_name_is_asked_for_too(
    writer_b: dict[str, Binding], operator_: Operator, settings: Any
) -> None:
    settings.OPSPORTAL_ENV = "prod"
    requests, adding = writer_b["requests"], "migrate --table requests --add-indexes --accept-unlisted"
    with pytest.raises(CommandError, match="was not typed"):
        operator_.runs(adding)  # who says yes to that, too
    assert [question[:10] for question in operator_.asked] == ["Do this? [", "Type the t"]
    assert operator_.has(f"{requests.name} is another program's table")
    assert operator_.has("DynamoDB refuses mistyped writes of that program too")
    assert operator_.has("If Terraform or CloudFormation manages it")
    for words in (f"{adding} --yes", f"{adding} --yes --confirm-name {writer_b['request_logs'].name}"):
        with pytest.raises(CommandError, match=f"use --yes --confirm-name {requests.name}"):
            operator_.runs(words)
    assert indexes_of(requests) == []
    operator_.answer = lambda question: requests.name if "name" in question else "yes"
    assert operator_.runs(adding) == 0
    assert sorted(indexes_of(requests)) == sorted(INDEXES)
    dropping = "migrate --table requests --drop-index user-index"
    operator_.answer = lambda question: "yes"
    with pytest.raises(CommandError, match="was not typed"):
        operator_.runs(dropping)
    assert operator_.runs(f"{dropping} --yes --confirm-name {requests.name}") == 0
    assert "user-index" not in indexes_of(requests)
    # A table that migrate created is not another program's.
    assert operator_.runs("migrate --yes --table workflows") == 0
    assert indexes_of(writer_b["workflows"]) == [INDEX]


def test_only_what_is_declared_and_was_added_is_dropped(
    writer_b: dict[str, Binding], operator_: Operator
) -> None:
    requests = writer_b["requests"]
    theirs = requests.spec.index("user-index")
    clients.client(*requests.location).update_table(
        TableName=requests.name,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("request_id", "user_id", "created_at")
        ],
        GlobalSecondaryIndexUpdates=[{"Create": theirs.definition()}],
    )
    with pytest.raises(NotOurs, match=r"user-index .* was there before"):
        operator_.runs("migrate --yes --table requests --drop-index user-index")
    for words, why in (
        ("--table requests --drop-index theirs", "no declared index of requests"),
        ("--table agents --drop-index user-index", "declared: none"),
        ("--table request --drop-index user-index", "There is no table 'request'"),
        ("--drop-index user-index", "name the index's table"),
        ("--table requests --drop-index user-index --add-indexes", "not both"),
        ("--add-indexes", "name them, for example --table requests"),
    ):
        with pytest.raises(CommandError, match=why):
            operator_.runs(f"migrate --yes {words}")
    # What another program's index lacks is said, and the others are added.
    assert operator_.runs("migrate --yes --table requests --add-indexes --accept-unlisted") == 0
    assert operator_.has(f"{requests.name} in us-east-1 has the index user-index already.")
    assert sorted(indexes_of(requests)) == sorted(INDEXES)
    # An index that came with a table of ours goes, too, and the ledger has it.
    workflows = writer_b["workflows"]
    assert operator_.runs("migrate --yes --table workflows") == 0
    assert operator_.runs(f"migrate --table workflows --drop-index {INDEX}") == 0
    assert indexes_of(workflows) == []
    logs = writer_b["request_logs"]
    clients.client(*logs.location).delete_table(TableName=logs.name)
    assert operator_.runs("migrate --yes --table request_logs --add-indexes") == 0
    assert ledger_item(logs, "add_index_request-logs-index") == {}
    assert operator_.runs("migrate --table request_logs --drop-index request-logs-index") == 0
    assert "rolled_back_at" in ledger_item(logs, "add_index_request-logs-index")
    assert operator_.runs("migrate --yes --table request_logs --add-indexes") == 0
    assert indexes_of(logs) == ["request-logs-index"]
    # It goes with its table, comes back with it, and may be dropped again.
    operator_.answer = lambda question: logs.name if "name" in question else "no"
    assert operator_.runs("rollback --table request_logs") == 0
    operator_.answer = lambda question: "yes"
    assert operator_.runs("migrate --yes --table request_logs") == 0
    assert operator_.runs("migrate --table request_logs --drop-index request-logs-index") == 0
    with pytest.raises(CommandError, match="--table"):
        operator_.runs("migrate --yes --add-indexes")
    assert operator_.runs("migrate --yes --table agents --add-indexes") == 0
    assert operator_.has("agents has no declared index that could be added.")
    # Its program makes the table again: the ledger is set right by the next command, whichever it is.
    client = clients.client(*requests.location)
    client.delete_table(TableName=requests.name)
    assert operator_.runs("migrate --yes --table requests --drop-index status-index") == 0
    assert operator_.has("is gone already; the ledger will say so of add_index_status-index")
    with pytest.raises(DynamoError, match="There is no table"):
        operator_.runs("migrate --yes --table requests --drop-index user-index")
    create(requests, "request_id")
    assert operator_.runs("migrate --yes --table requests --add-indexes") == 0
    assert sorted(indexes_of(requests)) == sorted(INDEXES)
    assert operator_.runs("migrate --table requests --drop-index strategy-index") == 0


def test_a_run_that_is_interrupted_is_taken_up_where_it_was(
    writer_b: dict[str, Binding], operator_: Operator
) -> None:
    requests = writer_b["requests"]
    adding = "migrate --yes --table requests --add-indexes --accept-unlisted"

    class Impatient(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            if "DynamoDB builds project-index" in line:
                raise KeyboardInterrupt

    operator_.said = Impatient()
    with pytest.raises(KeyboardInterrupt):
        operator_.runs(adding)
    assert "begun_at" in ledger_item(requests, "add_index_project-index")
    assert ledger_item(requests, "add_index_status-index") == {}
    operator_.said = []
    assert operator_.runs(adding) == 0
    assert sorted(indexes_of(requests)) == sorted(INDEXES)
    assert all(ledger_item(requests, f"add_index_{name}")["made"] for name in INDEXES)
    assert operator_.runs("migrate --table requests --drop-index project-index") == 0


# --- Writer A -------------------------------------------------------------------------------------------------


def test_the_plan_of_writer_as_table_says_how_many_would_not_be_in_the_index(
    place: dict[str, Binding], operator_: Operator
) -> None:
    workflows = place["workflows"]
    create(workflows, "sessionId")
    put(
        workflows,
        *({"sessionId": {"S": f"a-{n}"}, "overallStatus": {"S": "failed"}} for n in range(47)),
        *(
            {
                "sessionId": {"S": f"b-{n}"},
                "overallStatus": {"S": "failed"},
                "createdAt": {"S": "2026-11-29T08:00:00.000Z"},
            }
            for n in range(3)
        ),
    )
    said = "47 of 50 sampled items (94 %) have no createdAt and would not be in the index"
    for words in ("--table workflows", "--table workflows --add-indexes"):
        with pytest.raises(UnlistedFound) as refused:
            operator_.runs(f"migrate --yes {words}")
        assert operator_.has("the index would reject none")
        assert operator_.has(said)
        assert said in refused.value.sentence
        assert "--accept-unlisted" in refused.value.fix
        assert operator_.has(" 3 write units, of about 3 items, <$0.01 on demand in us-east-1")
        assert indexes_of(workflows) == []
    assert operator_.runs("migrate --yes --table workflows --accept-unlisted") == 0
    assert indexes_of(workflows) == [INDEX]
    assert operator_.runs(f"migrate --table workflows --drop-index {INDEX}") == 0
    assert operator_.has(
        "Without it the console reads the table by a bounded scan for lists of workflows, newest first"
    )
    assert indexes_of(workflows) == []


# --- A sort key -----------------------------------------------------------------------------------------------

# Logical table, its primary key, an item's status, the name of its page and of an action, and its address in the API.
SORTED = [
    ("workflows", ("PK", "SK"), {"ObjectStatus": {"S": "RUNNING"}}, "tracking:item", "tracking:retry", "/api/workflow/{}/status"),
    ("agents", ("agentId", "version"), {"status": {"S": "production"}}, "registry:item", "registry:deactivate", "/api/agents/{}"),
    ("requests", ("request_id", "created_at"), {"status": {"S": "pending"}}, "requests:item", "requests:cancel", "/api/requests/{}"),
]  # fmt: skip


@pytest.mark.django_db
def test_a_table_with_a_sort_key_is_said_to_have_one(
    place: dict[str, Binding],
    operator_: Operator,
    client_for: Any,
    program: Callable[..., Program],  # noqa: F811
    settings: Any,
) -> None:
    for logical, keys, item, *_ in SORTED:
        create(place[logical], *keys)
        config = settings.DYNAMO_TABLES[logical] | {"key": keys[0]}
        settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {logical: config}
        key = {keys[0]: {"S": "doc-a"}, keys[1]: {"S": "none"}}
        clients.client(*place[logical].location).put_item(TableName=place[logical].name, Item=key | item)
    assert operator_.runs("migrate --yes --accept-unlisted") == 0
    client, caller = client_for("operator"), program()
    for logical, keys, _, item_page, action, api in SORTED:
        table = place[logical]
        sentence = f"The table {table.name} in {table.region} has a sort key {keys[1]!r}, which the console does not support."
        problem = visit(client, reverse(item_page, args=["doc-a"]), status=503).problem
        assert problem.attrs["data-problem"] == "key_mismatch"
        assert sentence in problem.words
        assert f"set DYNAMODB_{logical.upper()}_TABLE to it" in problem.words
        assert f"dynamo migrate --table {logical}" in problem.words
        assert "does not have the partition key" not in problem.words
        answer = caller.get(api.format("doc-a"))
        assert answer.status_code == 503
        assert answer.json()["detail"].removeprefix("Failed to get workflow status: ") == sentence
        acted = client.post(
            reverse(action, args=["doc-a"]),
            {"reason": "", "action_id": "0b6f7c1e-6a5e-4f0e-9a58-0f2a7f3a1c55"},
        )
        assert acted.status_code == 503
        assert sentence in acted.content.decode().replace("&#x27;", "'")
        assert operator_.runs(f"verify --table {logical}") == 1
        (line,) = [line for line in operator_.said if "BREAKS" in line and "sort key" in line]
        assert "declared none, deployed" in line
    assert operator_.runs("doctor") == 1
    for logical, keys, *_ in SORTED:
        heading = f"{logical}: The table {place[logical].name} in {place[logical].region} has a sort key"
        head, *more = operator_.finding("FAIL", heading)
        assert head.endswith(f"has a sort key {keys[1]!r}, which the console does not support.")
        assert "every page of one item, every action" in more[0]
    # A permission is probed by the key that the table has.
    assert operator_.finding("ok", "ReadOneItem")
    assert operator_.finding("ok", "ChangeItems")
    words = visit(client, "/panels/tables/").words
    assert words.count("which the console does not support.") == 3
