"""The overview's figures are read once for the whole deployment, at a bounded cost, and by the worker where there is one."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.test import Client

from opsportal.accounts.models import preferences_of
from opsportal.console import drawn, panels
from opsportal.descriptors import Panel
from opsportal.dynamo import calls, partitions, turns
from opsportal.dynamo.errors import Throttled
from opsportal.dynamo.shared import forget, key_of
from opsportal.operations import panel_figures
from opsportal.operations.entries import Target
from opsportal.operations.tables import locations
from opsportal.operations.tasks import Turns
from tests.factories import agent, ago, naive, put, request, workflow, zulu
from tests.operations.test_panel import entry
from tests.pages import Page, poll, visit
from tests.samples import later
from tests.trouble import refused, trouble

pytestmark = pytest.mark.no_moto
NAMES = ("failures", "workflows", "requests", "agents", "audit", "tables")


class Asked(list[calls.Call]):
    """What DynamoDB was asked."""

    @property
    def units(self) -> Decimal:
        return sum((unit for call in self if call.kind == "read" for unit in call.units.values()), Decimal(0))


@pytest.fixture
def asked() -> Asked:
    made = Asked()
    calls.watch(made.append)
    return made


def work() -> int:
    """A turn of the worker's task."""
    return panel_figures.read(locations()[0], lambda: False)


def tiles(page: Page) -> dict[str, str]:
    return {
        tile.one("span", class_="label").words: tile.one("span", class_="figure").words
        for tile in page.root.all("a", class_="tile")
    }


def until(client: Client, holds: Callable[[Page], bool], turns: int = 60) -> Page:
    """The panel of workflows as it is when so much time has passed that this holds."""
    for _ in range(turns):
        page = visit(client, "/panels/workflows/?window=7d")
        later()
        if holds(page):
            return page
    raise AssertionError(page.words)


