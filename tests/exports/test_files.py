"""A list as a file that the worker makes: each row once, whoever dies, and nobody else may have it."""

import csv
import gzip
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from opsportal.dynamo.errors import AccessDenied, Throttled
from opsportal.dynamo.leases import Lease
from opsportal.exports import asked, download, files, making
from opsportal.exports.files import File, State
from opsportal.operations.tasks import NotNow
from tests.exports.reading import entries, rows_of, text_of
from tests.factories import put, request
from tests.operations.places import scan
from tests.pages import poll, visit

pytestmark = pytest.mark.no_moto

FORM = {
    "columns": ["request_id", "status"],
    "kind": "csv",
    "do": "file",
    "export_id": "0b8f0b63-4b7c-4a0e-8a38-2f1d8a1d6a01",
}
URL = "/requests/?status=failed&export=1"


@pytest.fixture
def client(tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    put(tables["requests"], *(request(f"r{n:03}", status="failed") for n in range(120)), request("other"))
    monkeypatch.setattr(asked, "PAGE_ITEMS", 25)
    monkeypatch.setattr(making, "PAGE_ITEMS", 25)
    return client_for("operator")


def asked_for(client: Any, **form: Any) -> File:
    answer = client.post(URL, FORM | form)
    assert answer.status_code == 302, answer.content
    found = files.find(answer["Location"].split("/")[3])
    assert found
    return found


def now(file: File) -> File:
    found = files.find(file.id)
    assert found
    return found


def test_the_worker_makes_a_file_of_all_rows(tables: Any, client: Any, client_for: Any) -> None:
    file = asked_for(client)
    assert asked_for(client) == file  # the second click
    url = f"/jobs/exports/{file.id}/"
    page = visit(client, url)
    assert "running" in page.root.one("h1").words
    assert not page.root.all("a", download=None)
    assert client.get(f"{url}file").status_code == 409
    assert poll(client, page).status == 204
    assert making.make_due(tables["requests"], lambda: False) == 120
    assert making.make_due(tables["requests"], lambda: False) == 0
    done = poll(client, page)
    assert "complete" in done.root.words
    assert "Rows 120" in done.root.one("dl").words
    (link,) = done.root.all("a", download=None)
    text = text_of(client, link.attrs["href"])
    assert text == text_of(client, "/requests/?status=failed&columns=request_id,status&format=csv")
    assert len(rows_of(text)) == 120
    assert client.head(f"{url}file").status_code == 200
    found = [
        (one.action.value, one.count, one.actor.name) for one in entries(tables) if one.target.id == file.id
    ]
    assert found == [
        ("export:start", None, "operator"), ("export:finish", 120, "operator"), ("export:download", 120, "operator"),
    ]  # fmt: skip
    listed = visit(client, "/jobs/exports/")
    (row,) = listed.rows
    assert "Requests as CSV" in row.words
    assert "status failed" in row.words
    assert f"/jobs/exports/{file.id}/" in listed.links
    # As many bytes as it says, and no payload in the index of jobs.
    assert now(file).bytes == len(text.encode())
    assert "data" not in next(
        raw for raw in scan(files.jobs_table_for(tables["requests"])) if raw["sk"]["S"] == "meta"
    )


def test_only_who_may_see_the_list_and_export_has_the_file(
    tables: Any, client: Any, client_for: Any, user_of: Any
) -> None:
    file = asked_for(client)
    making.make(file)
    viewer = client_for("viewer")
    for url in ("/jobs/exports/", f"/jobs/exports/{file.id}/", f"/jobs/exports/{file.id}/file"):
        assert viewer.get(url).status_code == 403
    assert viewer.post(f"/jobs/exports/{file.id}/stop/").status_code == 403
    from django.contrib.auth.models import Permission

    other = user_of("viewer")
    other.groups.clear()
    other.user_permissions.add(Permission.objects.get(codename="export_lists"))
    for url in (f"/jobs/exports/{file.id}/", f"/jobs/exports/{file.id}/file"):
        assert viewer.get(url).status_code == 403
    assert visit(viewer, "/jobs/exports/").empty
    assert client.get("/jobs/exports/0b8f0b63-4b7c-4a0e-8a38-2f1d8a1d6aff/").status_code == 404


class Killed(BaseException):
    """As kill -9: nothing after it is done."""


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Has the worker die at its next write, before or after it."""
    monkeypatch.setattr(making, "WRITE_BYTES", 1)  # each page is written
    real, released = files._write, Lease.release

    def dies(after: bool) -> None:
        def write(*args: Any, **kwargs: Any) -> None:
            monkeypatch.setattr(files, "_write", real)
            if after:
                real(*args, **kwargs)
            raise Killed

        monkeypatch.setattr(files, "_write", write)
        monkeypatch.setattr(Lease, "release", lambda self: None)

    yield dies
    monkeypatch.setattr(Lease, "release", released)


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_is_killed_leaves_no_row_out_and_none_twice(
    tables: Any, client: Any, killed: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    file = asked_for(client, kind="ndjson")
    ahead = 0.0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    for _ in range(3):
        killed(after)
        with pytest.raises(Killed):
            making.make(file)
        assert making.make(file) == 0  # its lease holds
        ahead += 60
    making.make(file)
    done = now(file)
    assert (done.state, done.rows) == (State.COMPLETE, 120)
    lines = text_of(client, f"/jobs/exports/{file.id}/file").splitlines()
    ids = [json.loads(line)["request_id"] for line in lines]
    assert sorted(ids) == [f"r{n:03}" for n in range(120)]
    assert [one.action.verb for one in entries(tables) if one.target.id == file.id].count("finish") == 1


def test_a_turn_that_is_over_goes_on_at_the_next(tables: Any, client: Any) -> None:
    file = asked_for(client)
    turns = 0
    while now(file).is_open:
        making.make(file, lambda: True)
        turns += 1
        assert now(file).rows == min(25 * turns, 120)
    assert turns == 5
    assert text_of(client, f"/jobs/exports/{file.id}/file").count('"request_id"') == 1


def test_a_stopped_file_ends_where_it_is(tables: Any, client: Any, settings: Any) -> None:
    file = asked_for(client)
    making.make(file, lambda: True)
    settings.ACTIONS_OFF = True
    client.post(f"/jobs/exports/{file.id}/stop/")
    assert now(file).is_open
    with pytest.raises(NotNow):
        making.make_due(tables["requests"], lambda: False)
    settings.ACTIONS_OFF = False
    assert client.post(f"/jobs/exports/{file.id}/stop/")["Location"] == f"/jobs/exports/{file.id}/"
    assert making.make_due(tables["requests"], lambda: False) == 0
    assert client.post(f"/jobs/exports/{file.id}/stop/").status_code == 302
    stopped = now(file)
    assert (stopped.state, stopped.rows, stopped.why) == (State.STOPPED, 25, "operator stopped it.")
    text = text_of(client, f"/jobs/exports/{file.id}/file")
    assert text.splitlines()[-1] == "# This export is not complete: operator stopped it."
    assert len(rows_of(text)) == 25 + 1
    said = [one.note for one in entries(tables) if one.action.verb == "finish" and one.target.id == file.id]
    assert len(said) == 1
    assert said[0].startswith("stopped: operator stopped it.; 25 rows, ")


def test_a_worker_whose_file_was_stopped_writes_nothing_more(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "WRITE_BYTES", 1)
    file = asked_for(client)
    real = asked.Asked.read

    def read(self: asked.Asked, *args: Any, **kwargs: Any) -> Any:
        client.post(f"/jobs/exports/{file.id}/stop/")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(asked.Asked, "read", read)
    assert making.make(file) == 0
    assert (now(file).state, now(file).rows, now(file).parts) == (State.STOPPED, 0, 0)
    assert text_of(client, f"/jobs/exports/{file.id}/file").splitlines() == [
        "# This export is not complete: operator stopped it."
    ]


def test_a_worker_that_comes_back_after_its_lease_writes_nothing(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "WRITE_BYTES", 1)
    file = asked_for(client)
    ahead = 0.0
    real_time, real = time.time, asked.Asked.read
    monkeypatch.setattr(time, "time", lambda: real_time() + ahead)
    others: list[int] = []

    def read(self: asked.Asked, *args: Any, **kwargs: Any) -> Any:
        nonlocal ahead
        if not others:  # it is held up, and another worker takes the file and writes a page of it
            others.append(0)
            ahead = 60
            others[0] = making.make(file, lambda: True)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(asked.Asked, "read", read)
    assert making.make(file) == 0
    assert others == [25]
    assert (now(file).rows, now(file).state) == (25, State.RUNNING)
    making.make(file)
    assert (
        len({row["request_id"] for row in rows_of(text_of(client, f"/jobs/exports/{file.id}/file"))}) == 120
    )


def test_a_throttled_table_is_waited_for_and_a_refused_one_ends_the_file(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = asked_for(client), asked_for(client, export_id="0b8f0b63-4b7c-4a0e-8a38-2f1d8a1d6a02")
    real = asked.Asked.read
    problem: list[Exception] = [Throttled("DynamoDB throttled the table.")]

    def read(self: asked.Asked, purpose: str, cursor: str = "", limit: int = 0) -> Any:
        if cursor and purpose == first.purpose and problem:
            raise problem[0]
        return real(self, purpose, cursor, limit)

    monkeypatch.setattr(asked.Asked, "read", read)
    with pytest.raises(Throttled):
        making.make_due(tables["requests"], lambda: False)
    # What was read is kept, its page says why it waits, and the other was made all the same.
    assert (now(first).rows, now(second).state) == (25, State.COMPLETE)
    page = visit(client, f"/jobs/exports/{first.id}/")
    assert "DynamoDB throttled the table. The worker tries again." in page.root.one("main").words
    problem[0] = AccessDenied("The role may not Query it.")
    making.make_due(tables["requests"], lambda: False)
    ended = now(first)
    assert (ended.state, ended.rows, ended.why, ended.problem) == (
        State.INCOMPLETE, 25, "The role may not Query it.", "",
    )  # fmt: skip
    assert "not complete: The role may not Query it." in text_of(client, f"/jobs/exports/{first.id}/file")


def test_a_file_has_a_bound_and_so_have_its_items(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ITEM_BYTES", 100)
    monkeypatch.setattr(files, "UNPACKED_BYTES", 64)
    monkeypatch.setattr(making, "FILE_BYTES", 200)
    file = asked_for(client)
    making.make(file)
    ended = now(file)
    assert (ended.state, "a file holds at most 0 MB" in ended.why) == (State.INCOMPLETE, True)
    parts = [
        raw for raw in scan(files.jobs_table_for(tables["requests"])) if raw["sk"]["S"].startswith("part#")
    ]
    assert len(parts) == ended.parts > 2
    assert all(len(raw["data"]["B"]) <= 100 for raw in parts)
    text = text_of(client, f"/jobs/exports/{file.id}/file")
    assert len(rows_of(text)) == ended.rows + 1
    # A part that has expired is said.
    client_of = files.clients.client(*files.jobs_table_for(tables["requests"]).location)
    last = max(parts, key=lambda raw: raw["sk"]["S"])
    client_of.delete_item(
        TableName=files.jobs_table_for(tables["requests"]).name,
        Key={name: last[name] for name in ("pk", "sk")},
    )
    assert "A part of it is gone" in text_of(client, f"/jobs/exports/{file.id}/file").splitlines()[-1]


def test_a_page_that_is_too_large_for_one_write_is_read_in_halves(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MAX_WRITE_BYTES", 150)
    file = asked_for(client)
    making.make(file)
    assert (now(file).state, now(file).rows) == (State.COMPLETE, 120)
    text = text_of(client, f"/jobs/exports/{file.id}/file")
    assert len({row["request_id"] for row in rows_of(text)}) == 120


def test_rows_that_the_console_cannot_write_end_the_file(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = asked_for(client)
    monkeypatch.setattr(asked.Asked, "lines", lambda *_: 1 / 0)
    making.make(file)
    assert now(file).state is State.INCOMPLETE
    assert "an error of the console" in now(file).why


def test_few_files_are_made_at_once_and_an_id_is_one_export(
    tables: Any, client: Any, client_for: Any
) -> None:
    for n in range(files.MAX_OPEN):
        asked_for(client, export_id=f"0b8f0b63-4b7c-4a0e-8a38-2f1d8a1d6a1{n}")
    answer = client.post(URL, FORM)
    assert answer.status_code == 409
    assert "5 files are being made already." in answer.content.decode()
    another = client_for("administrator").post(
        URL, FORM | {"export_id": "0b8f0b63-4b7c-4a0e-8a38-2f1d8a1d6a10"}
    )
    assert another.status_code == 409
    assert "This id belongs to another export already." in another.content.decode()
    assert client.post(URL, FORM | {"export_id": "x"}).status_code == 422


def test_the_page_offers_a_file_first_where_a_download_would_be_too_large(
    tables: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(client, URL)
    assert "btn-primary" in page.root.one("button", value="download").attrs["class"]
    monkeypatch.setattr(download, "MAX_ROWS", 50)
    page = visit(client, URL)
    assert "btn-primary" in page.root.one("button", value="file").attrs["class"]
    assert "A download ends after 50 rows." in page.root.one("main").words


def test_what_another_version_wrote_is_no_file(tables: Any, client: Any) -> None:
    file = asked_for(client)
    table = files.jobs_table_for(tables["requests"])
    raw = next(
        raw for raw in scan(table) if raw["sk"]["S"] == "meta" and raw["pk"]["S"].startswith("export#")
    )
    for name, value in (
        ("asked", {"S": "{}"}), ("asked", {"S": "[" * 9999}), ("state", {"S": "later"}), ("ttl", {"N": "1"}),
        ("created_at", {"S": "x"}),
    ):  # fmt: skip
        put(table, {**raw, name: value})
        assert client.get(f"/jobs/exports/{file.id}/").status_code == 404
        assert visit(client, "/jobs/exports/").status == 200
        assert making.make_due(tables["requests"], lambda: False) == 0


def test_a_file_is_gzip_that_any_program_reads(tables: Any, client: Any) -> None:
    file = asked_for(client)
    making.make(file)
    data = b"".join(files._packed(now(file)))
    assert len(list(csv.reader(io.StringIO(gzip.decompress(data).decode())))) == 121
