"""The folder of a spool holds what is not of this writer, or can't be read. No engine is needed."""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from tests.writing import Heard, refusal
from writers import RequestWriter, StatusWriter
from writers.locations import account_of_key
from writers.segments import line_of

FACTS = {"correlation_id": "corr", "document_id": "doc.pdf", "source_type": "BANK"}
# Ids as AWS makes them: of account 029608264753 twice, and of another.
ONE, ONE_AS_WELL, ANOTHER = "ASIAQNZGKIQY56JQ7WML", "AKIAQNZGKIQYZZZZZZZZ", "AKIASP2TPHJSQH3FJRUX"


class Place:
    """Where a table of the name ``t`` is. ``seen``: the ids that its DynamoDB was asked to put while it was up."""

    def __init__(
        self,
        folder: Path,
        region: str = "eu-west-1",
        endpoint: str | None = None,
        key: str = "id",
        user: str = ONE,
    ) -> None:
        self.folder, self.key, self.up, self.seen, self.heard = folder, key, True, list[str](), Heard()
        self.client: Any = boto3.client(
            "dynamodb",
            region,
            endpoint_url=endpoint or f"https://dynamodb.{region}.amazonaws.com",
            aws_access_key_id=user,
            aws_secret_access_key="x",
        )
        self.client.meta.events.register("before-call.dynamodb", self._answer)
        self.writers: list[Any] = []

    def _answer(self, params: Any, **_: Any) -> Any:
        if not self.up:
            raise EndpointConnectionError(endpoint_url="x")
        asked = json.loads(params["body"])
        puts = [put["PutRequest"] for some in asked.get("RequestItems", {}).values() for put in some]
        for put in puts or [asked]:
            self.seen.append(put["Item"].get("message", put["Item"].get(self.key))["S"])
        answer = {"ConsumedCapacity": {}, "UnprocessedItems": {}, "ResponseMetadata": {"HTTPStatusCode": 200}}
        return SimpleNamespace(status_code=200, headers={}), answer

    def writer(self, **options: Any) -> StatusWriter:
        made = StatusWriter(
            "t", key=self.key, client=self.client, spool_dir=self.folder, on_trouble=self.heard, **options
        )
        self.writers.append(made)
        return made

    def leaves(self, *sessions: str) -> None:
        """What a process that has ended has kept there."""
        self.up = False
        writer = self.writer()
        for session in sessions:
            assert writer.initialize(session, **FACTS).outcome == "spooled"
        assert writer.close(0) is False
        self.up = True


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def place(**options: Any) -> Place:
        made.append(Place(tmp_path, **options))
        return made[-1]

    yield place
    for one in made:
        for writer in one.writers:
            writer.close(0)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.spool"))


