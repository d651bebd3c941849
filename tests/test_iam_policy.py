"""What is declared for viewers is the least that the pages need, and what a denial shows is what docs/iam.md says.
(That of actions: test_iam_actions.py; of the commands: test_iam_commands.py.)"""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from opsportal.dynamo import ledger
from opsportal.dynamo.backups import backups
from opsportal.dynamo.migrations import states
from opsportal.dynamo.tables import Binding, bindings
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.tables import locations
from opsportal.tables.metrics import table_metrics
from opsportal.tables.overview import shown_tables
from opsportal.tables.urls import urlpatterns
from registry import discovery, versions
from tests.iam import Iam, Permission, declared, judged
from tests.operations.places import put
from tests.test_docs import text_of
from tracking import action_views as workflow_views

OLGA = Actor("olga", "operator", "user:1001")

# Every address that reads, and every way it reads; "x" exists nowhere, "here" in each table.
READS = (
    "/", "/panels/workflows/", "/panels/requests/", "/panels/agents/", "/panels/tables/", "/panels/audit/",
    "/workflows/", "/workflows/?q=x", "/workflows/?outside=1", "/workflows/x/",
    "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x", "/requests/?sort=priority",
    "/requests/?outside=1", "/requests/x/", "/requests/x/logs/", "/requests/x/logs/?format=txt",
    "/workflows/steps/x/", "/agents/fleet/",
    "/agents/", "/agents/?capability=x", "/agents/x/", "/api/workflow/x/status", "/workflow/x/status", "/readyz",
    "/workflows/here/", "/requests/here/", "/agents/here/",
    "/audit/", "/audit/?actor=worker", "/audit/?target=x", f"/audit/{uuid.UUID(int=4)}/",
    "/api/workflows", "/api/workflows?q=x", "/api/workflows?outside=true", "/api/workflows/here",
    "/api/requests", "/api/requests?user=x", "/api/requests?sort=priority", "/api/requests?outside=true",
    "/api/requests/here", "/api/requests/here/logs", "/api/requests/here/logs?format=ndjson",
    "/api/requests/here/logs?outside=true", "/api/agents", "/api/agents?capability=x", "/api/agents/here",
    "/api/audit", "/api/audit?actor=worker", "/api/audit?target=x", f"/api/audit/{uuid.UUID(int=4)}", "/api/docs",
    "/api/jobs", f"/api/jobs/{uuid.UUID(int=4)}", "/search/?q=x", f"/search/?q={uuid.UUID(int=4)}", f"/api/search?q={uuid.UUID(int=4)}",
    "/api/openapi.json", "/accounts/tokens/", "/requests/here/logs/?outside=1", "/audit/?format=jsonl", "/audit/undelivered/",
)  # fmt: skip
SEARCHES = {address for address in READS if "/search" in address}
# What only the pages of the tables need, which operators see.
OF_TABLES = ("FindOwnTables", "InspectTables", "ReadMigrations", "ListBackups", "ReadMetrics")


def pages_of_tables() -> list[str]:
    """Each address under /tables/ for two of the tables, and what describes it for all."""
    names = [str(pattern.name) for pattern in urlpatterns]
    every = [shown.key for shown in shown_tables()]
    whole = [reverse(f"tables:{name}") for name in names if not _of_one(name)]
    return whole + [
        reverse(f"tables:{name}", args=[key])
        for name in names
        if _of_one(name)
        for key in (every if name == "deployed" else (every[0], every[-1]))
    ]


def _of_one(name: str) -> bool:
    return any(pattern.name == name and "<" in str(pattern.pattern) for pattern in urlpatterns)


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    yield from judged(monkeypatch)


@pytest.fixture
def statements() -> dict[str, set[Permission]]:
    return declared("viewer")


