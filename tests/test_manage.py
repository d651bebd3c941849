"""``manage.py`` itself, before it knows which command is meant."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import BASE_DIR


@pytest.mark.parametrize(
    ("arguments", "traced"), [(["dynamo", "status"], False), (["dynamo", "status", "--traceback"], True)]
)
def test_what_the_settings_refuse_is_one_sentence(arguments: list[str], traced: bool) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "DYNAMODB_REQUESTS_TABLE": "a/b"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    said = (
        "DYNAMODB_REQUESTS_TABLE is 'a/b'; it must be a table's name: 3 to 255 of a-z, A-Z, 0-9, _, - and . (no ARN: the "
        "region is DYNAMODB_REQUESTS_REGION, and a table of another account is reached by a role of that account).\n"
    )
    assert ended.stderr.endswith(said)
    assert ("Traceback" in ended.stderr) is traced
    assert traced or ended.stderr == said


def test_makemigrations_works_before_anything_ran(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", "--check"],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "not" / "yet")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "No changes detected\n", "")


def test_what_the_terminal_cant_encode_stops_no_command(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", "print('caf\\u00e9 \\U0001f680')"],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (0, b"caf\xe9 \\U0001f680\n"), ended.stderr
