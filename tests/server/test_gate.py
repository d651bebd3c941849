"""Lists and panels wait for their turn without a thread, in order and for a bounded time."""

from types import SimpleNamespace
from typing import Any

import pytest

from opsportal.server.gate import WAIT_SECONDS, Gate, Load
from opsportal.server.paths import loads

LIMITS = {Load.LIST: 3, Load.PANEL: 2}


class Conn:
    def __init__(self, path: str) -> None:
        self.request: Any = SimpleNamespace(method="GET", path=path) if path else None


def conn(path: str) -> Any:
    return Conn(path)


@pytest.fixture
def gate() -> Gate:
    """A path is what it counts as."""
    made = Gate()
    known = {"list": Load.LIST, "panel": Load.PANEL}
    made.load_of, made.limit = lambda method, path: known.get(path.rstrip("0123456789")), LIMITS.__getitem__
    return made


def test_lists_before_panels_and_the_oldest_first(gate: Gate) -> None:
    lists, panels = [conn(f"list{i}") for i in range(5)], [conn(f"panel{i}") for i in range(3)]
    assert [gate.enter(one, 0) for one in panels] == [True, True, False]
    assert [gate.enter(one, 0) for one in lists] == [True, False, False, False, False]
    for other in (conn("item"), conn("")):  # and what is no request at all
        assert gate.enter(other, 0)
        assert gate.leave(other) == []
    assert gate.leave(panels[0]) == [lists[1]]
    assert gate.leave(lists[0]) == [lists[2]]
    assert gate.leave(lists[1]) == [lists[3]]
    assert gate.leave(lists[2]) == [lists[4]]
    assert gate.leave(lists[3]) == []  # a panel would be the third
    assert gate.leave(lists[4]) == [panels[2]]
    assert gate.leave(panels[1]) == gate.leave(panels[2]) == []
    assert not gate.inside
    assert not gate.waiting


def test_whose_turn_does_not_come_is_let_go(gate: Gate) -> None:
    first, second, third = conn("panel1"), conn("panel2"), conn("panel3")
    assert gate.enter(first, 0)
    assert gate.enter(second, 0)
    assert not gate.enter(third, 1)
    assert gate.late(WAIT_SECONDS) == []
    assert gate.late(1 + WAIT_SECONDS) == [third]
    assert gate.leave(third) == []  # it is answered, and had no turn to give on
    assert gate.leave(first) == []
    assert gate.enter(third, 9)


def test_each_address_is_what_its_view_declares() -> None:
    load_of = loads()
    for path in ("/workflows/", "/requests/", "/requests/r~2F1/logs/", "/agents/", "/audit/", "/jobs/", "/api/workflows",
                 "/api/requests", "/api/requests/x/logs", "/api/audit", "/api/jobs"):  # fmt: skip
        assert load_of("GET", path) == load_of("HEAD", path) == Load.LIST, path
        assert load_of("POST", path) is None, path
    for path in (
        "/panels/workflows/",
        "/panels/tables/",
        "/tables/requests/deployed/",
        "/workflows/steps/a/",
    ):
        assert load_of("GET", path) == Load.PANEL, path
    for path in ("/", "/workflows/w/", "/requests/r/", "/requests/r/logs/x/", "/api/workflow/w/status", "/workflow/w/status",
                 "/api/requests/r", "/tables/", "/static/a.css", "/healthz", "/requests/r/cancel/", "/x/workflows/"):  # fmt: skip
        assert load_of("GET", path) is None, path
