"""The README's IAM policy is the least that the pages need, and what a denial shows is what it says. (That of
actions: test_iam_actions.py.)"""

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from opsportal.dynamo.tables import Binding
from opsportal.operations.entries import Actor, new_action_id
from tests.iam import Iam, Permission, judged, policy
from tests.operations.places import put
from tests.test_docs import README
from tracking import actions as workflow_actions

OLGA = Actor("olga", "operator")

# Every address that reads, and every way it reads; "x" exists nowhere, "here" in each table.
READS = (
    "/", "/panels/workflows/", "/panels/requests/", "/panels/agents/", "/panels/tables/", "/panels/audit/",
    "/workflows/", "/workflows/?q=x", "/workflows/?outside=1", "/workflows/x/",
    "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x", "/requests/?sort=priority",
    "/requests/?outside=1", "/requests/x/", "/requests/x/logs/", "/requests/x/logs/?format=txt",
    "/workflows/steps/x/", "/agents/fleet/",
    "/agents/", "/agents/?capability=x", "/agents/x/", "/api/workflow/x/status", "/readyz",
    "/workflows/here/", "/requests/here/", "/agents/here/",
    "/audit/", "/audit/?actor=x", "/audit/?target=x", f"/audit/{uuid.UUID(int=4)}/",
)  # fmt: skip


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    yield from judged(monkeypatch)


@pytest.fixture
def statements() -> dict[str, set[Permission]]:
    return policy()


def put_here(tables: dict[str, Binding], **more: str) -> None:
    """An item with the id "here" in each table that has pages of items."""
    for logical in ("workflows", "requests", "agents"):
        item = {name: {"S": value} for name, value in more.items()}
        put(tables[logical], {tables[logical].key: {"S": "here"}, **item})


def test_the_policy_holds_just_what_the_pages_call(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
    request: pytest.FixtureRequest,
) -> None:
    client = client_for("viewer")
    put_here(tables)
    # The entry of the newest change is read too.
    workflow_actions.cancel("here", by=OLGA, reason="", action_id=new_action_id())
    for address in READS:
        assert iam.read(client, address)[0] in (200, 404), address
    put_here(request.getfixturevalue("tables_without_index"))
    for address in READS:
        assert iam.read(client, address)[0] in (200, 404), address
    assert iam.asked == set().union(*statements.values())
    assert len(iam.asked) == sum(map(len, statements.values()))


# Sid -> the addresses that show the denial, and those that do without and say so.
SHOWN: dict[str, tuple[set[str], set[str]]] = {
    "FindIndexes": (
        set(),
        {"/workflows/", "/workflows/?q=x", "/workflows/steps/x/", "/panels/tables/", "/readyz"},
    ),
    "ReadOneItem": (
        {
            "/workflows/?q=x", "/workflows/x/", "/requests/?q=x", "/requests/x/", "/requests/x/logs/",
            "/agents/x/", "/api/workflow/x/status", "/workflows/here/", "/requests/here/", "/agents/here/",
        },
        set(),
    ),
    "ListByIndex": (
        {
            "/panels/workflows/", "/panels/requests/", "/workflows/", "/workflows/?q=x", "/workflows/steps/x/",
            "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x",
            "/requests/?sort=priority", "/requests/x/logs/", "/requests/x/logs/?format=txt",
        },
        set(),
    ),
    "FindUndocumentedStatuses": (
        set(),
        {
            "/workflows/", "/workflows/?q=x", "/workflows/steps/x/", "/requests/", "/requests/?q=x",
            "/requests/?sort=priority",
        },
    ),
    "ListWithoutIndex": (
        {
            "/panels/agents/", "/workflows/?outside=1", "/requests/?outside=1", "/agents/", "/agents/?capability=x",
            "/agents/fleet/",
        },
        set(),
    ),
    # Only one of the items was acted on.
    "ReadAuditEntry": ({f"/audit/{uuid.UUID(int=4)}/"}, {"/workflows/here/"}),
    "ListAuditEntries": (
        {"/panels/audit/", "/audit/", "/audit/?actor=x", "/audit/?target=x"},
        {"/workflows/here/", "/requests/here/", "/agents/here/"},
    ),
}  # fmt: skip


@pytest.mark.no_moto  # the denial comes before an engine is asked, so one engine will do
@pytest.mark.parametrize("sid", SHOWN)
def test_without_a_statement_each_page_says_what_is_missing_or_does_without(
    sid: str,
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
) -> None:
    client = client_for("viewer")
    put_here(tables)
    workflow_actions.cancel("here", by=OLGA, reason="", action_id=new_action_id())
    iam.denied = statements[sid]
    refused, noted = set(), set()
    for address in READS:
        status, text = iam.read(client, address)
        assert status in (200, 404, 503), address
        if "IAM does not allow this" in text:
            refused.add(address)
            assert status == (200 if address.startswith("/panels/") else 503), address
            # The API passes on what AWS said.
            assert re.search("(may not perform|not authorized to perform:) dynamodb:", text), address
        elif "role may not perform dynamodb:" in text:
            noted.add(address)
            assert status == 200, address
    assert (refused, noted) == SHOWN[sid]


def test_every_statement_has_its_line_on_what_a_denial_shows() -> None:
    rows = re.search(r"\| Statement left out \|.*?\n\n", README, re.DOTALL)
    assert rows
    assert re.findall(r"^\| `(\w+)` \|", rows[0], re.MULTILINE) == list(policy()) == list(SHOWN)
