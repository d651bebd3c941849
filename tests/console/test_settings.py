"""The console refuses to start open to strangers, and says what to do."""

import json
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from opsportal import settings as settings_module
from opsportal.setting_values import Environment, providers, steps, texts_by_name

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
        (PRODUCTION | {"CSRF_TRUSTED_ORIGINS": "https://*"}, "CSRF_TRUSTED_ORIGINS has 'https://*', which is no origin"),
        (PRODUCTION | {"CSRF_TRUSTED_ORIGINS": "https://*.example.com"}, "CSRF_TRUSTED_ORIGINS has 'https://*.example.com'"),
        ({"DYNAMODB_REQUESTS_TABLE": "my requests"}, "must be a table's name: 3 to 255 of"),
        ({"DYNAMODB_PROCESSING_STATUS_TABLE": ""}, "must be a table's name: 3 to 255 of"),
        ({"DYNAMODB_AGENTS_TABLE": "arn:aws:dynamodb:eu-north-1:111122223333:table/AgentRegistry"},
         "the region is DYNAMODB_AGENTS_REGION, and a table of another account is reached by a role of that account"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is 'xml'; it must be"),
        ({"SCRIPT_NAME": "/ops"}, "SCRIPT_NAME has the path '/ops': the console needs a host name of its own"),
        ({"BASE_URL": "https://example.com/ops/"}, "BASE_URL has the path 'ops/': the console needs a host name"),
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
def test_insecure_or_impossible_settings_are_refused_with_the_fix(
    environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read_all(monkeypatch, environment)
    assert said in str(refused.value).splitlines()[-1]


def test_a_process_whose_settings_are_refused_ends_with_the_fix() -> None:
    done = start(**PRODUCTION | {"SECRET_KEY": "short"})
    assert done.returncode != 0
    assert "SECRET_KEY is too short" in done.stderr.splitlines()[-1]


STEP = {"key": "intake", "label": "Intake", "waiting": ""}
APP = {
    "provider_id": "sso",
    "client_id": "ops",
    "secret": "hunter2",
    "settings": {"server_url": "https://login.example.com"},
}


def oidc(**changed: Any) -> dict[str, Any]:
    return {
        "openid_connect": {
            "APPS": [{name: value for name, value in {**APP, **changed}.items() if value is not None}]
        }
    }


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        *(
            ("WORKFLOW_STEPS", odd)
            for odd in (
                {"key": "intake"}, ["intake"], [{"key": "intake", "label": "Intake"}], None, 3,
                [STEP | {"label": 1}], [STEP | {"key": ""}], [STEP, STEP | {"label": "Two"}],
            )
        ),
        *(("AGENT_STEPS", odd) for odd in ([], "x", {"pdf-agent-7": 3}, {"pdf-agent-7": None}, [["a", "b"]])),
        *(
            ("SOCIALACCOUNT_PROVIDERS", odd)
            for odd in (
                [], "hunter2", {"openid_connect": []}, {"openid_connect": {}}, {"openid_connect": {"APPS": "hunter2"}},
                {"openid_connect": {"APPS": []}}, {"openid_connect": {"APPS": [{"provider_id": "sso"}]}},
                {"google": {"APP": {"secret": "hunter2"}}}, oidc(client_id=None), oidc(client_id=""), oidc(settings={}),
                oidc(settings={"server_url": "login.example.com"}), oidc(secret=5),
                oidc(provider_id=["hunter2"]), oidc(provider_id="sso/hunter2"),
                {"openid_connect": {"APPS": [APP, APP]}},
            )
        ),
    ],
)  # fmt: skip
def test_json_of_another_shape_is_refused_in_one_line_without_its_values(name: str, odd: Any) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read_json(name, json.dumps(odd))
    said = str(refused.value)
    assert said.startswith(f"{name} must be a JSON ")
    assert "\n" not in said
    assert "hunter2" not in said


def read_json(name: str, text: str) -> Any:
    shape = {"WORKFLOW_STEPS": steps, "AGENT_STEPS": texts_by_name, "SOCIALACCOUNT_PROVIDERS": providers}[
        name
    ]
    return Environment({name: text}).shaped(name, {}, shape, "a JSON value.")


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("WORKFLOW_STEPS", []), ("WORKFLOW_STEPS", [STEP, STEP | {"key": "other", "more": 1}]),
        ("AGENT_STEPS", {}), ("AGENT_STEPS", {"pdf-agent-7": "pdfAdapter", "idle": ""}),
        ("SOCIALACCOUNT_PROVIDERS", {}), ("SOCIALACCOUNT_PROVIDERS", oidc()),
        ("SOCIALACCOUNT_PROVIDERS", oidc(secret=None, name="Company login")),
        ("SOCIALACCOUNT_PROVIDERS", {"openid_connect": {"OAUTH_PKCE_ENABLED": True, **oidc()["openid_connect"]}}),
    ],
)  # fmt: skip
def test_json_of_the_right_shape_is_read_whole(name: str, fine: Any) -> None:
    assert read_json(name, f"  {json.dumps(fine)}\n") == fine


