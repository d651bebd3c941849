"""The console refuses to start open to strangers, and says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from opsportal import settings as settings_module

ROOT = Path(__file__).resolve().parents[2]
KEY = "k4mQ9zX1vB7nL2wE8rT5yU3iO6pA0sDfGhJcVbNqWzRxYtSuKe_-"
BUILT_IN = settings_module.INSECURE_SECRET_KEY
PRODUCTION = {"OPSPORTAL_ENV": "prod", "SECRET_KEY": KEY, "ALLOWED_HOSTS": "ops.example.com"}


def start(code: str = "import opsportal.settings", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh process that has `environment` and nothing of ours."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OPSPORTAL_ENV": "prod", "ALLOWED_HOSTS": "ops.example.com"}, "SECRET_KEY is the built-in one"),
        ({"OPSPORTAL_ENV": "qa", "ALLOWED_HOSTS": "ops.example.com"}, "SECRET_KEY is the built-in one"),
        ({"ALLOWED_HOSTS": "ops.example.com"}, "SECRET_KEY is the built-in one"),
        ({"ALLOWED_HOSTS": "localhost,*"}, "SECRET_KEY is the built-in one"),
        (PRODUCTION | {"SECRET_KEY": "short"}, "SECRET_KEY is too short"),
        (PRODUCTION | {"SECRET_KEY_FALLBACKS": "short"}, "SECRET_KEY_FALLBACKS has a key that is too short"),
        (PRODUCTION | {"SECRET_KEY_FALLBACKS": f"{KEY},{'ab' * 30}"}, "SECRET_KEY_FALLBACKS has a key that is too short"),
        (PRODUCTION | {"OPSPORTAL_ENV": "uat", "SECRET_KEY_FALLBACKS": f"short, {KEY}"}, "SECRET_KEY_FALLBACKS has a"),
        (PRODUCTION | {"SECRET_KEY_FALLBACKS": BUILT_IN}, "SECRET_KEY_FALLBACKS has the built-in key"),
        ({"SECRET_KEY": KEY, "SECRET_KEY_FALLBACKS": f"{KEY} ,{BUILT_IN} ", "ALLOWED_HOSTS": "ops.example.com"},
         "SECRET_KEY_FALLBACKS has the built-in key"),
        (PRODUCTION | {"DEBUG": "1"}, "DEBUG is on in prod"),
        (PRODUCTION | {"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS has a wildcard"),
        (PRODUCTION | {"ALLOWED_HOSTS": "*.example.com"}, "ALLOWED_HOSTS has a wildcard"),
        (PRODUCTION | {"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS has a wildcard"),
        (PRODUCTION | {"ALLOWED_HOSTS": ".example.com"}, "ALLOWED_HOSTS has a wildcard"),
        (PRODUCTION | {"CSRF_TRUSTED_ORIGINS": "https://*"}, "CSRF_TRUSTED_ORIGINS must name whole origins"),
        (PRODUCTION | {"CSRF_TRUSTED_ORIGINS": "https://*.example.com"}, "CSRF_TRUSTED_ORIGINS must name whole"),
        ({"DYNAMODB_REQUESTS_TABLE": "my requests"}, "a table's name has 3 to 255 of"),
        ({"DYNAMODB_PROCESSING_STATUS_TABLE": ""}, "a table's name has 3 to 255 of"),
        ({"DYNAMODB_AGENTS_TABLE": "arn:aws:dynamodb:eu-north-1:111122223333:table/AgentRegistry"},
         "the region is DYNAMODB_AGENTS_REGION, and a table of another account is reached by a role of that account"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is 'xml'; it must be"),
        ({"METRICS_ALLOW": "10.0.0.1/8"}, "METRICS_ALLOW: 10.0.0.1/8 has host bits set"),
        ({"METRICS_TOKEN": "secret"}, "METRICS_TOKEN is too short"),
        ({"DATABASE_URL": "opsportal"}, "DATABASE_URL is no URL of a database"),
        ({"DATABASE_URL": "postgres://o:pa/ss@db/ops"}, "DATABASE_URL is no URL of a database"),
        ({"SENTRY_DSN": "sentry.example.com"}, "SENTRY_DSN is no DSN"),
        ({"WORKFLOW_STUCK_MINUTES": "soon"}, "WORKFLOW_STUCK_MINUTES is 'soon', which is not a whole number"),
        ({"SLOW_CALL_SECONDS": "soon"}, "SLOW_CALL_SECONDS is 'soon', which is not a number"),
        ({"WORKFLOW_STEPS": "[{"}, "WORKFLOW_STEPS is not JSON: Expecting"),
        ({"WORKFLOW_STEPS": '[{"key": "intake"}]'}, "WORKFLOW_STEPS must be a JSON list"),
    ],
)  # fmt: skip
def test_insecure_or_impossible_settings_are_refused_with_the_mend(
    environment: dict[str, str], said: str
) -> None:
    done = start(**environment)
    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "odd",
    [
        {"key": "intake"},
        ["intake"],
        [{"key": "intake", "label": "Intake"}],
        [{"key": "intake", "label": 1, "waiting": ""}],
        [{"key": "", "label": "Intake", "waiting": ""}],
        [{"key": "intake", "label": label, "waiting": ""} for label in ("One", "Two")],
    ],
)
def test_a_step_list_that_pages_could_not_show_is_refused(monkeypatch: pytest.MonkeyPatch, odd: Any) -> None:
    monkeypatch.setattr(settings_module, "WORKFLOW_STEPS", odd)
    with pytest.raises(ImproperlyConfigured, match=r'WORKFLOW_STEPS must .*"key": "intake"'):
        settings_module._refuse_senseless()


def test_what_is_refused_as_no_json_is_not_shown() -> None:
    done = start("import opsportal.settings", SOCIALACCOUNT_PROVIDERS='{"secret": "hunter2",')
    assert "SOCIALACCOUNT_PROVIDERS is not JSON" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("name", ["AUDIT_ENTRY_DAYS", "AUDIT_IMAGE_DAYS"])
@pytest.mark.parametrize("days", [0, -1])
def test_an_audit_trail_that_is_deleted_as_it_is_written_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, days: int
) -> None:
    monkeypatch.setattr(settings_module, name, days)
    with pytest.raises(ImproperlyConfigured, match=f"{name} is {days}: it must be at least 1"):
        settings_module._refuse_senseless()


@pytest.mark.parametrize("fine", [[], [{"key": "intake", "label": "Intake", "waiting": ""}]])
def test_a_step_list_may_be_empty_and_a_step_without_a_waiting_text(
    monkeypatch: pytest.MonkeyPatch, fine: Any
) -> None:
    monkeypatch.setattr(settings_module, "WORKFLOW_STEPS", fine)
    settings_module._refuse_senseless()


@pytest.mark.parametrize("environment", [{}, PRODUCTION, PRODUCTION | {"OPSPORTAL_ENV": "qa-2"}])
def test_secure_settings_are_accepted(environment: dict[str, str]) -> None:
    done = start("import opsportal.settings as s; print(s.DEBUG, s.SESSION_COOKIE_SECURE)", **environment)
    assert done.stdout.split() == ["False", str(bool(environment))]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, []),
        ({"SECRET_KEY_FALLBACKS": ""}, []),
        ({"SECRET_KEY_FALLBACKS": " ,, "}, []),
        ({"SECRET_KEY_FALLBACKS": KEY[::-1]}, [KEY[::-1]]),
        ({"SECRET_KEY_FALLBACKS": f" {KEY[::-1]} ,,\t{KEY * 2},"}, [KEY[::-1], KEY * 2]),
    ],
)
def test_keys_before_the_present_one_are_read_from_the_environment(
    given: dict[str, str], read: list[str]
) -> None:
    done = start(
        "import json, opsportal.settings as s; print(json.dumps(s.SECRET_KEY_FALLBACKS))",
        **PRODUCTION,
        **given,
    )
    assert json.loads(done.stdout) == read, done.stderr


def test_in_development_a_fallback_may_be_short_or_the_built_in_key() -> None:
    keys = f"short,{BUILT_IN}"
    done = start("import opsportal.settings as s; print(*s.SECRET_KEY_FALLBACKS)", SECRET_KEY_FALLBACKS=keys)
    assert done.stdout.split() == keys.split(",")


@pytest.mark.parametrize("keys", ["hunter2hunter2", f"{KEY},hunter2hunter2"])
def test_a_refused_key_is_not_shown(keys: str) -> None:
    done = start(**PRODUCTION, SECRET_KEY_FALLBACKS=keys)
    assert done.returncode != 0
    assert "hunter2" not in done.stderr
    assert KEY not in done.stderr


def test_djangos_deployment_check_has_nothing_to_say(tmp_path: Path) -> None:
    code = (
        "import sys; from django.core.management import execute_from_command_line as run; "
        "run(['manage.py', 'check', '--deploy', '--fail-level', 'WARNING'])"
    )
    done = start(code, **PRODUCTION, DATA_DIR=str(tmp_path), DJANGO_SETTINGS_MODULE="opsportal.settings")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues" in done.stdout


def test_single_sign_on_has_routes_only_when_configured(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); from tests.console.routes import routes; "
        "found = [route for route in routes() if 'connect' in route.name or 'socialaccount' in route.name]; "
        "print([route.name for route in found], all(route.access for route in found))"
    )
    common = {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    assert start(code, **common).stdout.startswith("[] ")
    provider = '{"openid_connect": {"APPS": [{"provider_id": "idp", "name": "IdP", "client_id": "x", "secret": "y"}]}}'
    done = start(code, **common, SOCIALACCOUNT_PROVIDERS=provider)
    assert "openid_connect_login" in done.stdout, done.stderr
    assert done.stdout.strip().endswith("True")
    assert "signup" not in done.stdout
