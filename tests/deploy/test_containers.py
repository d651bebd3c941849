"""The files of the containers say what they must. Whether an image builds is shown only where there is an engine."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsportal import serve
from tests.test_docs import documented

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "database"}


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace(
        "\\\n", " "
    )
    pairs = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(name.upper(), " ".join(rest.split())) for name, rest in pairs]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[start:]


def arguments(name: str, among: list[tuple[str, str]] | None = None) -> list[str]:
    return [rest for found, rest in among or instructions() if found == name]


def test_the_image_runs_as_an_ordinary_user_by_number() -> None:
    (user,) = arguments("USER", last_stage())
    uid, gid = map(int, user.split(":"))
    assert uid >= 1000
    assert gid >= 1000
    names = [name for name, _ in last_stage()]
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])


def test_bases_are_pinned_and_only_locked_wheels_are_installed() -> None:
    base, *_ = arguments("ARG")
    assert re.fullmatch(r"BASE=python:\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    assert {stage.partition(" ")[0] for stage in arguments("FROM")} == {"${BASE}"}
    (install,) = [command for command in arguments("RUN") if "pip install" in command]
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    assert "requirements/production.txt" in install


def test_the_image_holds_no_secret_and_nothing_but_the_program() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"SECRET|PASSWORD|TOKEN|AWS_", text)
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    kept = {line[1:] for line in ignore if line.startswith("!")}
    copied = {source for copy in arguments("COPY") if "--from" not in copy for source in copy.split()[:-1]}
    assert copied == kept
    assert all((ROOT / path).exists() for path in kept)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= kept


def test_what_is_written_to_is_a_volume() -> None:
    assert json.loads(arguments("VOLUME", last_stage())[0]) == ["/tmp"]
    served = dict(part.split("=", 1) for line in arguments("ENV", last_stage()) for part in line.split())
    assert served["DATA_DIR"].startswith("/tmp/")


def test_static_files_are_collected_when_it_is_built() -> None:
    (build,) = [command for command in arguments("RUN") if "collectstatic" in command]
    settings = dict(part.split("=", 1) for part in shlex.split(build) if re.match(r"[A-Z_]+=", part))
    served = dict(part.split("=", 1) for line in arguments("ENV", last_stage()) for part in line.split())
    assert settings["STATIC_ROOT"] == served["STATIC_ROOT"]


def test_the_images_commands_are_the_entry_points() -> None:
    (entry,) = arguments("ENTRYPOINT")
    assert json.loads(entry) == ["python", "-m", "opsportal.serve"]
    (default,) = arguments("CMD", last_stage())
    (check,) = arguments("HEALTHCHECK")
    commands = [json.loads(default), json.loads(check.partition("CMD ")[2])[3:]]
    commands += [service["command"] for service in OURS.values()]
    commands += [s["healthcheck"]["test"][4:] for s in OURS.values() if "test" in s.get("healthcheck", {})]
    assert {command[0] for command in commands} == {"web", "worker", "migrate", "health"}
    assert {command[0] for command in commands} <= set(serve.COMMANDS)


def test_every_variable_of_the_containers_is_a_setting() -> None:
    aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}  # read by the AWS chain
    python = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    of_image = {part.split("=")[0] for line in arguments("ENV", last_stage()) for part in line.split()}
    of_compose = {name for service in OURS.values() for name in service["environment"]}
    assert of_image - python - set(documented()) == set()
    assert of_compose - aws - set(documented()) == set()
    assert {"SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL"} <= of_compose


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_the_env_file_reaches_each_program(name: str) -> None:
    """And what is required is checked before, with the same file."""
    assert COMPOSE["services"][name]["env_file"] == [{"path": ".env", "required": False}]
    given = COMPOSE["services"][name]["environment"]
    # What has a value here wins over the file, so it must take the file's.
    fixed = {variable: value for variable, value in given.items() if value is not None and "${" not in value}
    assert set(fixed) <= {"METRICS_WORKER_PORT", "METRICS_WORKER_HOST"}


def test_secrets_have_no_default() -> None:
    text = (ROOT / "compose.yaml").read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "ALLOWED_HOSTS"):
        found = re.findall(rf"\$\{{{name}(.)", text)
        assert found
        assert set(found) == {":"}
        assert re.findall(rf"\$\{{{name}:(.)", text) == ["?"] * len(found)
    given = [value for service in COMPOSE["services"].values() for value in service["environment"].items()]
    for name, value in given:
        if re.search("PASSWORD|SECRET|TOKEN|KEY|DSN|DATABASE_URL", name):
            assert value is None or ":?" in value, name


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_what_runs_on_is_watched_and_waits_for_the_database() -> None:
    services = COMPOSE["services"]
    assert all("test" in services[name]["healthcheck"] for name in ("worker", "database"))
    assert "healthcheck" not in services["console"]  # the image's own
    for name in ("console", "worker"):
        waits = {other: how["condition"] for other, how in services[name]["depends_on"].items()}
        assert waits == {"database": "service_healthy", "migrate": "service_completed_successfully"}
    assert re.fullmatch(r"postgres:\d+-\w+", services["database"]["image"])