def test_what_is_refused_as_no_json_is_not_shown() -> None:
    done = start("import opsportal.settings", SOCIALACCOUNT_PROVIDERS='{"secret": "hunter2",')
    assert "SOCIALACCOUNT_PROVIDERS is not JSON" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("name", "default", "low", "high", "text"),
    [
        ("A", 60, 5, 86_400, "0"), ("A", 60, 5, 86_400, "-5"), ("A", 60, 5, 86_400, "4"), ("A", 60, 5, 86_400, "86401"),
        ("A", 60, 5, 86_400, "1e3"), ("A", 60, 5, 86_400, ""), ("A", 60, 5, 86_400, "60 s"),
        ("A", 1.0, 0.05, 60.0, "nan"), ("A", 1.0, 0.05, 60.0, "inf"), ("A", 1.0, 0.05, 60.0, "-0.1"),
        ("A", 1.0, 0.05, 60.0, "0"),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused(name: str, default: Any, low: Any, high: Any, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^A is .*(it must be an? |which is not a )") as refused:
        Environment({name: text}).number(name, default, low, high)
    assert "\n" not in str(refused.value)


def test_every_number_has_a_range_that_its_default_is_in() -> None:
    """No setting reads a number in another way, so none accepts one that makes no sense."""
    text = (ROOT / "opsportal/settings.py").read_text()
    assert not re.findall(r"env\.(?:int|float)\(", text)
    assert len(re.findall(r"env\.number\(", text)) > 25


@pytest.mark.parametrize(
    "environment",
    [
        {"ALERT_SECONDS": "0"}, {"RETENTION_GRACE_DAYS": "-3"}, {"UNDO_LOGS_MINUTES": "-1"}, {"API_TOKEN_DAYS": "0"},
        {"WORKFLOW_STUCK_MINUTES": "-1"}, {"AUDIT_ENTRY_DAYS": "0"}, {"AUDIT_IMAGE_DAYS": "-1"},
        {"METRICS_WORKER_PORT": "65536"}, {"STREAMS_AT_ONCE": "0"}, {"API_TOKEN_DAYS": "366"},
        {"AGENT_OFFLINE_SECONDS": "120"}, {"SESSION_COOKIE_AGE": "0"}, {"DYNAMO_READ_TIMEOUT": "nan"},
        {"ALLOWED_HOSTS": "https://ops.example.com"}, {"ALLOWED_HOSTS": "ops.example.com:8443"},
        {"CSRF_TRUSTED_ORIGINS": "ops.example.com"}, {"OIDC_FORM_ORIGINS": "https://login.example.com/authorize"},
        {"ALERT_WEBHOOK_ALLOW": "https://hooks.example.com"}, {"AGENT_PROBE_HOSTS": "https://agents.example.com"},
        {"BASE_URL": "ops.example.com"}, {"AWS_ENDPOINT_URL_DYNAMODB": "localhost:8000"},
        {"REQUESTS_QUEUE_URL": "arn:aws:sqs:us-east-1:111122223333:requests"}, {"DYNAMODB_AGENTS_REGION": "Stockholm"},
        {"DYNAMODB_AGENTS_KEY": "k" * 256}, {"LOG_LEVEL": "info"}, {"COOKIE_PREFIX": "ops portal"},
        # A switch that is neither on nor off.
        {"HTTPS": "flase"}, {"SECURE_SSL_REDIRECT": "'true'"}, {"DEBUG": "2"}, {"PUBLISH_AGES": "enabled"},
        # What Python reads as a number, and people do not mean.
        {"ALERT_SECONDS": "1_000"}, {"ALERT_SECONDS": "１２"}, {"DYNAMO_READ_TIMEOUT": "1,500"},
        # Empty: the working directory, every address.
        {"DATA_DIR": " "}, {"STATIC_ROOT": ""}, {"ACCESS_LOG": ""}, {"METRICS_WORKER_HOST": ""},
        {"METRICS_WORKER_HOST": "http://localhost"}, {"DATA_DIR": __file__}, {"ACCESS_LOG": str(ROOT)},
        {"BASE_URL": "https://ops.example.com\nX: y"}, {"BASE_URL": "https://ops example.com"},
        {"BASE_URL": "https://o:secret@ops.example.com"}, {"BASE_URL": "https://ops.example.com?x=1"},
        {"AWS_ENDPOINT_URL": "http://localhost:0"}, {"DATABASE_URL": "mysql://o:secret@db/ops"},
        # Longer than a name in a folder may be.
        {"DATA_DIR": "x" * 300}, {"STATIC_ROOT": "x" * 300}, {"ACCESS_LOG": "/tmp/" + "x" * 300},
        # The name that was set, not the one that it stands for.
        {"DYNAMODB_PROCESSING_STATUS_TABLE": "my table"},
        {"DATABASE_URL": "sqlite://"}, {"DATABASE_URL": "'postgres://o:secret@db/ops'"},
    ],
)  # fmt: skip
def test_what_could_only_fail_later_is_refused_with_its_name(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ((name, _),) = environment.items()
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ImproperlyConfigured, match=f"^{name} (is|has) ") as refused,
    ):
        read_all(monkeypatch, environment)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_webhooks_may_go_to_has_ports_and_no_network_that_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fine = "10.0.0.0/8,::1,fd00::/8,hooks.internal:8443,[2001:db8::1]:8443,192.0.2.7:8443"
    assert read_all(monkeypatch, {"ALERT_WEBHOOK_ALLOW": fine})["ALERT_WEBHOOK_ALLOW"] == fine.split(",")
    for text in ("10.0.0.0/33", "1.2.3", "::1/129", "10.0.0.0.0"):
        with pytest.raises(ImproperlyConfigured, match=rf"ALERT_WEBHOOK_ALLOW: '{text}' does not appear"):
            read_all(monkeypatch, {"ALERT_WEBHOOK_ALLOW": text})


def test_a_value_that_begins_with_a_dollar_names_no_other_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_all(monkeypatch, {"SECRET_KEY": f"${KEY}", "METRICS_TOKEN": f"$PATH{KEY}", "HTTPS": "On"})
    assert (found["SECRET_KEY"], found["METRICS_TOKEN"], found["HTTPS"]) == (f"${KEY}", f"$PATH{KEY}", True)


def read_all(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> dict[str, Any]:
    """The settings as a process with this environment reads them."""
    for name in [name for name in os.environ if name != "PATH"]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "opsportal/settings.py"))