# --- Tables of one name -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"region": "us-east-1"},
        {"endpoint": "http://127.0.0.1:8000"},
        {"key": "sessionId"},
        {"user": ANOTHER},
    ],
    ids=lambda other: next(iter(other)),
)
def test_records_for_another_table_of_the_name_are_left_to_its_writers(
    places: Callable[..., Place], other: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = places(), places(**other)
    first.leaves("a", "b")
    caplog.clear()
    with caplog.at_level(logging.WARNING, "tracking.writer"):
        writer = second.writer(spool_bytes=600)  # of which theirs take nothing
        assert writer.initialize("mine", **FACTS).outcome == "written"
        assert writer.flush() is True
    (said,) = [record.getMessage() for record in caplog.records]
    assert "another table of this name" in said
    assert "eu-west-1, key id, account 029608264753" in said
    assert [trouble.sentence for trouble in second.heard.troubles] == [said]
    assert (second.seen, writer.trouble, len(files(first.folder))) == (["mine"], None, 1)
    second.up = False
    assert writer.initialize("mine, too", **FACTS).outcome == "spooled"
    assert first.writer().flush() is True
    assert first.seen == ["a", "b"]
    second.up = True
    assert writer.flush() is True
    assert (second.seen, files(first.folder)) == (["mine", "mine, too"], [])


@pytest.mark.parametrize(
    "same",
    [
        {"endpoint": "https://dynamodb-fips.eu-west-1.amazonaws.com"},
        {"endpoint": "https://vpce-1-2.dynamodb.eu-west-1.vpce.amazonaws.com"},
        {"user": ONE_AS_WELL},
        {"user": "unknown"},
    ],
    ids=lambda same: next(iter(same.values())),
)
def test_another_way_to_the_table_and_another_key_of_its_account_replay_them(
    places: Callable[..., Place], same: dict[str, str]
) -> None:
    first, second = places(), places(**same)
    first.leaves("a")
    assert second.writer().flush() is True
    assert (second.seen, second.heard.troubles) == (["a"], [])


def test_lines_of_logs_are_left_to_their_table_too(places: Callable[..., Place], tmp_path: Path) -> None:
    first, second = places(), places(region="us-east-1")

    def worker(place: Place) -> RequestWriter:
        made = RequestWriter(
            "r", worker_id="w", logs_table="l", client=place.client, spool_dir=tmp_path, log_interval=0
        )
        place.writers.append(made)
        return made

    first.up = False
    ended = worker(first)
    assert ended.logs is not None
    assert ended.logs.add("r", "INFO", "a line", "s", {}).outcome == "spooled"
    ended.close(0)
    first.up = True
    assert worker(second).flush() is True
    assert worker(first).flush() is True
    assert (first.seen, second.seen) == (["a line"], [])


def test_an_account_is_read_from_a_key_of_aws() -> None:
    keys = [ONE, ONE_AS_WELL, ANOTHER, "AKIAIOSFODNN7EXAMPLE", "x", "", "AKIA1111111111111111"]
    assert [account_of_key(key) for key in keys] == [
        "029608264753",
        "029608264753",
        "171436882533",
        "",
        "",
        "",
        "",
    ]


def earlier(folder: Path, session: str) -> Path:
    """A file as an earlier version left it."""
    record = {"op": "initialize", "item": session, "at": "2025-12-24T10:00:00+00:00", "vital": True}
    path = folder / "t" / "01764410000000000000-7-0a1b2c3d.spool"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(line_of(json.dumps(record | {"args": {"texts": {"sourceType": "BANK"}}}).encode()))
    return path


def test_what_an_earlier_version_left_is_replayed(places: Callable[..., Place], tmp_path: Path) -> None:
    path, place = earlier(tmp_path, "old"), places()
    assert place.writer().flush() is True
    assert (place.seen, path.exists(), place.heard.troubles) == (["old"], False, [])


def test_where_tables_share_the_folder_it_is_left_and_said(
    places: Callable[..., Place], tmp_path: Path
) -> None:
    path, first, second = earlier(tmp_path, "old"), places(), places(region="us-east-1")
    second.leaves("b")
    writer = first.writer()
    for _ in range(2):
        assert writer.flush() is True
    (line,) = [trouble.sentence for trouble in first.heard.troubles if str(path) in trouble.sentence]
    assert "Move the file to a spool_dir that only its table's writers use" in line
    for file in set(files(tmp_path)) - {path}:
        file.unlink()
    assert writer.flush() is True
    assert (first.seen, path.exists()) == ([], True)
    path.rename(tmp_path / path.name)
    (tmp_path / "aside" / "t").mkdir(parents=True)
    (tmp_path / path.name).rename(tmp_path / "aside" / "t" / path.name)
    alone = StatusWriter("t", key="id", client=first.client, spool_dir=tmp_path / "aside")
    assert alone.close() is True
    assert first.seen == ["old"]


# --- Entries that can't be read -----------------------------------------------------------------------


def a_link_to_a_file(path: Path) -> None:
    target = path.parent.parent / "elsewhere"
    target.write_bytes(line_of(b'{"op":"initialize","item":"x","at":"2025-12-24T10:00:00+00:00","args":{}}'))
    path.symlink_to(target)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()
        os.chdir(path.parent)  # its whole path may be too long for an address
        made.bind(path.name)
        os.chdir(here)


ENTRIES: dict[str, Callable[[Path], None]] = {
    "directory": Path.mkdir,
    "dangling link": lambda path: path.symlink_to(path.parent / "gone"),
    "link to itself": lambda path: path.symlink_to(path),
    "link to a file": a_link_to_a_file,
    "fifo": os.mkfifo,
    "socket": a_socket,
    "of another user": lambda path: path.write_bytes(b"") and None,  # as `foreign` has it
}


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ``root`` in its name can't be opened: tests may run as root, who can open anything."""
    real = os.open

    def opened(path: Any, *how: Any, **more: Any) -> int:
        if "root" in Path(path).name:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *how, **more)

    monkeypatch.setattr(os, "open", opened)


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("kind", ENTRIES)
def test_an_entry_that_cannot_be_opened_holds_up_no_other_and_is_said(
    places: Callable[..., Place], tmp_path: Path, kind: str
) -> None:
    place = places()
    place.leaves("a", "b")
    entry = tmp_path / "t" / "00000000000000000000-1-root.spool"
    ENTRIES[kind](entry)
    writer = place.writer()
    for _ in range(2):
        assert writer.flush() is False
    assert place.seen == ["a", "b"]
    assert writer.trouble is not None
    assert (writer.trouble.kind, entry.name in writer.trouble.sentence) == ("disk", True)
    assert place.heard.kinds == ["away", "disk"]  # the first of the process that left them
    place.up = False
    assert writer.initialize("c", **FACTS).outcome == "spooled"
    place.up = True
    assert writer.flush() is False
    assert place.seen == ["a", "b", "c"]
    assert os.path.lexists(entry)
    entry.rmdir() if kind == "directory" else entry.unlink()
    assert writer.flush() is True
    assert writer.trouble is None


