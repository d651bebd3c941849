"""What the apps bring is found where it is read, in their order, and nothing in common names an app."""

import ast
import re
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from opsportal.accounts import models, roles, scopes
from opsportal.alerts import watches
from opsportal.console import context, labels, panels
from opsportal.descriptors import AppDescriptor, Page, Panel, Scope, descriptors
from opsportal.operations import outbox, resource_types
from opsportal.tables import ages, permissions
from opsportal.tables.retention import rules

COMMON = ("accounts", "alerts", "api", "console", "operations", "tables", "urls.py", "descriptors.py")
OF_AN_APP = re.compile(r"(tracking|requests_app|registry|requests)[.:]\w+")


def test_the_apps_come_in_the_order_of_the_navigation() -> None:
    assert [page.label for page in context.pages()] == [
        "Overview", "Failures", "Workflows", "Requests", "Agents", "Alerts", "Jobs", "Audit", "Tables", "Accounts",
    ]  # fmt: skip
    assert [panel.title for panel in panels.panels()] == [
        "Open cases",
        "Workflows",
        "Requests",
        "Agents",
        "Last actions",
        "Tables",
    ]


def test_a_descriptor_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        descriptors()[0].page = None  # type: ignore[misc]
    assert descriptors() is descriptors()


CACHED = (
    roles.grants, scopes.all_scopes, outbox.handlers, watches.by_name, resource_types._subjects, labels._labels,
)  # fmt: skip


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppDescriptor]:
    """One more app, as its descriptor alone."""
    workflows = next(one for one in descriptors() if one.resource_type)
    assert workflows.resource_type
    (watch, *_) = workflows.watches
    made = AppDescriptor(
        page=Page("Reports", "inbox", "tracking:list", "reports.view_reports", "/reports/"),
        panel=Panel("reports", "Reports", "reports/panel.html", lambda before: {}, lambda *_: {}, str),
        saved_views={"reports": "reports:list"},
        grants={roles.OPERATOR: ("reports.cancel_reports",)},
        scopes=(Scope("reports:read", "See reports", ("reports.view_reports",)),),
        resource_type=replace(workflows.resource_type, name="report", logical="reports"),
        messages={"reports.sent": lambda message, table: None},
        watches=(replace(watch, name="report.failed"),),
        ages=workflows.ages,
        iam={"ReadOneItem": ("reports",), "CarryOutMessages": ("jobs@reports",)},
        queue="REPORTS_QUEUE_URL",
        labels={"report_id": "Number of the report", "hidden": "", "more-*": "More: {}, {words}"},
    )
    every = (*descriptors(), made)
    for module in (
        models,
        roles,
        scopes,
        watches,
        context,
        panels,
        outbox,
        resource_types,
        ages,
        permissions,
        rules,
        labels,
    ):
        monkeypatch.setattr(module, "descriptors", lambda: every)
    for one in CACHED:
        one.cache_clear()
    yield made
    for one in CACHED:
        one.cache_clear()


def test_one_value_brings_an_app_everywhere(reports: AppDescriptor) -> None:
    assert context.pages()[-1] is reports.page
    assert panels.panels()[-1] is reports.panel
    assert ("reports", "Reports") in models.page_choices()
    assert roles.roles_with("reports.cancel_reports") == ["operator", "administrator"]
    assert scopes.scope_with("reports.view_reports") == "reports:read"
    assert resource_types.of_logical("reports") is reports.resource_type
    assert outbox.handlers()["reports.sent"] is reports.messages["reports.sent"]
    assert watches.watch("report.failed") in watches.watches()
    assert ages.watched_tables()[-1] is reports.ages
    assert "REPORTS_QUEUE_URL" in permissions.queue_settings()
    names = ("report_id", "hidden", "more-of_it", "not_known", "")
    assert [*map(labels.label_of, names)] == [
        "Number of the report",
        "",
        "More: of_it, of it",
        "Not known",
        "",
    ]
    asked = {one.sid: one.targets() for one in permissions.features("operator") if one.sid in reports.iam}
    assert "reports" in [target.table for target in asked["ReadOneItem"]]
    (jobs,) = asked["CarryOutMessages"]
    assert jobs.beside[-1] == "reports"


def _named(path: Path) -> list[str]:
    tree: Any = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node) is not None
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
        and OF_AN_APP.fullmatch(node.value)
    ]  # fmt: skip


@pytest.mark.parametrize("part", COMMON)
def test_nothing_in_common_names_an_app(part: str) -> None:
    there = Path(settings.BASE_DIR, "opsportal", part)
    modules = [there] if there.is_file() else sorted(there.rglob("*.py"))
    assert modules
    assert {str(path): named for path in modules if (named := _named(path))} == {}
