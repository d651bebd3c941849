"""What the environment asks of `make run` is checked before anything starts."""

from pathlib import Path

import pytest

from opsportal.run import environment
from opsportal.run.claims import only_run
from opsportal.run.environment import kept_secret
from opsportal.run.options import BASE_DIR, Options, RefusalError
from opsportal.run.program import fresh_log


def test_everything_has_a_default() -> None:
    assert Options.read({}) == Options(8000, None, BASE_DIR / ".data", demo="1", simulate=True, engine="")
    assert Options.read({"DEMO": "hostile"}).demo == "hostile"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "http", "PORT is 'http'; use a number from 1 to 65535."),
        ("PORT", "70000", "PORT is '70000'; use a number from 1 to 65535."),
        ("ENGINE_PORT", "0", "ENGINE_PORT is '0'; use a number from 1 to 65535."),
        ("DEMO", "yes", "DEMO is 'yes'; use 1, 0 or hostile."),
        ("SIMULATE", "2", "SIMULATE is '2'; use 1 or 0."),
        ("OPSPORTAL_ENGINE", "mysql", "OPSPORTAL_ENGINE is 'mysql'; use dynoxide, moto or aws."),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_a_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        Options.read({name: value})
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "environ", [{"OPSPORTAL_ENGINE": "aws"}, {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:4566"}]
)
def test_existing_tables_are_used_when_they_are_named(environ: dict[str, str]) -> None:
    assert Options.read(environ).engine == "aws"


def test_a_data_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RefusalError, match="set DATA_DIR to another"), only_run(tmp_path / "file" / "x", 1):
        pass


def test_the_engines_children_get_no_way_to_amazon() -> None:
    mine = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "AWS_REGION": "eu-west-1",
        "PATH": "/bin",
    }
    given = environment.with_engine(mine, "http://127.0.0.1:1", Path("/data/engine.sqlite3"))
    assert given["AWS_ACCESS_KEY_ID"] == "local"
    assert given["PATH"] == "/bin"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"} & given.keys()
    assert given["OPSPORTAL_ENGINE_IS_VOLATILE"] == "0"


def test_tables_are_not_made_elsewhere_because_the_shell_says_that_the_engine_is_ours(tmp_path: Path) -> None:
    said = {"OPSPORTAL_DEMO_DATABASE": "", "OPSPORTAL_ENGINE_IS_VOLATILE": "1", "SECRET_KEY": "k" * 50}
    options = Options.read({"OPSPORTAL_ENGINE": "aws", "DATA_DIR": str(tmp_path)})
    assert not environment.common(options, said).keys() & set(said) - {"SECRET_KEY"}


def test_a_table_with_an_endpoint_of_its_own_is_not_filled_with_demo_data() -> None:
    with pytest.raises(RefusalError, match="DYNAMODB_AGENTS_ENDPOINT_URL is set"):
        environment.with_engine({"DYNAMODB_AGENTS_ENDPOINT_URL": "https://x"}, "http://127.0.0.1:1", None)


def test_a_secret_that_was_half_written_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    file.touch()
    assert kept_secret(file, lambda: "new") == "new"
    assert kept_secret(file, lambda: "newer") == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"x" * 5_000_001)
    assert fresh_log(log) == log
    assert not log.exists()
    assert (tmp_path / "engine.log.1").exists()


def test_queues_that_were_named_are_replaced_by_our_own() -> None:
    real = "https://sqs.eu-west-1.amazonaws.com/1/real"
    mine = {"REQUESTS_QUEUE_URL": real, "AWS_ENDPOINT_URL_SQS": "https://sqs.example", "PATH": "/bin"}
    given = environment.with_queues(mine, "http://127.0.0.1:1")
    assert given["PATH"] == "/bin"
    assert given["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:1"
    assert given["REQUESTS_QUEUE_URL"].startswith("http://127.0.0.1:1/")
    assert given["REQUESTS_QUEUE_URL"].endswith("/requests")
    assert given["WORKFLOW_COMMANDS_QUEUE_URL"].endswith("/workflow-commands")
