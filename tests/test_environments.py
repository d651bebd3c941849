"""The name of an environment: what it may be, and what follows from it, everywhere from one module."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from opsportal.environments import NAME, colour_of, is_live, is_strict

ROOT = Path(__file__).resolve().parents[1]
SAFE = {
    "SECRET_KEY": "k4mQ9zX1vB7nL2wE8rT5yU3iO6pA0sDfGhJcVbNqWzRxYtSuKe_-",
    "ALLOWED_HOSTS": "ops.example.com",
}


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """The settings as an environment of these variables, and safe otherwise, makes them."""
    with monkeypatch.context() as patch:
        for name, value in {**SAFE, **environment}.items():
            patch.setenv(name, value)
        return runpy.run_path(str(ROOT / "opsportal/settings.py"))


def test_any_name_that_tables_can_begin_with_is_taken_and_all_but_two_are_strict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, strict, colour in (
        ("dev", False, "grey"), ("local", False, "grey"), ("dev-2", True, "amber"), ("development", True, "amber"),
        ("qa", True, "amber"), ("uat", True, "amber"), ("staging", True, "amber"), ("2", True, "amber"),
        ("prod", True, "red"), ("production", True, "red"), ("preprod", True, "red"), ("eu-prd-1", True, "red"),
        ("live", True, "red"), ("a" * 20, True, "amber"),
    ):  # fmt: skip
        assert NAME.fullmatch(name)
        assert (is_strict(name), colour_of(name)) == (strict, colour)
        found = read(monkeypatch, OPSPORTAL_ENV=name)
        assert found["DYNAMO_TABLES"]["requests"]["name"] == f"{name}-market_intelligence_requests"
        assert found["OWN_TABLE_PREFIX"] == f"{name}-opsportal_"
        assert (found["SESSION_COOKIE_SECURE"], found["SECURE_HSTS_SECONDS"] > 0) == (strict, strict)
        assert found["LOG_FORMAT"] == ("json" if strict else "line")
    assert is_live("eu-prod-1")
    assert not is_live("qa")


def test_a_strict_environment_refuses_what_development_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("qa", "dev-2", "prod"):
        for insecure, said in (
            ({"SECRET_KEY": "short"}, "SECRET_KEY is too short"),
            ({"DEBUG": "1"}, f"DEBUG is on in {name}"),
            ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS has a wildcard"),
        ):
            with pytest.raises(ImproperlyConfigured, match=said):
                read(monkeypatch, OPSPORTAL_ENV=name, **insecure)
            assert read(monkeypatch, OPSPORTAL_ENV="local", **insecure)["OPSPORTAL_ENV"] == "local"


@pytest.mark.parametrize(
    ("variable", "values", "sentence"),
    [
        ("OPSPORTAL_ENV", ["", "Prod", "my_env", "-qa", "a" * 21, "q a", "qa\n1", "qé", "a.b"],
         r"OPSPORTAL_ENV is '.*'; it must be 1 to 20 of a-z, 0-9 and -, without - at its start, such as dev, qa or prod."),
        ("ENVIRONMENT_COLOUR", ["green", "Red", "#f00"], "ENVIRONMENT_COLOUR is '.*'; it must be grey, amber or red."),
        ("REQUEST_TABLES_SPELLING", ["", "hyphens", "-", "Hyphen"],
         "REQUEST_TABLES_SPELLING is '.*'; it must be underscore or hyphen."),
    ],
)  # fmt: skip
def test_other_values_are_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, values: list[str], sentence: str
) -> None:
    for value in values:
        with pytest.raises(ImproperlyConfigured, match=sentence):
            read(monkeypatch, **{variable: value})


def test_one_setting_spells_both_names_and_a_name_of_its_own_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    def names(**environment: str) -> tuple[str, str]:
        tables = read(monkeypatch, OPSPORTAL_ENV="eu-qa", **environment)["DYNAMO_TABLES"]
        return tables["requests"]["name"], tables["request_logs"]["name"]

    assert names() == ("eu-qa-market_intelligence_requests", "eu-qa-request_processing_logs")
    hyphens = ("eu-qa-market-intelligence-requests", "eu-qa-request-processing-logs")
    assert names(REQUEST_TABLES_SPELLING="hyphen") == hyphens
    own = {"REQUEST_TABLES_SPELLING": "hyphen", "DYNAMODB_REQUEST_LOGS_TABLE": "their_logs"}
    assert names(**own) == (hyphens[0], "their_logs")


def test_no_other_place_compares_the_name() -> None:
    packages = (
        "opsportal",
        "tracking",
        "requests_app",
        "registry",
        "writers",
        "scripts",
        "benchmarks",
        "templates",
    )
    for package in packages:
        for path in (ROOT / package).rglob("*"):
            if path.suffix in (".py", ".html") and path.name != "environments.py":
                compared = re.search(r"""[!=]=\s*["'](dev|local|staging|prod)["']""", path.read_text())
                assert not compared, f"{path}: ask opsportal.environments"
