"""What goes on after the first step, what may not be searched, and the API of both."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import caches
from django.test import Client

from opsportal.accounts import tokens
from opsportal.dynamo.spending import request_budget
from opsportal.operations.entries import Target
from opsportal.operations.tables import audit_table_for
from tests.factories import agent, ago, naive, put, raw, request, workflow, zulu
from tests.pages import Page, visit
from tests.search.test_first import find, log_line
from tests.trouble import denied, refused, trouble

pytestmark = [pytest.mark.no_moto, pytest.mark.django_db]


@pytest.fixture
def client(client_for: Callable[[str], Client], tables: Any) -> Client:
    return client_for("viewer")


def steps(client: Client, page: Page, most: int = 20) -> list[Page]:
    """Each step that the page asks for, to the end."""
    found: list[Page] = []
    form = page.root.one("form", data_search=None)
    while "load" in form.attrs["hx-trigger"] and len(found) < most:
        state = form.one("input", name="state").attrs["value"]
        answer = client.post(form.attrs["hx-post"], {"state": state}, headers={"HX-Request": "true"})
        found.append(Page(answer, page.url))
        form = found[-1].root.one("form", data_search=None)
    return found


def parts(page: Page) -> list[str]:
    return [item.words for listed in page.root.all("ul", class_="search-parts") for item in listed.all("li")]


def matches(pages: list[Page]) -> list[tuple[str, str]]:
    rows = [row.all("td") for page in pages for row in page.rows]
    return [(row[1].one("a").words, row[3].words) for row in rows]


def stock(tables: Any) -> None:
    put(
        tables["workflows"],
        workflow("tm-1", correlationId="corr_abc"),
        workflow("tm-2", documentId="corr_abc.pdf"),
    )
    put(tables["workflows"], workflow("tm-old", correlationId="corr_abc", createdAt=zulu(ago(days=20))))
    put(tables["requests"], request("req_corr_abc"), request("req_2", project_id="CORR_ABC"))
    put(
        tables["request_logs"], log_line("l-1", "req_2", message="of corr_abc", timestamp=naive(ago(hours=1)))
    )
    at = {"at": "2026-11-20T10:00:00.000000Z", "action": "workflow:purge", "logical": "workflows"}
    target = Target("workflows", "corr_abc")
    entry = {
        "action_id": "0" * 8 + "-0000-0000-0000-000000000001",
        "target": target.id,
        "target_hash": target.hash,
    }
    put(audit_table_for(tables["workflows"]), raw({**at, **entry}))


def test_a_text_is_searched_for_in_each_kind_with_its_cost(client: Client, tables: Any) -> None:
    stock(tables)
    page = find(client, "“corr_abc”,")
    assert page.rows == []
    assert "Nothing so far" in page.root.words
    assert "stay" not in page.root.one("form", data_search=None).attrs["hx-post"]
    done = steps(client, page)
    assert set(matches(done)) == {
        ("tm-1", "correlation id"), ("tm-2", "document"), ("req_corr_abc", "id"),
        ("00000000-0000-0000-0000-000000000001", "target"),
    }  # fmt: skip
    last = done[-1].root.one("form", data_search=None)
    assert last.attrs["data-search"] == "done"
    assert "Finished: everything of the last 7 days was searched." in last.words
    said = parts(done[-1])
    assert [part.split(" ")[0] for part in said] == ["Workflows", "Requests", "Agents", "Audit"]
    assert all("not searched" not in part and "RCU" in part for part in said)
    assert "2 found" in said[0]
    assert " 0 RCU" not in said[0]
    # All time, any case, the logs too.
    offered = {
        link.words.partition(" · ")[0]: link.attrs["href"] for link in page.root.all("a", class_="btn")
    }
    every = visit(client, offered["Search all time"])
    assert ("tm-old", "correlation id") in matches(steps(client, every))
    logs = visit(client, offered["Search logs"])
    found = steps(client, logs)
    assert parts(found[-1])[0].startswith("Logs")
    assert ("l-1", "log line") in matches(found)
    line = found[0].rows[0].one("a", data_row_link=None).attrs["href"]
    assert visit(client, line).root.all("div", id="L-l-1")
    any_case = find(client, "corr_ABC", anycase="1")
    assert {("req_2", "project"), ("tm-1", "correlation id")} <= set(matches(steps(client, any_case)))


def test_each_step_costs_what_a_page_does_and_two_run_at_a_time(
    client: Client, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(tables)
    put(tables["requests"], *(request(f"hay-{n:03}", project_id="hay") for n in range(80)))
    monkeypatch.setattr("opsportal.dynamo.merge.FILTERED_CHUNK", 5)
    pages = [find(client, "corr_abc") for _ in range(3)]
    forms = [page.root.one("form", data_search=None) for page in pages]

    def sent(form: Any) -> Any:
        with request_budget(None) as account:
            state = form.one("input", name="state").attrs["value"]
            page = Page(client.post(form.attrs["hx-post"], {"state": state}), "/search/")
        # Partitions of the index by status are searched at the same time: as many as a page of the list reads.
        assert account.calls <= 40
        return page.root.one("form", data_search=None)

    first, second = sent(forms[0]), sent(forms[1])
    assert [first.attrs["data-search"], second.attrs["data-search"]] == ["runs", "runs"]
    assert sent(forms[2]).attrs["data-search"] == "waits"
    caches["default"].clear()
    assert client.post("/search/?q=x", {"state": forms[0].one("input").attrs["value"]}).status_code == 400
    assert client.post("/search/?q=corr_abc").status_code == 302, (
        "without a state there is nothing to go on with"
    )


def test_what_a_person_may_not_see_is_named_and_never_read(
    client_for: Any, user_of: Any, tables: Any
) -> None:
    stock(tables)
    put(tables["agents"], agent("same"))
    put(tables["requests"], request("same"))
    client = client_for("viewer")
    user = user_of("viewer")
    user.groups.clear()
    names = ("view_workflows", "view_agents")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/search/", {"q": "same"})
    assert answer["Location"] == "/agents/same/", "the request of that id is not there for them"
    assert client.get("/search/", {"q": "l-1"}).status_code == 200
    page = find(client, "corr_abc")
    lines = [part for part in parts(page) if "not searched." in part]
    assert [line.partition(":")[0] for line in lines] == [
        "Failure cases",
        "Requests",
        "Jobs",
        "Audit entries",
    ]
    assert "You need the permission requests_app.view_requests" in lines[1]
    assert {key for key, _ in matches(steps(client, page))} == {"tm-1", "tm-2"}
    assert "requests:list" not in page.html
    # A state that was made with more does not read more.
    whole = client_for("operator")
    form = find(whole, "corr_abc").root.one("form", data_search=None)
    state = form.one("input", name="state").attrs["value"]
    keys: set[str] = set()
    for _ in range(8):
        answer_page = Page(client.post(form.attrs["hx-post"], {"state": state}), "/search/")
        keys |= {key for key, _ in matches([answer_page])}
        state = answer_page.root.one("input", name="state").attrs["value"]
        if answer_page.root.one("form", data_search=None).attrs["data-search"] == "done":
            break
    assert keys == {"tm-1", "tm-2"}


def test_iam_that_denies_one_table_leaves_the_others_and_is_quoted(client: Client, tables: Any) -> None:
    stock(tables)
    table = tables["requests"]
    with trouble(table, denied("Query", f"arn:aws:dynamodb:us-east-1:1:table/{table.name}")):
        answer = client.get("/search/", {"q": "tm-1"})
        assert answer["Location"] == "/workflows/tm-1/", "asked by itself once the call for all was refused"
        page = find(client, "corr_abc")
        assert page.response.status_code == 200
        (line,) = [part for part in parts(page) if part.startswith("Requests: not searched")]
        assert "may not perform dynamodb:" in line
        assert table.name in line
        assert page.root.all("pre", aria_label="IAM policy statement")
        assert page.root.one("p", class_="search-none").words == "Nothing so far in what was searched."
        done = steps(client, page)
        assert done[-1].root.one("form", data_search=None).attrs["data-search"] == "done"
        assert {key for key, _ in matches(done)} >= {"tm-1", "tm-2"}
        assert [part for part in parts(done[-1]) if part.startswith("Requests: not searched")]
        api = client.get("/api/search", {"q": "corr_abc"})
        assert api.status_code == 200
        assert any(one["name"] == "Requests" for one in api.json()["not_searched"])


def test_a_table_that_is_throttled_or_missing_gives_a_part_of_the_answer(client: Client, tables: Any) -> None:
    stock(tables)
    put(tables["agents"], agent("agent-9"))
    slow = refused("ThrottlingException", "Rate exceeded")
    with trouble(tables["workflows"], slow):
        page = find(client, "agent-9", stay="1")
        assert page.response.status_code == 200
        assert [row.all("td")[2].words for row in page.rows] == ["Agent"]
        assert any(part.startswith("Workflows: not searched") for part in parts(page))
        assert steps(client, page)[-1].root.one("form", data_search=None).attrs["data-search"] == "failed"
    with trouble(tables["request_logs"], refused("ResourceNotFoundException", "not found")):
        assert client.get("/search/", {"q": "tm-1"})["Location"] == "/workflows/tm-1/"


def test_the_api_gives_the_first_step_and_the_next_for_each_cursor(client: Client, tables: Any) -> None:
    stock(tables)
    found = client.get("/api/search", {"q": "tm-1"}).json()
    (hit,) = found["results"]
    assert (hit["kind"], hit["id"], hit["exact"], hit["page"]) == (
        "workflows",
        "tm-1",
        True,
        "/workflows/tm-1/",
    )
    assert sum(part["calls"] for part in found["searched"]) <= 5
    answer = client.get("/api/search", {"q": "corr_abc", "also": "request_logs"}).json()
    hits: list[Any] = []
    for _ in range(12):
        hits += answer["results"]
        if not answer["cursor"]:
            break
        sent = {"q": "corr_abc", "also": "request_logs", "cursor": answer["cursor"]}
        answer = client.get("/api/search", sent).json()
        assert [one["calls"] >= 0 for one in answer["searched"]] == [True]
    assert answer["cursor"] is None
    assert {(hit["kind"], hit["match"]) for hit in hits} >= {
        ("workflows", "correlation id"), ("workflows", "document"), ("requests", "id"), ("request_logs", "log line"),
        ("audit", "target"),
    }  # fmt: skip
    other = {"q": "other", "cursor": client.get("/api/search", {"q": "corr_abc"}).json()["cursor"]}
    assert client.get("/api/search", other).status_code == 400
    assert client.get("/api/search").status_code == 422
    assert client.get("/api/search", {"q": "x", "also": "everything"}).status_code == 400
    assert client.get("/api/search", {"q": "x", "anything": "1"}).status_code == 422


def test_a_token_finds_what_its_scopes_may_read(user_of: Any, tables: Any) -> None:
    put(tables["workflows"], workflow("same"))
    put(tables["requests"], request("same"))
    owner = user_of("operator")
    _, text = tokens.make("ci", ["requests:read"], made_by=owner, days=30, owner=owner, role="")
    found = Client().get("/api/search", {"q": "same"}, headers={"Authorization": f"Bearer {text}"}).json()
    assert [hit["kind"] for hit in found["results"]] == ["requests"]
    assert {one["name"] for one in found["not_searched"]} == {
        "Workflows",
        "Failure cases",
        "Agents",
        "Jobs",
        "Audit entries",
    }