@pytest.mark.parametrize("kind", ["directory", "dangling link", "fifo"])
def test_neither_does_what_is_in_place_of_a_mark_or_of_the_quarantine(
    places: Callable[..., Place], tmp_path: Path, kind: str
) -> None:
    place = places()
    place.leaves("a", "b")
    (file,) = files(tmp_path)
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + line_of(b"[]") + second)
    ENTRIES[kind](file.with_suffix(".done"))
    (file.parent / "quarantine.jsonl").mkdir()
    (file.parent / "1.new").mkdir()
    os.utime(file.parent / "1.new", (0, 0))
    assert place.writer().flush() is True
    assert place.seen == ["a", "b"]
    assert files(tmp_path) == []
    (aside,) = file.parent.glob("quarantine-*.jsonl")
    assert "not a record" in json.loads(aside.read_text())["reason"]


def test_a_file_that_cannot_be_read_to_its_end_holds_up_no_other(
    places: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places()
    place.leaves("broken")
    (broken,) = files(tmp_path)
    place.leaves("fine")
    real, inode = os.pread, broken.stat().st_ino

    def read(descriptor: int, *how: int) -> bytes:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(5, "Input/output error")
        return real(descriptor, *how)

    writer = place.writer()
    assert writer.delivery._spool is not None
    assert writer.delivery._spool.adopt() == 2
    monkeypatch.setattr("writers.segments.os.pread", read)
    assert writer.flush(0.1) is False
    assert place.seen == ["fine"]
    assert writer.trouble is not None
    assert "Input/output error" in writer.trouble.sentence
    monkeypatch.undo()
    assert writer.flush() is True
    assert place.seen == ["fine", "broken"]


def test_a_folder_that_cannot_be_listed_is_not_empty(
    places: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places()
    place.leaves("a")

    def refuse(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("writers.spool.os.scandir", refuse)
    writer = place.writer()
    assert writer.flush() is False
    assert writer.trouble is not None
    assert "Permission denied" in writer.trouble.sentence
    monkeypatch.undo()
    assert writer.flush() is True
    assert (place.seen, writer.trouble) == (["a"], None)


# --- Without a spool ----------------------------------------------------------------------------------


def test_a_problem_that_lasts_is_known_without_a_spool_too(caplog: pytest.LogCaptureFixture) -> None:
    client = SimpleNamespace(down=None)

    def call(**_: Any) -> Any:
        if client.down:
            raise client.down
        return {"ConsumedCapacity": {}, "Items": [], "UnprocessedItems": {}}

    client.put_item = client.query = client.get_item = client.batch_write_item = call
    heard = Heard()
    writer = StatusWriter("t", client=client, on_trouble=heard)
    worker = RequestWriter(
        "r", worker_id="w", logs_table="l", client=client, log_interval=0, on_trouble=heard
    )

    def log() -> Any:
        assert worker.logs is not None
        return worker.logs.add("r", "INFO", "x", "s", {})

    def pending() -> Any:
        try:
            return worker.pending() == []
        except Exception:
            return False

    calls = [(writer, lambda: writer.initialize("s", **FACTS)), (worker, pending), (worker, log)]
    for one, made in calls:
        for code, kind, level in (
            ("AccessDeniedException", "denied", logging.ERROR),
            ("ThrottlingException", "away", logging.WARNING),
        ):
            caplog.clear()
            heard.troubles.clear()
            client.down = refusal(code)
            for _ in range(2):
                assert not made()
            assert one.trouble is not None
            assert (one.trouble.kind, code in one.trouble.sentence, heard.kinds) == (kind, True, [kind] * 2)
            errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
            assert len(errors) == (level == logging.ERROR)
        client.down = refusal("ValidationException")
        assert not made()
        client.down = None
        assert made()
        assert one.trouble is None
