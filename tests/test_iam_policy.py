"""The README's IAM policy is the least that the pages need, and what a denial shows is what it says."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.cache import caches
from django.test import Client

from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding, bindings
from tests.test_docs import README, block_after

# Every address that reads, and every way it reads; "x" exists nowhere.
READS = (
    "/", "/panels/workflows/", "/panels/requests/", "/panels/agents/", "/panels/tables/",
    "/workflows/", "/workflows/?q=x", "/workflows/?outside=1", "/workflows/x/",
    "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x", "/requests/?sort=priority",
    "/requests/?outside=1", "/requests/x/", "/requests/x/logs/", "/requests/x/logs/?format=txt",
    "/agents/", "/agents/?capability=x", "/agents/x/", "/api/workflow/x/status", "/readyz",
)  # fmt: skip

Permission = tuple[str, str, str]  # action, logical table, index or ""


class Iam:
    """What the shared clients ask for, by botocore's events (`asked`), and what is refused (`denied`)."""

    def __init__(self) -> None:
        self.asked: set[Permission] = set()
        self.denied: set[Permission] = set()
        self.awake = False  # the fixtures' own calls, which make and delete tables, are none of it

    def read(self, client: Client, address: str) -> tuple[int, str]:
        """Status and text of an answer that no cache had a part in."""
        caches["process"].clear()
        self.awake = True
        try:
            response = client.get(address)
            body = b"".join(response.streaming_content) if response.streaming else response.content
        finally:
            self.awake = False
        return response.status_code, body.decode()

    def decide(self, params: dict[str, Any], model: Any, region: str) -> None:
        (table,) = (table for table in bindings() if table.name == params["TableName"])
        assert table.region == region
        wanted = f"dynamodb:{model.name}", table.logical, params.get("IndexName", "")
        self.asked.add(wanted)
        if wanted in self.denied:
            index = f"/index/{wanted[2]}" if wanted[2] else ""
            message = (
                f"User: arn:aws:sts::111122223333:assumed-role/console/i-0 is not authorized to perform: "
                f"{wanted[0]} on resource: arn:aws:dynamodb:{region}:111122223333:table/{table.name}{index} "
                f"because no identity-based policy allows the {wanted[0]} action"
            )
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, model.name)


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    made_by_boto, judge = clients._make, Iam()

    def made(region: str, endpoint: str, **options: Any) -> Any:
        client = made_by_boto(region, endpoint, **options)

        def decide(params: dict[str, Any], model: Any, **_: Any) -> None:
            if judge.awake:
                judge.decide(params, model, region)

        client.meta.events.register("provide-client-params.dynamodb", decide)
        return client

    clients.forget()
    monkeypatch.setattr(clients, "_make", made)
    yield judge
    clients.forget()


def policy() -> dict[str, set[Permission]]:
    """The README's statements, by their Sid. Ask before the tables get names of their own."""
    logical = {(table.region, table.name): table.logical for table in bindings()}
    statements = {}
    for statement in json.loads(block_after("iam-policy"))["Statement"]:
        assert statement["Effect"] == "Allow"
        allowed = []
        for arn in statement["Resource"]:
            found = re.fullmatch(r"arn:aws:dynamodb:([\w-]+):\d{12}:table/([\w-]+)(?:/index/([\w-]+))?", arn)
            assert found, arn
            table = logical[found[1], found[2]]
            allowed += [(action, table, found[3] or "") for action in statement["Action"]]
        assert len(set(allowed)) == len(allowed)
        statements[statement["Sid"]] = set(allowed)
    return statements


@pytest.fixture
def statements() -> dict[str, set[Permission]]:
    return policy()


def test_the_policy_holds_just_what_the_pages_call(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
    request: pytest.FixtureRequest,
) -> None:
    client = client_for("viewer")
    for address in READS:
        assert iam.read(client, address)[0] in (200, 404), address
    request.getfixturevalue("tables_without_index")
    for address in READS:
        assert iam.read(client, address)[0] in (200, 404), address
    assert iam.asked == set().union(*statements.values())
    assert len(iam.asked) == sum(map(len, statements.values()))


# Sid -> the addresses that show the denial, and those that do without and say so.
SHOWN: dict[str, tuple[set[str], set[str]]] = {
    "FindIndexes": (set(), {"/workflows/", "/workflows/?q=x", "/panels/tables/", "/readyz"}),
    "ReadOneItem": (
        {
            "/workflows/?q=x", "/workflows/x/", "/requests/?q=x", "/requests/x/", "/requests/x/logs/",
            "/agents/x/", "/api/workflow/x/status",
        },
        set(),
    ),
    "ListByIndex": (
        {
            "/panels/workflows/", "/panels/requests/", "/workflows/", "/workflows/?q=x",
            "/requests/", "/requests/?q=x", "/requests/?user=x", "/requests/?project=x",
            "/requests/?sort=priority", "/requests/x/logs/", "/requests/x/logs/?format=txt",
        },
        set(),
    ),
    "FindUndocumentedStatuses": (
        set(),
        {"/workflows/", "/workflows/?q=x", "/requests/", "/requests/?q=x", "/requests/?sort=priority"},
    ),
    "ListWithoutIndex": (
        {"/panels/agents/", "/workflows/?outside=1", "/requests/?outside=1", "/agents/", "/agents/?capability=x"},
        set(),
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