def test_white_space_around_texts_and_between_the_parts_of_lists_is_no_part_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = read_all(
        monkeypatch,
        {
            "OPSPORTAL_ENV": " qa\n", "SECRET_KEY": f"{KEY}\n", "ALLOWED_HOSTS": "ops.example.com, ops2.example.com ,",
            "CSRF_TRUSTED_ORIGINS": "https://ops.example.com,\thttps://ops2.example.com:443",
            "REQUEST_TYPES": "one, two words ,", "ALERT_WEBHOOK_ALLOW": "10.0.0.0/8, hooks.internal",
            "AGENT_PROBE_HOSTS": "*.agents.example.com, 10.1.2.3:8443", "OIDC_FORM_ORIGINS": " https://login.example.com ",
            "METRICS_ALLOW": "10.0.0.0/8, 192.0.2.7", "BASE_URL": " https://ops.example.com ", "ALERT_SECONDS": " 30 ",
            "DYNAMODB_AGENTS_TABLE": " Agents ", "DYNAMODB_AGENTS_REGION": "eu-north-1 ",
        },
    )  # fmt: skip
    read = {name: found[name] for name in (
        "OPSPORTAL_ENV", "SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "REQUEST_TYPES", "ALERT_WEBHOOK_ALLOW",
        "AGENT_PROBE_HOSTS", "METRICS_ALLOW", "BASE_URL", "ALERT_SECONDS",
    )}  # fmt: skip
    assert read == {
        "OPSPORTAL_ENV": "qa", "SECRET_KEY": KEY, "ALLOWED_HOSTS": ["ops.example.com", "ops2.example.com"],
        "CSRF_TRUSTED_ORIGINS": ["https://ops.example.com", "https://ops2.example.com"],
        "REQUEST_TYPES": ["one", "two words"], "ALERT_WEBHOOK_ALLOW": ["10.0.0.0/8", "hooks.internal"],
        "AGENT_PROBE_HOSTS": ["*.agents.example.com", "10.1.2.3:8443"], "METRICS_ALLOW": ["10.0.0.0/8", "192.0.2.7"],
        "BASE_URL": "https://ops.example.com", "ALERT_SECONDS": 30,
    }  # fmt: skip
    assert found["SECURE_CSP"]["form-action"] == ["'self'", "https://login.example.com"]
    assert found["DYNAMO_TABLES"]["agents"]["name"] == "Agents"
    assert found["DYNAMO_TABLES"]["agents"]["region"] == "eu-north-1"


