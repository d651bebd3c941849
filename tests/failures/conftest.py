"""Fixtures of these tests: a walk whose clock the test moves."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.dynamo.tables import Binding
from opsportal.failures import store
from opsportal.failures.case import Case, State
from opsportal.failures.mark import Mark, Progress
from opsportal.failures.walking import Walker
from opsportal.operations.commits import commit
from opsportal.operations.tables import jobs_table_for
from tests.factories import step, workflow, zulu
from tests.operations.places import put


class Walk:
    """Turns of a worker over the workflows, and items that fail on its clock. The walk has begun a minute ago."""

    def __init__(self, tables: dict[str, Binding]) -> None:
        self.table, self.tables = tables["workflows"], tables
        self.at = time.time()
        self.walker = Walker(lambda: self.at)
        self.turn()
        self.at += 60
        self.began = self.now

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def ago(self, **length: float) -> datetime:
        return self.now - timedelta(**length)

    def turn(self, walker: Walker | None = None) -> int:
        return (walker or self.walker).turn(self.table, lambda: False)

    def later(self, seconds: float = 11, walker: Walker | None = None) -> int:
        """A turn so much later."""
        self.at += seconds
        return self.turn(walker)

    def settled(self) -> int:
        """All that has failed until now is counted; how many that were."""
        counted = self.later(20)
        for _ in range(50):
            if not self.mark.under_way and self.mark.until >= self.ago(seconds=40):
                return counted
            counted += self.later()
        raise AssertionError("The pass does not end.")

    def fail(
        self, key: str, error: Any = "SomeError: bad 1", at: datetime | None = None, **values: Any
    ) -> None:
        """A workflow that fails at that time, or now. Nothing but its update tells one failure from another."""
        at = at or self.now
        given = {
            "overallStatus": "failed", "createdAt": zulu(at - timedelta(minutes=2)), "lastUpdated": zulu(at),
            "pdfAdapter": step("error", error=error, completedAt=None), **values,
        }  # fmt: skip
        put(self.table, workflow(key, **given))

    @property
    def mark(self) -> Mark:
        found = store.mark_of(self.table.logical)
        assert found
        return found

    @property
    def progress(self) -> Progress:
        return self.mark.progress(self.now)

    @property
    def case(self) -> Case:
        (found,) = self.cases
        return found

    @property
    def cases(self) -> list[Case]:
        return [*store.active(), *store.resolved()]

    def resolve(self, case: Case, at: datetime | None = None) -> None:
        """As a person does it."""
        at = at or self.now
        after = replace(
            case,
            state=State.RESOLVED,
            reason="fixed",
            closed_by="olga",
            closed_at=at,
            owner="olga",
            owner_id="user:1",
        )
        commit(jobs_table_for(self.table), store.change(case, after, at))

    def total(self) -> int:
        return sum(case.count for case in self.cases)


@pytest.fixture
def walk(tables: dict[str, Binding]) -> Walk:
    return Walk(tables)
