"""What a reader does to a page stays while the demo's simulator moves the data below it: the focus, selected text, scrolled
windows and tables, open details and menus, ticked rows, and what is half typed."""

import itertools
import random
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from opsportal.demo import agents
from opsportal.demo.place import attribute_values
from opsportal.demo.simulation import heartbeats, orchestrators, workers
from opsportal.demo.simulation.world import Pace, World
from opsportal.jobs import control
from opsportal.operations.entries import Actor
from requests_app import action_views
from tests import factories
from tests.browser.refreshing import refresh
from tests.failures import cases
from tests.samples import later

OLGA = Actor("olga", "operator", "user:1001")
SESSION, REQUEST = "session-watched", "req_watched"


@types.coroutine
def _pause(seconds: float) -> Iterator[float]:
    """In place of `asyncio.sleep`: the test takes the next step."""
    yield seconds


class Simulator:
    """The demo's programs, a few of their steps at a time."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self.tables, self.number = tables, itertools.count()
        self.world = World(Pace(2_000, failure_rate=0.3), random.Random(5), sleep=_pause)
        key = tables["agents"].key
        factories.put(
            tables["agents"], *(attribute_values(one) for one in agents.build(key, datetime.now(UTC)))
        )
        # Which statuses there are is looked for once a minute.
        for status in ("initializing", "processing", "completed", "failed", "pending"):
            factories.put(tables["workflows"], factories.workflow(overallStatus=status))
            factories.put(tables["requests"], factories.request(status=status))
        self.item = self.watched()
        self.programs = [*(self.workflows() for _ in range(2)), self.log(), self.requests()]
        self.programs += [heartbeats.beat(self.world, at).__await__() for at in range(2)]
        for _ in range(6):
            self.moves()

    def watched(self) -> Iterator[float]:
        while True:
            factories.delete(self.tables["workflows"], SESSION)
            yield from orchestrators.workflow(self.world, SESSION).__await__()

    def workflows(self) -> Iterator[float]:
        while True:
            session = orchestrators.session_id(self.world)
            yield from orchestrators.workflow(self.world, session).__await__()

    def log(self) -> Iterator[float]:
        while True:
            factories.put(self.tables["requests"], factories.request(REQUEST, status="pending"))
            job = workers.Job(self.world, REQUEST, "table_processor_001")
            yield from job.claim().__await__()
            yield from job.process().__await__()

    def requests(self) -> Iterator[float]:
        while True:
            key = f"req_{next(self.number):03}"
            factories.put(self.tables["requests"], factories.request(key, status="pending"))
            yield 0.0
            job = workers.Job(self.world, key, "table_processor_002")
            yield from job.claim().__await__()
            yield from job.process().__await__()

    def moves(self, path: str = "") -> None:
        """One step of each program, and what a person does meanwhile. The watched workflow, which begins again and again,
        moves only where one is on its page: in a list its row would leave, and hold the others."""
        for program in self.programs:
            next(program)
        if SESSION in path:
            next(self.item)
        key = f"by_hand_{next(self.number):03}"
        factories.put(self.tables["requests"], factories.request(key))
        action_views.CANCEL.act(key, by=OLGA)
        for error in ("ValueError: no such page", "ThrottlingException: too many tokens"):
            cases._put(case := cases.case_of(error, runs={0: next(self.number)}), case.to_item())
        control.make("requests.purge", by=OLGA, reason="because", filter={"status": "failed"})
        later()  # the overview's figures may be ten seconds old


@dataclass(frozen=True)
class Case:
    """A page, and what its reader does to it, as selectors. `half`: what is half typed, and where."""

    path: str
    focus: str
    opens: tuple[str, ...] = ()
    ticks: str = ""
    half: tuple[str, str] = ("", "")


FILTER = ".toolbar details:has(#filter-{}) > summary"
ROW, BOX = "tr[data-row]:nth-child(2) a[data-row-link]", "tr[data-row]:nth-child(3) input[type=checkbox]"
CASES = (
    Case("/", "#panel-requests .tile", ("#panel-workflows-trends > summary",)),
    Case("/workflows/", ROW, ("#partitions > summary",), BOX, ("[data-search]", "half a sess")),
    Case("/requests/", ROW, (FILTER.format("user"),), BOX, ("#filter-user", "half a us")),
    Case("/agents/", ROW, (FILTER.format("status"),), BOX, ("#filter-status", "half a st")),
    Case(f"/workflows/{SESSION}/", ".page-tabs a[href*=raw]", (".tl-table > summary",)),
    Case(f"/requests/{REQUEST}/logs/", ".log-line:not(.is-miss) a", (), "", ("#log-search", "inf")),
    Case("/audit/", ".table-scroll", (FILTER.format("target"),), "", ("#filter-target", "half an id")),
    Case("/jobs/", ".table-scroll"),
    Case("/failures/", ".table-scroll"),
)
TICKS = re.compile(r"\d+ (s|min) ago|now")
# Where the element with the focus stands too: what one reads does not move.
STATE = """() => { const at = document.activeElement; return {
    focus: at.id || at.getAttribute('href') || at.getAttribute('aria-label') || at.tagName,
    top: Math.round(at.getBoundingClientRect().top / 3),
    scrolled: [...document.querySelectorAll('.table-scroll')].map(one => one.scrollLeft),
    open: [...document.querySelectorAll('details[open]')].map(one => one.id || one.className),
    ticked: [...document.querySelectorAll('[data-row] input:checked')].map(one => one.value),
    half: [...document.querySelectorAll('main input[type=search], main .menu input')].map(one => one.value),
    selected: getSelection().toString(),
}; }"""
# Resolves once as many answers have come as there are regions, and what came of them was drawn: it is with the next frame
# that the browser keeps in place what one looks at.
ANSWERS = """() => new Promise(done => { let left = document.querySelectorAll('[data-live]').length;
    const count = ({detail}) => { if (detail.elt.matches('[data-live]') && !--left) { document.removeEventListener('htmx:afterRequest', count); requestAnimationFrame(() => requestAnimationFrame(done)); } };
    document.addEventListener('htmx:afterRequest', count); htmx.trigger(document.body, 'console:refresh'); })"""
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
SEEN = "[...document.querySelectorAll('[data-live]')].map(one => one.getAttribute('hx-headers') + one.textContent).join()"


def does(page: Page, case: Case) -> None:
    """What the reader does."""
    for summary in case.opens:
        page.locator(summary).first.click()
    if case.half[0]:
        page.locator(case.half[0]).press_sequentially(case.half[1])
    if case.ticks:
        page.locator(case.ticks).evaluate("box => box.click()")
    page.evaluate(
        "document.querySelectorAll('.table-scroll').forEach(one => { one.scrollLeft = 9; }); scrollTo(0, 90)"
    )
    page.locator(case.focus).first.evaluate(
        "element => { element.focus({preventScroll: true}); element.scrollIntoView({block: 'nearest'}); }"
    )
    page.mouse.move(0, 0)


@pytest.mark.no_moto
@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.long)])
def test_refreshes_under_the_simulator_keep_what_the_reader_did(
    live: str, tables: dict[str, Any], page: Page, sign_in: Callable[[str], None], settings: Any, times: int
) -> None:
    settings.JOBS_MAX_OPEN = 1_000
    simulator = Simulator(tables)
    sign_in("operator")
    page.set_viewport_size({"width": 900, "height": 420})
    lost = []
    for case in CASES:
        simulator.moves(case.path)
        page.goto(live + case.path)
        expect(page.locator("[data-live]").first).to_be_visible()
        does(page, case)
        page.evaluate(DRAWN)
        before, shown = page.evaluate(STATE), set()
        assert before["focus"] != "BODY", case.path
        for _ in range(times):
            simulator.moves(case.path)
            page.evaluate(ANSWERS)
            shown.add(page.evaluate(SEEN))
            after = page.evaluate(STATE)
            lost += [
                f"{case.path}: {name}: {before[name]} is {after[name]}"
                for name in before
                if before[name] != after[name]
            ]
        assert len(shown) > 1, f"{case.path} was never refreshed"
        # Selected text holds the refreshes of its region, and nothing else does.
        page.evaluate("getSelection().selectAllChildren(document.activeElement)")
        text = page.evaluate("getSelection().toString()")
        assert text.strip(), case.path
        simulator.moves()
        refresh(page)
        expect(page.locator("#live-state"), case.path).to_contain_text("text selected")
        still = page.evaluate("getSelection().toString()")
        assert TICKS.sub("", still) == TICKS.sub("", text), case.path
        page.evaluate("getSelection().removeAllRanges(); sessionStorage.clear()")
    assert lost == [], "\n".join(lost)