def test_consoles_on_one_host_share_no_cookie_and_processes_of_one_console_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cookies(**environment: str) -> set[str]:
        found = read_all(monkeypatch, environment)
        return {value for name, value in found.items() if name.endswith("_COOKIE_NAME")}

    db = "postgres://o:p@{}/ops"
    consoles = [
        cookies(),
        cookies(DATA_DIR="/var/lib/other"),
        cookies(OPSPORTAL_ENV="local"),
        cookies(DATABASE_URL="sqlite:////tmp/other.sqlite3"),
        cookies(DATABASE_URL=db.format("db")),
        cookies(DATABASE_URL=db.format("db2")),
        cookies(DATABASE_URL=db.format("db:6432")),
        cookies(COOKIE_PREFIX="ops-eu"),
    ]
    assert {len(names) for names in consoles} == {4}
    assert len(set().union(*consoles)) == 4 * len(consoles)
    assert consoles[-1] == {f"ops-eu_{name}" for name in ("session", "csrf", "messages", "device")}
    # Neither a new password of the database nor a new key signs anybody out.
    assert consoles[4] == cookies(DATABASE_URL="postgres://o:new@db/ops", SECRET_KEY=KEY, DATA_DIR="/data")


def test_a_misspelt_setting_is_found_and_what_is_no_setting_is_left() -> None:
    given = {
        "WEB_CONCURENCY": "4", "ALERT_SECOND": "60", "SECRET_KEY_FALLBACK": KEY, "DYNAMODB_AGENT_REGION": "eu-north-1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "PATH": "/bin", "HTTPS_PROXY": "http://proxy", "DATABASE_PORT": "1",
        "ALERT_SECONDS": "60", "WEB_BIND": "127.0.0.1:8000",
    }  # fmt: skip
    env = Environment(given)
    env.names |= settings_module.env.names
    assert env.misspelt() == {
        "ALERT_SECOND": "ALERT_SECONDS", "DYNAMODB_AGENT_REGION": "DYNAMODB_AGENTS_REGION",
        "SECRET_KEY_FALLBACK": "SECRET_KEY_FALLBACKS", "WEB_CONCURENCY": "WEB_CONCURRENCY",
    }  # fmt: skip


def test_every_documented_setting_is_known_to_the_search_for_misspelt_ones() -> None:
    names = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    assert len(names) > 60
    assert {name for name in names if not name.startswith("AWS_")} - settings_module.env.names == set()


@pytest.mark.parametrize("environment", [{}, PRODUCTION, PRODUCTION | {"OPSPORTAL_ENV": "qa-2"}])
def test_secure_settings_are_accepted(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_all(monkeypatch, environment)
    assert (found["DEBUG"], found["SESSION_COOKIE_SECURE"]) == (False, bool(environment))


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
    given: dict[str, str], read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_all(monkeypatch, PRODUCTION | given)["SECRET_KEY_FALLBACKS"] == read


def test_in_development_a_fallback_may_be_short_or_the_built_in_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["short", BUILT_IN]
    found = read_all(monkeypatch, {"SECRET_KEY_FALLBACKS": ",".join(keys)})
    assert found["SECRET_KEY_FALLBACKS"] == keys


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
    misspelt = start(
        code,
        **PRODUCTION,
        DATA_DIR=str(tmp_path),
        DJANGO_SETTINGS_MODULE="opsportal.settings",
        WEB_THREAD="9",
    )
    assert misspelt.returncode == 1
    assert "WEB_THREAD is not a setting." in misspelt.stderr
    assert "Did you mean WEB_THREADS?" in misspelt.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, []),
        ({"AWS_REGION": "us-east-1"}, ["AgentRegistry is looked for in us-east-1"]),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, ["requests", "processing_logs", "processing-status"]),
        ({"AWS_REGION": "us-east-1", "DYNAMODB_AGENTS_REGION": "us-east-1"}, []),
        ({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"}, []),
    ],
)
def test_a_table_that_is_looked_for_elsewhere_than_its_document_says_is_named(
    settings: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: list[str]
) -> None:
    settings.DYNAMO_TABLES = read_all(monkeypatch, environment)["DYNAMO_TABLES"]
    found = [message.msg for message in run_checks() if message.id == "opsportal.I001"]
    assert len(found) == len(said)
    assert all(any(part in message for message in found) for part in said), found


def test_single_sign_on_has_routes_only_when_configured(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); from tests.console.routes import routes; "
        "found = [route for route in routes() if 'connect' in route.name or 'socialaccount' in route.name]; "
        "print([route.name for route in found], all(route.access for route in found))"
    )
    common = {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    assert start(code, **common).stdout.startswith("[] ")
    provider = '{"openid_connect": {"APPS": [{"provider_id": "idp", "name": "IdP", "client_id": "x", "secret": "y", "settings": {"server_url": "https://idp.example.com"}}]}}'
    done = start(code, **common, SOCIALACCOUNT_PROVIDERS=provider)
    assert "openid_connect_login" in done.stdout, done.stderr
    assert done.stdout.strip().endswith("True")
    assert "signup" not in done.stdout
