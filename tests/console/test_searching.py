"""Searches in the background, step by step: their cost, their leases, and what each answer offers."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import caches
from django.db import DatabaseError
from django.test import Client

from opsportal.console import searching
from opsportal.dynamo.errors import Throttled
from opsportal.dynamo.searching import Step
from requests_app import queries
from tests.cases import each
from tests.factories import ago, naive, put, request, workflow
from tests.pages import Page

pytestmark = [pytest.mark.no_moto, pytest.mark.django_db]
URL = "/requests/?q=needle&range=7d"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``steps(*steps)``: what the table answers, one after the other; returns the cursors that were asked for."""

    def give(*given: Step | Exception) -> list[str]:
        coming, asked = iter(given), []

        def search(values: Any, span: Any, *, purpose: str, cursor: str) -> Step:
            assert values["q"] == "needle"
            asked.append(cursor)
            step = next(coming)
            if isinstance(step, Exception):
                raise step
            return step

        monkeypatch.setattr(queries, "search", search)
        return asked

    return give


def step(*keys: str, cursor: str = "on", units: int = 100, covered: str = "") -> Step:
    return Step([request(key) for key in keys], cursor, covered, 5, Decimal(units))


class Search:
    """A page's search: what it shows, and its next request."""

    def __init__(self, client: Client, url: str = URL) -> None:
        self.client, self.url, self.page = (
            client,
            url,
            Page(client.post(url, headers={"HX-Request": "true"}), url),
        )

    def send(self, do: str = "") -> "Search":
        state = self.form.one("input", name="state").attrs["value"]
        assert self.form.attrs["hx-post"] == self.url
        answer = self.client.post(self.url, {"state": state, "do": do}, headers={"HX-Request": "true"})
        self.page = Page(answer, self.url)
        return self

    @property
    def form(self) -> Any:
        return self.page.root.one("form", data_search=None)

    @property
    def now(self) -> str:
        return str(self.form.attrs["data-search"])

    @property
    def goes_on(self) -> bool:
        return "load" in self.form.attrs["hx-trigger"]

    @property
    def said(self) -> str:
        return str(self.form.all("p", data_search_said=None)[0].words)

    @property
    def cost(self) -> str:
        return str(self.form.one("span", class_="search-cost").words)

    @property
    def buttons(self) -> list[str]:
        return [button.attrs.get("name", "") and button.attrs["value"] for button in self.form.all("button")]


@pytest.fixture
def client(client_for: Callable[[str], Client], tables: Any) -> Client:
    return client_for("operator")


def test_a_search_goes_on_step_by_step_with_its_cost_until_its_end(client: Client, steps: Any) -> None:
    asked = steps(
        step("req_1", cursor="second", covered=naive(ago(days=3.5))),
        step(cursor="third"),
        step("req_2", cursor=""),
    )
    search = Search(client)
    assert (search.now, search.goes_on, search.cost) == ("runs", True, "1 found 5 calls 100 RCU")
    assert "50 % of the time" in search.form.words
    assert "Still searching. Searched to 20" in search.said
    assert search.page.ids == ["req_1"]
    # Rows as those of the list, which can be chosen for an action on many.
    assert len(search.page.rows[0].all("input", name="key~")) == 1
    assert search.send().cost == "1 found 10 calls 200 RCU"
    assert search.page.ids == []
    assert (search.send().now, search.goes_on, search.buttons) == ("done", False, [])
    assert search.page.ids == ["req_2"]
    assert asked == ["", "second", "third"]
    assert "Finished: everything of the last 7 days was searched" in search.said


def test_it_asks_after_2000_units_and_goes_on_from_there(client: Client, steps: Any) -> None:
    asked = steps(step(units=1_999, cursor="a"), step(units=100, cursor="b"), step(units=2_000, cursor="c"))
    search = Search(client).send()
    assert (search.now, search.goes_on, search.buttons) == ("asks", False, ["more"])
    assert "2,099 RCU read" in search.said
    assert search.send().now == "asks", "not by a step that nobody allowed"
    assert len(asked) == 2
    assert (search.send("more").now, search.cost) == ("asks", "0 found 15 calls 4099 RCU")
    assert asked == ["", "a", "b"]


def test_it_asks_after_1000_hits_too(client: Client, steps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "ASK_AFTER_FOUND", 2)
    steps(step("req_1"), step("req_2"), step("req_3"), step("req_4"))
    search = Search(client).send()
    assert (search.now, search.buttons) == ("asks", ["more"])
    assert search.said.startswith("2 found. Go on?")
    assert [search.send("more").now, search.send().now] == ["runs", "asks"]