def put_here(tables: dict[str, Binding], **more: str) -> None:
    """An item with the id "here" in each table that has pages of items."""
    for logical in ("workflows", "requests", "agents"):
        item = {name: {"S": value} for name, value in more.items()}
        put(tables[logical], {tables[logical].key: {"S": "here"}, **item})


@pytest.mark.no_moto  # what is asked for does not depend on who answers
def test_the_policy_holds_just_what_the_pages_call(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
    request: pytest.FixtureRequest,
    engines: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", engines("moto").endpoint)
    client = client_for("viewer")
    put_here(tables)
    for beside in locations():
        ledger.ensure_ledger(beside)
    operator = client_for("operator")
    for address in pages_of_tables():
        assert iam.read(operator, address)[0] in (200, 405), address
    iam.awake = True
    table_metrics(bindings(), background=True)  # the page asks in a thread of its own
    states()
    backups(tables["requests"])
    iam.awake = False
    # The entry of the newest change is read too.
    workflow_views.CANCEL.act("here", by=OLGA, reason="", action_id=new_action_id())
    for address in READS:
        assert iam.read(client, address)[0] in (200, 404), address
    for agent_id in ("here", "x"):
        versions.written(agent_id)
    assert iam.read(client, "/api/agents")[0] == 200
    put_here(request.getfixturevalue("tables_without_index"))
    for address in READS:
        assert iam.read(client, address)[0] in (200, 404), address
    assert iam.asked == set().union(*statements.values())
    assert len(iam.asked) == sum(map(len, statements.values()))


# Sid -> the addresses that show the denial, and those that do without and say so.
SHOWN: dict[str, tuple[set[str], set[str]]] = {
    "FindIndexes": (
        set(),
        {"/panels/tables/", "/readyz"},  # the declared indexes are tried
    ),
    "ReadOneItem": (
        {
            "/workflows/?q=x", "/workflows/x/", "/requests/?q=x", "/requests/x/", "/requests/x/logs/",
            "/agents/x/", "/api/workflow/x/status", "/workflow/x/status", "/workflows/here/", "/requests/here/", "/agents/here/",
            "/requests/here/logs/?outside=1", "/api/workflows/here", "/api/requests/here",
            "/api/requests/here/logs", "/api/requests/here/logs?format=ndjson",
            "/api/requests/here/logs?outside=true", "/api/agents/here",
        },
        set(),
    ),
    "ReadAgentsTogether": (set(), set()),  # the registry is read instead
    "ReadSampledTogether": (
        set(),
        {
            "/workflows/", "/requests/", "/workflows/?outside=1", "/requests/?outside=1", "/requests/?sort=priority", "/api/requests?sort=priority", "/api/workflows", "/api/requests",
            "/api/workflows?outside=true", "/api/requests?outside=true",
        },
    ),
    "FindByIds": (set(), set()),  # each table is asked by itself
    "ListByIndex": (
        {
            "/panels/workflows/", "/panels/requests/", "/workflows/", "/workflows/?q=x", "/workflows/steps/x/",
            "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x",
            "/requests/?sort=priority", "/requests/x/logs/", "/requests/x/logs/?format=txt",
            "/api/workflows", "/api/workflows?q=x", "/api/requests", "/api/requests?user=x",
            "/api/requests?sort=priority", "/api/requests/here/logs", "/api/requests/here/logs?format=ndjson",
        },
        SEARCHES,
    ),
    "FindUndocumentedStatuses": (
        set(),
        {
            "/workflows/", "/workflows/?q=x", "/workflows/steps/x/", "/requests/", "/requests/?q=x",
            "/requests/?sort=priority", "/api/workflows", "/api/workflows?q=x", "/api/requests",
            "/api/requests?sort=priority",
        },
    ),
    "ListWithoutIndex": (
        {
            "/panels/agents/", "/workflows/?outside=1", "/requests/?outside=1", "/agents/", "/agents/?capability=x",
            "/agents/fleet/", "/requests/here/logs/?outside=1", "/api/workflows?outside=true",
            "/api/requests?outside=true", "/api/requests/here/logs?outside=true", "/api/agents",
            "/api/agents?capability=x",
        },
        {
            "/panels/workflows/", "/panels/requests/", "/workflows/", "/workflows/?q=x", "/workflows/steps/x/",
            "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x",
            "/requests/?sort=priority", "/api/workflows", "/api/workflows?q=x", "/api/requests",
            "/api/requests?user=x", "/api/requests?sort=priority",
        }
        | SEARCHES
        | {"/agents/here/"},  # who else offers what it does
    ),
    # Only one of the items was acted on.
    "ReadAuditEntry": (
        {f"/audit/{uuid.UUID(int=4)}/", f"/api/audit/{uuid.UUID(int=4)}"}, {"/workflows/here/"},
    ),
    "ListAuditEntries": (
        {
            "/panels/audit/", "/audit/", "/audit/?actor=worker", "/audit/?target=x", "/audit/?format=jsonl",
            "/api/audit", "/api/audit?actor=worker", "/api/audit?target=x",
        },
        {"/workflows/here/", "/requests/here/", "/agents/here/"},
    ),
    "FindMessages": ({"/audit/undelivered/"}, set()),
    "ReadJobs": ({f"/api/jobs/{uuid.UUID(int=4)}"}, set()),
    "ListJobs": ({"/api/jobs"}, set()),
} | {sid: (set(), set()) for sid in OF_TABLES}  # fmt: skip


@pytest.mark.no_moto  # the denial comes before an engine is asked, so one engine will do
def test_without_a_statement_each_page_says_what_is_missing_or_does_without(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
) -> None:
    client = client_for("viewer")
    put_here(tables)
    workflow_views.CANCEL.act("here", by=OLGA, reason="", action_id=new_action_id())

    def read(address: str) -> tuple[int, str]:
        discovery._held.clear()  # or agents would be answered from memory
        return iam.read(client, address)

    needed: dict[str, set[Permission]] = {}
    for address in READS:
        iam.asked = set()
        assert "role may not perform" not in read(address)[1], address
        needed[address] = iam.asked
    for sid in (sid for sid in SHOWN if sid not in OF_TABLES):
        iam.denied = statements[sid]
        refused, noted = set(), set()
        # A page that asks for none of it is no other page without it.
        for address in (address for address in READS if needed[address] & iam.denied):
            status, text = read(address)
            assert status in (200, 404, 503), (sid, address)
            if "IAM does not allow this" in text:
                refused.add(address)
                assert status == (200 if address.startswith("/panels/") else 503), (sid, address)
                # The API passes on what AWS said.
                assert re.search("(may not perform|not authorized to perform:) dynamodb:", text), (
                    sid,
                    address,
                )
            elif "role may not perform dynamodb:" in text:
                noted.add(address)
                assert status == 200, (sid, address)
        assert (refused, noted) == SHOWN[sid], sid


@pytest.mark.no_moto
def test_the_pages_of_the_tables_say_what_they_cannot_tell(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
) -> None:
    iam.denied = set().union(*(statements[sid] for sid in OF_TABLES))
    operator = client_for("operator")
    _, text = iam.read(operator, reverse("tables:deployed", args=["requests"]))
    assert "may not perform dynamodb:DescribeTimeToLive" in text
    assert "may not perform dynamodb:DescribeContinuousBackups" in text
    own = next(shown for shown in shown_tables() if shown.own)
    status, text = iam.read(operator, reverse("tables:deployed", args=[own.key]))
    assert (status, "IAM does not allow this" in text) == (200, True)


def test_every_statement_has_its_row_on_what_a_denial_shows() -> None:
    rows = re.search(r"\| Statement left out \|.*?\n\n", text_of("docs/iam.md"), re.DOTALL)
    assert rows
    assert re.findall(r"^\| `(\w+)` \|", rows[0], re.MULTILINE) == list(declared("viewer")) == list(SHOWN)
