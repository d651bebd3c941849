"""What all of ``manage.py dynamo``'s subcommands share."""

import os
import subprocess
import sys

from tests.engines import BASE_DIR


def test_a_reader_that_has_enough_is_no_error_of_ours() -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does
    try:
        ended = subprocess.run(
            [sys.executable, "manage.py", "dynamo", "policy", "--offline"],
            cwd=BASE_DIR,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert ended.returncode == 1
    assert "Error" not in ended.stderr
    assert "Traceback" not in ended.stderr
