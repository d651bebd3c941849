"""The examples of docs/deploy.md, containers.md, systemd.md, sign-in.md and monitoring.md work."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from opsportal import serve
from tests.console.test_settings import start
from tests.deploy.test_single_sign_on import SIGN_IN, example
from tests.test_docs import blocks, known, text_of

KEY = "k4mQ9zX1vB7nL2wE8rT5yU3iO6pA0sDfGhJcVbNqWzRxYtSuKe_-"


def environment() -> dict[str, str]:
    """The example of /etc/opsportal/environment."""
    found = re.search(
        r"<!-- environment -->\n```sh\n(.*?)^```$", text_of("docs/deploy.md"), re.DOTALL | re.MULTILINE
    )
    assert found
    return dict(line.split("=", 1) for line in found[1].splitlines() if not line.startswith("#"))


def test_the_example_passes_the_deployment_check_and_leads_to_the_provider(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); "
        "from django.core.management import call_command as call; "
        "call('check', deploy=True, fail_level='WARNING'); "
        "from django.conf import settings; print('FORM', settings.SECURE_CSP['form-action']); "
        "print('DATABASE', settings.DATABASES['default']); "
        "from django.urls import reverse; print(reverse('openid_connect_callback', args=['sso']))"
    )
    given = environment() | example()
    given |= {"SECRET_KEY": KEY, "DATA_DIR": str(tmp_path), "ACCESS_LOG": str(tmp_path / "access")}
    done = start(code, **given, DJANGO_SETTINGS_MODULE="opsportal.settings")
    assert "no issues" in done.stdout, done.stderr
    assert "FORM [\"'self'\", 'https://login.example.com']" in done.stdout
    database = next(line for line in done.stdout.splitlines() if line.startswith("DATABASE"))
    for part in ("'HOST': 'database.internal'", "'sslmode': 'verify-full'", "'CONN_MAX_AGE': 60"):
        assert part in database
    address = done.stdout.splitlines()[-1]
    assert address == "/accounts/oidc/sso/login/callback/", done.stderr
    assert f"https://{given['ALLOWED_HOSTS']}{address}`" in SIGN_IN


def test_every_variable_of_the_examples_is_a_setting() -> None:
    assert set(environment()) - known() == set()
    assert set(example()) - known() == set()


def test_the_task_definition_holds_no_secret_and_starts_the_entry_point() -> None:
    (task,) = map(json.loads, blocks(text_of("docs/containers.md"), "json"))
    assert task["taskRoleArn"] != task["executionRoleArn"]
    names = {container["name"]: container for container in task["containerDefinitions"]}
    assert set(names) == {"console", "worker"}
    for container in names.values():
        assert container["readonlyRootFilesystem"] is True
        assert container["user"] == "10001:10001"
        assert container["command"][0] in serve.COMMANDS
        given = {pair["name"] for pair in container["environment"]}
        secrets = {pair["name"] for pair in container["secrets"]}
        assert not {name for name in given if re.search("KEY|TOKEN|DATABASE_URL|DSN|PROVIDERS", name)}
        assert {"SECRET_KEY", "DATABASE_URL"} <= secrets
        assert (given | secrets) - known() == set()
        assert container["healthCheck"]["command"][:4] == ["CMD", "python", "-m", "opsportal.serve"]


def units() -> dict[str, configparser.ConfigParser]:
    """The systemd units, by the name in their first line."""
    found = {}
    for block in blocks(text_of("docs/systemd.md"), "ini"):
        name = re.match(r"# /etc/systemd/system/(\S+)\n", block)
        assert name
        unit = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(block)
        found[name[1]] = unit
    return found


def test_the_units_are_confined_and_start_the_entry_point() -> None:
    found = units()
    assert {"opsportal.service", "opsportal-worker.service"} <= set(found)
    for name, unit in found.items():
        if not name.endswith(".service"):
            continue
        service: Any = unit["Service"]
        command = re.search(r"-m opsportal\.serve (\w+)", service["ExecStart"])
        assert command
        assert command[1] in serve.COMMANDS
        assert service["User"] == "opsportal"
        assert service["ProtectSystem"] == "strict"
        assert service["NoNewPrivileges"] == "yes"
        assert service["CapabilityBoundingSet"] == ""
        assert service["EnvironmentFile"] == "/etc/opsportal/environment"


@pytest.mark.parametrize("kind", ["dynamodb", "actions", "outbox", "worker", "http"])
def test_documented_metrics_are_those_of_the_code(kind: str) -> None:
    from opsportal.telemetry import figures

    made = {
        name + ("_total" if type(figure).__name__ == "Counter" else "")
        for figure in vars(figures).values()
        if (name := getattr(figure, "_name", "")).startswith(f"opsportal_{kind}")
    }
    said = set(re.findall(rf"`(opsportal_{kind}\w*)`", text_of("docs/monitoring.md")))
    assert made
    assert said == made


def test_every_field_of_the_log_is_documented() -> None:
    from opsportal.telemetry.logs import FIELDS

    part = text_of("docs/monitoring.md").partition("## Logs")[2].partition("\n## ")[0]
    assert set(FIELDS) <= set(re.findall(r"`(\w+)`", part))