def test_two_search_at_a_time_and_a_third_waits_until_one_ends(client: Client, steps: Any) -> None:
    asked = steps(*[step() for _ in range(6)], step(cursor=""), step())
    first, second, third = Search(client), Search(client), Search(client)
    assert [one.now for one in (first, second, third)] == ["runs", "runs", "waits"]
    assert third.goes_on
    assert "2 searches at a time for all users" in third.said
    assert third.send().now == "waits"
    assert len(asked) == 2, "what waits reads nothing"
    assert [one.send().now for one in (first, second)] == ["runs", "runs"], "who has a lease keeps it"
    # Stopped, its lease is free; so it is at the end, and when no step follows.
    assert (first.send("stop").now, first.goes_on) == ("stopped", False)
    assert third.send().now == "runs"
    assert first.send().now == "waits", "it goes on when there is room"
    assert [second.send().now, second.send().now] == ["runs", "done"]
    assert first.send().now == "runs"


def test_a_step_that_comes_after_its_stop_takes_no_lease(client: Client, steps: Any) -> None:
    asked = steps(step(), step(), step())
    first, late = Search(client), Search(client)
    late.page = first.page
    first.send("stop")
    assert (late.send().now, len(asked)) == ("waits", 2)
    assert first.send().now == "runs"


def test_a_lease_runs_out_when_no_step_follows(
    client: Client, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LEASE_SECONDS", 0)
    steps(*[step() for _ in range(4)])
    assert [Search(client).now for _ in range(4)] == ["runs"] * 4


def test_a_step_that_fails_says_why_gives_its_lease_back_and_can_be_repeated(
    client: Client, steps: Any
) -> None:
    asked = steps(
        step(cursor="a"), Throttled("The table is throttled.", "Wait."), step(), step(), step("req_1")
    )
    search = Search(client).send()
    assert (search.now, search.goes_on, search.buttons) == ("failed", False, [""])
    assert search.said == "The table is throttled. Wait."
    assert search.cost == "0 found 5 calls 100 RCU"
    assert [Search(client).now for _ in range(2)] == ["runs", "runs"], "both leases were free"
    caches["default"].clear()
    assert search.send().page.ids == ["req_1"]
    assert asked == ["", "a", "", "", "a"]


def test_without_a_shared_cache_that_can_be_written_nothing_is_read(
    client: Client, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> bool:
        raise DatabaseError

    monkeypatch.setattr(caches["default"], "add", refuse)
    assert (steps(step()), Search(client).now) == ([], "waits")


def test_a_state_of_another_list_or_a_changed_one_is_refused(client: Client, steps: Any) -> None:
    steps(step(), step())
    state = Search(client).form.one("input", name="state").attrs["value"]
    for url, sent in (("/requests/?q=other", state), (URL, state[:-1]), (URL, "x")):
        assert client.post(url, {"state": sent}).status_code == 400
    assert client.post(f"{URL}&cursor=x").status_code in (200, 400)


def test_a_search_needs_what_its_list_needs_and_a_token_of_the_page(
    client_for: Any, steps: Any, tables: Any
) -> None:
    asked = steps(step())
    assert client_for("anonymous").post(URL).status_code in (302, 401)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client_for("viewer").cookies
    assert strict.post(URL).status_code == 403
    assert asked == []
    assert Search(client_for("viewer")).now == "runs"


@each(
    ("logical", "hay", "old"),
    [
        (
            "requests",
            [request(f"req_{number:03}", project_id="hay") for number in range(60)],
            request("old", project_id="needle", created_at="2026-01-02T03:04:05"),
        ),
        (
            "workflows",
            [workflow(f"s{number:03}", documentId="hay") for number in range(60)],
            workflow("old", documentId="needle", createdAt="2026-01-02T03:04:05Z"),
        ),
    ],
)
def test_the_link_of_a_list_whose_calls_are_used_up_starts_it(
    client: Client, tables: Any, monkeypatch: Any, logical: str, hay: list[Any], old: Any
) -> None:
    put(tables[logical], *hay, old)
    url = f"/{logical}/?q=needle&range=all"
    monkeypatch.setattr("opsportal.dynamo.merge.FILTERED_CHUNK", 5)
    page = Page(client.get(url), url)
    links = page.root.all("a", data_search_on=None)
    assert len(links) == 2, "of the pager, and of the empty list"
    for link in links:
        assert link.attrs["hx-post"] == link.attrs["href"], "without scripts it is the next page"
    search = Search(client, links[0].attrs["hx-post"])
    search.url = search.form.attrs["hx-post"]
    assert search.url == url
    found = list(search.page.ids)
    for _ in range(30):
        if search.now != "runs":
            break
        found += search.send().page.ids
    assert (search.now, found) == ("done", ["old"])
    assert search.said == "Finished: everything was searched."