@pytest.fixture
def busy(tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More items, of 2 KB, than may be read at once; of one status more than are counted."""
    monkeypatch.setattr(partitions, "COUNT_CAP", 60)
    text = "x" * 1_700
    for status, number in (("completed", 150), ("failed", 40), ("processing", 30), ("cancelled", 5)):
        put(
            tables["workflows"],
            *(
                workflow(f"{status}-{n}", overallStatus=status, note=text, createdAt=zulu(ago(minutes=n + 1)), lastUpdated=zulu(ago(seconds=30)))
                for n in range(number)
            ),
        )  # fmt: skip
        put(
            tables["requests"],
            *(
                request(f"{status}-{n}", status=status, configuration={"note": text}, created_at=naive(ago(minutes=n + 1)), updated_at=naive(ago(seconds=30)))
                for n in range(number)
            ),
        )  # fmt: skip
    put(tables["agents"], *(agent(f"a-{n}", description=text) for n in range(60)))


def test_twenty_viewers_of_all_windows_cost_less_than_20_units_in_ten_seconds(
    busy: None, client_for: Callable[[str], Client], asked: Asked
) -> None:
    client = client_for("viewer")
    for _ in range(9):  # then the trail is not looked through
        entry(Target("requests", "r"), 0)

    def look(window: str) -> None:
        """As another process would: it has no copies."""
        page = visit(client, f"/?window={window}")
        caches["process"].clear()
        for name in NAMES:
            visit(client, f"/panels/{name}/?window={window}")
        assert page.response.wsgi_request.spending.calls == 0

    # A minute's sample of a table is on top.
    def of_samples() -> Decimal:
        return sum((unit for call in asked for unit in call.units.values() if unit > 40), Decimal(0))

    for minute in range(2):
        asked.clear()
        for second in range(0, 60, 10):
            later(10.5)
            for number in range(20 if second == 50 else 1):
                look(("1h", "24h", "7d")[number % 3])
        # The first minute begins with longer turns.
        assert asked.units - of_samples() <= 6 * (20 if minute else 28), f"minute {minute}"
        assert sum(unit > 40 for call in asked for unit in call.units.values()) <= 4


def test_what_is_not_read_yet_is_said_and_read_on_to_the_cap(
    busy: None, client_for: Callable[[str], Client], asked: Asked
) -> None:
    client = client_for("viewer")
    first = visit(client, "/panels/workflows/?window=7d")
    assert tiles(first)["completed"].endswith("+")
    assert 0 < int(tiles(first)["completed"].removesuffix("+")) < 100
    assert (
        " RCU, figures from now, the rest is still being read"
        in first.root.one("p", class_="panel-foot").words
    )
    page = until(client, lambda page: "still being read" not in page.words)
    assert [tiles(page)[one] for one in ("cancelled", "completed", "failed", "processing")] == [
        "5",
        "60+",
        "40",
        "30",
    ]
    # In five minutes there are fewer than are read: their number is known.
    assert tiles(visit(client, "/panels/workflows/?window=1h"))["completed"] == "59"
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False):
        page = visit(client, "/panels/workflows/?window=7d")
    assert "figures from now, the oldest read 2 min ago" in page.root.one("p", class_="panel-foot").words


def test_an_item_that_moves_is_counted_where_it_is_and_a_new_one_at_once(
    busy: None, tables: Any, client_for: Callable[[str], Client]
) -> None:
    client = client_for("viewer")
    until(client, lambda page: tiles(page)["cancelled"] == "5")
    put(
        tables["workflows"],
        workflow("processing-3", overallStatus="cancelled", createdAt=zulu(ago(minutes=4))),
    )
    put(tables["workflows"], workflow("new", overallStatus="failed", createdAt=zulu(ago(seconds=1))))
    page = until(client, lambda page: tiles(page)["cancelled"] == "6", turns=3)
    assert "new" in page.words.split("Newest failures")[1]
    # More that is new than one turn reads: what was known before stays counted.
    before = int(tiles(page)["completed"].removesuffix("+"))
    put(tables["workflows"], *(workflow(f"n-{n}", overallStatus="completed", note="x" * 9_000, createdAt=zulu(ago(seconds=n / 100))) for n in range(40)))  # fmt: skip
    page = until(client, lambda page: int(tiles(page)["completed"].removesuffix("+")) > before, turns=3)
    assert tiles(page)["completed"].endswith("+")


def test_a_flood_of_new_items_leaves_the_charts_and_what_was_known(
    busy: None, tables: Any, client_for: Callable[[str], Client]
) -> None:
    """More that is new than a turn reads, turn after turn: the charts began anew at the newest of it."""
    client = client_for("viewer")
    until(client, lambda page: "still being read" not in page.words)

    def flood(number: int) -> None:
        put(tables["workflows"], *(workflow(f"f-{number}-{n}", overallStatus="failed", note="x" * 9_000, createdAt=zulu(ago(seconds=10 - 4 * number - n / 10))) for n in range(9)))  # fmt: skip

    def bars(page: Page) -> dict[str, str]:
        """By their start, the oldest first."""
        rows = [row.words.split(" UTC ") for row in page.root.one("table").all("tr")[1:]]
        return dict(reversed(rows))

    before = list(bars(visit(client, "/panels/workflows/?window=1h")).items())
    for number in range(2):
        later()
        flood(number)
        page = visit(client, "/panels/workflows/?window=1h")
        # All but the newest ones as they were; the oldest may have left the hour.
        now = bars(page)
        assert [now.get(start) for start, _ in before[2:-2]] == [numbers for _, numbers in before[2:-2]], (
            number
        )
        assert int(tiles(page)["failed"].removesuffix("+")) >= 40
        assert tiles(page)["failed"].endswith("+")
        assert "the rest is still being read" in page.words
    page = until(client, lambda page: "still being read" not in page.words)
    assert tiles(page)["failed"] == "58"


def test_a_few_new_items_are_no_gap(
    busy: None, tables: Any, client_for: Callable[[str], Client], asked: Asked
) -> None:
    """Those that a head's reading reaches the known ones of, though there is more below."""
    client = client_for("viewer")
    until(client, lambda page: "still being read" not in page.words)
    for number in range(8):
        put(tables["workflows"], *(workflow(f"f-{number}-{n}", overallStatus="failed", createdAt=zulu(ago(seconds=1))) for n in range(2)))  # fmt: skip
        page = visit(client, "/panels/workflows/?window=7d")
        later()
        assert tiles(page)["failed"] == str(42 + 2 * number)


def test_what_was_read_of_a_status_may_have_moved_on_whole(
    tables: Any, client_for: Callable[[str], Client]
) -> None:
    """Before the pass over it came to its end: there is no newest row to read from."""

    def put_all(status: str) -> None:
        put(tables["workflows"], *(workflow(f"w-{n}", overallStatus=status, note="x" * 60_000, createdAt=zulu(ago(minutes=n + 1))) for n in range(8)))  # fmt: skip

    client = client_for("viewer")
    put_all("pending")
    until(client, lambda page: tiles(page).get("pending", "") not in ("", "0"))
    put_all("processing")
    page = until(client, lambda page: tiles(page).get("processing") == "8")
    assert tiles(page)["pending"] == "0"


def test_one_that_is_stuck_behind_more_new_ones_than_are_read_is_found(
    busy: None, tables: Any, client_for: Callable[[str], Client]
) -> None:
    put(
        tables["workflows"],
        *(workflow(f"run-{n}", note="x" * 4_000, createdAt=zulu(ago(seconds=n))) for n in range(70)),
        workflow("stuck", createdAt=zulu(ago(hours=3)), lastUpdated=zulu(ago(hours=2)), pdfAdapter={"status": "x"}),
    )  # fmt: skip
    client = client_for("viewer")
    until(client, lambda page: "stuck processing last update 2 h ago" in page.words)
    put(
        tables["workflows"], workflow("stuck", createdAt=zulu(ago(hours=3)), lastUpdated=zulu(ago(seconds=1)))
    )
    until(client, lambda page: "Nothing waits longer than 15 minutes." in page.words)


def test_the_first_and_the_last_moment_of_all_are_counted_as_any_other(tables: Any, client_for: Any) -> None:
    stamps = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
    put(tables["requests"], *(request(stamp, status="pending", created_at=stamp) for stamp in stamps))
    put(tables["workflows"], *(workflow(stamp, overallStatus="pending", createdAt=stamp) for stamp in stamps))
    for name in ("workflows", "requests"):
        assert visit(client_for("viewer"), f"/panels/{name}/?window=24h").status == 200


def test_the_worker_reads_first_and_then_only_while_somebody_looks(
    tables: Any, client_for: Callable[[str], Client], asked: Asked
) -> None:
    client = client_for("viewer")
    put(tables["requests"], request("r", status="completed", created_at=naive(ago(minutes=5))))
    for _ in range(9):  # of a trail with no entry it reads a week, a day at a time
        work()
        later(21)
    asked.clear()
    assert work() == 0, "nobody looks, and all is read"
    assert not asked
    # What is kept is part of the page, which asks nothing; by its age the browser asks again soon.
    page = visit(client, "/")
    assert tiles(page)["completed"] == "1"
    regions = page.root.all("section", data_live=None)
    assert [one.attrs["id"] for one in regions] == [f"panel-{name}" for name in NAMES]
    assert not page.root.all("section", hx_trigger="load")
    assert regions[0].attrs["hx-get"] == "/panels/failures/?window=24h"
    put(tables["requests"], request("s", status="completed", created_at=naive(ago(minutes=5))))
    later(60)
    asked.clear()
    stale = visit(client, "/")
    assert all("every 2s" in one.attrs["hx-trigger"] for one in stale.root.all("section", data_live=None))
    assert tiles(visit(client, "/panels/requests/"))["completed"] == "1", "the worker is there to read"
    assert not asked
    assert work() == len(NAMES)
    caches["process"].clear()
    fresh = visit(client, "/panels/requests/")
    assert tiles(fresh)["completed"] == "2"
    assert "every 2s" not in fresh.region.attrs["hx-trigger"]
    assert poll(client, fresh).status == 204
    assert work() == 0, "what is fresh is left alone"
    # Without a worker's heartbeat a page reads for itself.
    caches["default"].delete(panels.WORKER)
    put(tables["requests"], request("t", status="completed", created_at=naive(ago(minutes=5))))
    later()
    assert tiles(visit(client, "/panels/requests/"))["completed"] == "3"
    caches["default"].delete(panels.VIEWED)
    caches["default"].delete(f"{panels.VIEWED}:failures")  # which the navigation of every page shows
    later()
    asked.clear()
    assert work() == 0
    assert not asked


def test_what_the_worker_could_not_read_is_shown_with_its_reason_and_the_old_figures(
    tables: Any, client_for: Callable[[str], Client], asked: Asked
) -> None:
    client = client_for("viewer")
    put(tables["requests"], request("r", status="failed", created_at=naive(ago(minutes=5))))
    work()
    page = visit(client, "/panels/requests/")
    later(21)
    task = Turns(panel_figures.FIGURES, locations()[0])
    with trouble(tables["requests"], refused("ThrottlingException", "Rate exceeded")):
        task.take(threading.Event())
        assert "Rate exceeded" in task.problem or "more requests than" in task.problem
        asked.clear()
        work()
        assert not [call for call in asked if call.outcome != "ok"], "it is not asked again each second"
    panel = poll(client, page)
    assert panel.problem.attrs["data-problem"] == "throttled"
    assert tiles(panel)["failed"] == "1"
    assert "figures from 2" in panel.root.one("p", class_="panel-foot").words
    assert poll(client, panel).status == 204
    assert tiles(visit(client, "/"))["failed"] == "1"
    later()
    work()
    caches["process"].clear()
    well = poll(client, panel)
    assert (well.status, well.root.all("section", data_problem=None)) == (200, [])


def test_html_is_made_once_for_a_zone_and_only_for_those_who_may_see_it(
    tables: Any, client_for: Callable[[str], Client], django_user_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    render = drawn.render_to_string

    def counting(template: str, context: Any) -> str:
        made.append(context["title"])
        return render(template, context)

    monkeypatch.setattr(drawn, "render_to_string", counting)
    work()
    viewer, operator = client_for("viewer"), client_for("operator")
    for _ in range(3):
        visit(viewer, "/")
        visit(viewer, "/panels/workflows/?window=24h")
    assert sorted(made) == ["Agents", "Last actions", "Open cases", "Requests", "Tables", "Workflows"]
    # Newer figures take the place of older ones.
    process: Any = caches["process"]
    for name in (panel.figures_name for panel in panels.panels()):
        found = caches["default"].get(key_of(name))
        caches["default"].set(key_of(name), replace(found, at=found.at - timedelta(seconds=1)))
        forget(name)
    visit(viewer, "/")
    assert len(made) == 2 * len(NAMES)
    assert sum(":html:" in key for key in process._cache) == len(NAMES)
    made.clear()
    # The links to the tables' pages are for those who may open them.
    assert "/tables/workflows/" not in visit(viewer, "/").html
    assert "/tables/workflows/" in visit(operator, "/").html
    assert "/tables/workflows/" not in visit(viewer, "/").html
    assert made.count("Tables") == 1
    preferences = preferences_of(django_user_model.objects.get(username="operator"))
    preferences.time_zone = "Asia/Tokyo"
    preferences.save()
    assert " Asia/Tokyo" in visit(operator, "/panels/agents/").html
    assert "Asia/Tokyo" not in visit(viewer, "/panels/agents/").html


def test_the_worker_draws_ahead_for_those_who_look_what_their_page_would(
    tables: Any, client_for: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tables["workflows"], workflow("w", overallStatus="failed", createdAt=zulu(ago(minutes=5))))
    put(tables["requests"], request("r", status="completed", created_at=naive(ago(minutes=5))))
    entry(Target("requests", "r"), 0)
    viewer, operator = client_for("viewer"), client_for("operator")
    work()

    def look() -> list[str]:
        """As another process of the web server would: it has no copies."""
        shown = []
        for client, path in (
            (viewer, "/"),
            (operator, "/?window=7d"),
            (operator, "/panels/tables/?window=7d"),
        ):
            caches["process"].clear()
            shown += [str(one) for one in visit(client, path).root.all("section", data_live=None)]
        return shown

    draw, drawn_by_pages = drawn._draw, []

    def drawing(panel: Panel, *arguments: Any) -> str:
        drawn_by_pages.append(panel.key)
        return draw(panel, *arguments)

    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        look()
        now.shift(21)
        work()
        monkeypatch.setattr(drawn, "_draw", drawing)
        ahead = look()
        assert not drawn_by_pages
        # It says how long ago things are, not were.
        assert "5 min ago" in "".join(ahead)
        now.shift(5)
        assert "figures from 5 s ago" in visit(viewer, "/").words
        now.shift(-5)
        # What was drawn of older figures is not shown with newer ones.
        name = next(one.figures_name for one in panels.panels() if one.key == "workflows")
        found = caches["default"].get(key_of(name))
        caches["default"].set(key_of(name), replace(found, at=found.at + timedelta(seconds=1)))
        drawn_by_pages.clear()
        look()
        assert drawn_by_pages == ["workflows", "workflows"]
        drawn_by_pages.clear()
        caches["default"].set(key_of(name), found)
        # And so would they draw, whose figures the worker did not read.
        kept: Any = caches["default"]
        for key in [key.removeprefix(":1:") for key in kept._cache if ":html:" in key]:
            caches["default"].delete(key)
        assert look() == ahead
        assert sorted(set(drawn_by_pages)) == sorted(NAMES)


def test_the_worker_draws_only_for_the_last_looks_and_while_they_count() -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as now:
        for number in range(drawn.MAX_LOOKS + 2):
            panels.note_viewer(look=f"24h:Zone/{number}:")
            now.shift(1)
        assert panels.looks() == [f"24h:Zone/{number}:" for number in range(2, drawn.MAX_LOOKS + 2)]
        now.shift(drawn.VIEWED_SECONDS - 1)
        panels.note_viewer(look="24h:UTC:")
        assert panels.looks() == ["24h:UTC:"]
        now.shift(drawn.VIEWED_SECONDS)
        caches["process"].clear()
        assert panels.looks() == []


def test_what_a_turn_read_before_it_failed_is_kept_and_the_next_one_goes_on(
    busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = next(one for one in panels.panels() if one.key == "workflows").figures
    read, asked, left = turns.read, [], [2]

    def failing(*arguments: Any, **named: Any) -> Any:
        if not left[0]:
            raise Throttled("It gets more requests than it is allowed to serve.")
        left[0] -= 1
        asked.append(named["key"][0].values[0])
        return read(*arguments, **named)

    monkeypatch.setattr(turns, "read", failing)
    with pytest.raises(Throttled):
        figures(None)
    first, left[0] = list(asked), 100
    counts = {status: number for status, number, _ in figures(None)["windows"]["7d"]["counts"]}
    assert all(counts[status] for status in first)
    assert not set(first) & set(asked[2:4]), "those that were not read come first"


def test_figures_are_plain_so_that_another_version_can_read_or_ignore_them(tables: Any, busy: None) -> None:
    def leaves(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for key, one in value.items():
                yield key
                yield from leaves(one)
        elif isinstance(value, tuple | list):
            for one in value:
                yield from leaves(one)
        else:
            yield value

    for panel in panels.panels():
        figures = panel.figures(None)
        kinds = {type(one).__name__ for one in leaves(figures)}
        assert kinds <= {"str", "int", "float", "bool", "NoneType", "datetime", "bytes"}, panel.key
        assert panel.shown(panel.figures(figures), "1h").keys()


def test_the_figures_of_a_large_table_are_of_its_newest_rows_in_every_window(busy: None) -> None:
    windows = next(one for one in panels.panels() if one.key == "workflows").figures(None)["windows"]
    counts = {
        window: {status: number for status, number, _ in one["counts"]} for window, one in windows.items()
    }
    assert counts["1h"]["failed"] <= counts["24h"]["failed"] <= counts["7d"]["failed"]
    assert timedelta(seconds=windows["1h"]["trends"][0]) <= timedelta(minutes=2)
