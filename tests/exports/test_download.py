"""A list as a file: the same items, filter, columns and order, whatever happens while it is sent."""

import csv
import io
import json
import re
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest

from opsportal.dynamo.errors import Throttled
from opsportal.dynamo.pages import Page
from opsportal.exports import asked, download, estimate
from tests.exports.reading import entries, rows_of, text_of
from tests.factories import MISSING, Typed, agent, ago, put, request, workflow, zulu
from tests.pages import visit
from tests.shapes import HARD_KEYS

pytestmark = pytest.mark.no_moto


def test_a_file_has_the_lists_items_in_its_columns_and_order(tables: Any, client_for: Any) -> None:
    client = client_for("operator")
    statuses = ("pending", "failed", "completed", "executing")
    put(
        tables["requests"],
        *(
            request(f"r{n:03}", status=statuses[n % 4], user_id="maria" if n % 3 else "tom", created_at=zulu(ago(minutes=n)))
            for n in range(130)
        ),
    )  # fmt: skip
    text = text_of(client, "/requests/?user=maria&columns=request_id,status&format=csv")
    listed = []
    url = "/requests/?user=maria"
    while url:
        page = visit(client, url)
        listed += [row.one("a", data_row_link=None).words for row in page.root.one("tbody").all("tr")]
        url = next((a.attrs["href"] for a in page.root.all("a", rel="next")), "")
    assert text.startswith('"request_id","status"\r\n')
    assert [row["request_id"] for row in rows_of(text)] == listed
    assert len(listed) == 86
    lines = text_of(client, "/requests/?user=maria&columns=status,request_id&format=ndjson").splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == listed
    assert list(json.loads(lines[0])) == ["status", "request_id"]
    started, ended, *_ = entries(tables)
    assert (started.action.value, ended.action.value) == ("export:start", "export:finish")
    assert started.target == ended.target
    assert started.actor.name == "operator"
    assert "Requests as CSV. Columns: request_id, status. Filter: user=maria" in started.note
    assert ended.count == 86
    assert ended.note.startswith("complete; 86 rows, ")
    answer = client.get("/requests/?format=csv&bom=1")
    assert answer["Content-Disposition"] == 'attachment; filename="requests.csv"'
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.getvalue().startswith(b'\xef\xbb\xbf"status"')
    assert not client.get("/requests/?format=ndjson&bom=1").getvalue().startswith(b"\xef")


def test_every_list_and_each_of_its_columns_can_be_exported(tables: Any, client_for: Any) -> None:
    client = client_for("operator")
    put(tables["workflows"], workflow("w"), {"sessionId": {"S": "in no index"}})
    put(tables["agents"], *(agent(f"a{n:03}") for n in range(230)))
    rows = rows_of(text_of(client, "/workflows/?format=csv&columns=session_id,steps,tokens,duration"))
    assert {one["session_id"] for one in rows} == {"w", "in no index"}
    (row,) = (one for one in rows if one["session_id"] == "w")
    assert json.loads(row["steps"])["pdfAdapter"] == "success"
    assert (row["tokens"], row["duration"]) == ("14169", "17.095")
    assert [one["session_id"] for one in rows_of(text_of(client, "/workflows/?outside=1&format=csv"))] == [
        "in no index"
    ]
    assert len(rows_of(text_of(client, "/agents/?format=csv"))) == 230
    assert len(rows_of(text_of(client, "/agents/?q=a00&format=csv"))) == 10
    # Highest priority first, as that list is.
    put(tables["requests"], *(request(f"r{n}", priority=("low", "high", "medium")[n % 3]) for n in range(9)))
    rows = rows_of(text_of(client, "/requests/?sort=priority&format=csv"))
    assert [one["priority"] for one in rows] == ["high"] * 3 + ["medium"] * 3 + ["low"] * 3
    # Without a match there is the head, and an empty NDJSON.
    assert text_of(client, "/requests/?status=none&columns=status&format=csv").strip('"\r\n') == "status"
    assert text_of(client, "/requests/?status=none&format=ndjson") == ""
    assert text_of(client, "/requests/?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z&format=ndjson") == ""


NUMBERS = (
    "-5",
    "0.0000001",
    "12345678901234567890123456789012345678",
    "-0.00000000000000000000000000000000000001",
    "100",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_written_as_they_are_stored(tables: Any, client_for: Any, number: str) -> None:
    put(tables["requests"], request("r", progress={"percentage": Typed(N=number)}, project_id=MISSING))
    client = client_for("operator")
    line = text_of(client, "/requests/?format=csv&columns=progress,project").splitlines()[1]
    assert line == f"{number},"
    line = text_of(client, "/requests/?format=ndjson&columns=progress,project")
    assert line == f'{{"progress":{number},"project":null}}\n'


FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", " =1", "\u200b=1", "\ufeff+1",
    "\u3000=1", "−1", "﹢1",
)  # fmt: skip
PLAIN = ("a=1", "1-1", "5", "", "'", 'say "x"', "two\r\nlines", "a;=1", "a,b")


def test_no_text_of_an_item_is_a_formula_in_a_spreadsheet(tables: Any, client_for: Any) -> None:
    texts = (*FORMULAS, *PLAIN)
    put(
        tables["requests"],
        *(
            request(f"r{n:02}", request_type=text, created_at=zulu(ago(minutes=n)))
            for n, text in enumerate(texts)
        ),
    )
    client = client_for("operator")
    text = text_of(client, "/requests/?format=csv&columns=type,duration")
    found = [row[0] for row in list(csv.reader(io.StringIO(text, newline="")))[1:]]
    assert found == [*(f"'{one}" for one in FORMULAS), *PLAIN]
    # Between quotes, so that no other separator of a locale ends it.
    assert '"a;=1",' in text
    lines = text_of(client, "/requests/?format=ndjson&columns=type").splitlines()
    assert [json.loads(line)["type"] for line in lines] == list(texts)


def test_hostile_keys_and_values_of_wrong_types_come_whole(tables: Any, client_for: Any) -> None:
    put(
        tables["requests"],
        *(
            request(key, request_type=Typed(L=[Typed(N="1")]), errors=["<b>\x00\x1b[31m"])
            for key in HARD_KEYS
        ),
    )
    client = client_for("operator")
    lines = text_of(client, "/requests/?format=ndjson").splitlines()
    assert {json.loads(line)["request_id"] for line in lines} == set(HARD_KEYS)
    assert {json.loads(line)["type"] for line in lines} == {'{"L": [{"N": "1"}]}'}
    text = text_of(client, "/requests/?format=csv&columns=request_id,type")
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 1 + len(HARD_KEYS)


def test_items_that_move_while_they_are_exported_come_once(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "PAGE_ITEMS", 20)
    made = [zulu(ago(minutes=n)) for n in range(100)]
    put(tables["requests"], *(request(f"r{n:03}", status="pending", created_at=made[n]) for n in range(100)))
    answer = client_for("operator").get("/requests/?format=ndjson&columns=request_id")
    found = []
    for n, part in enumerate(answer.streaming_content):
        found += [json.loads(line)["request_id"] for line in part.splitlines()]
        # What comes next and what was sent becomes another status' partition.
        moved = range(max(0, 20 * n), min(100, 20 * n + 60), 7)
        put(tables["requests"], *(request(f"r{m:03}", status="executing", created_at=made[m]) for m in moved))
    assert found == [f"r{n:03}" for n in range(100)]


@pytest.fixture
def throttled(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """`after`: pages that are read; `times`: how often the next is throttled."""
    plan = {"after": 1, "times": 99}
    real = asked.Asked.read

    def read(self: asked.Asked, purpose: str, cursor: str = "", limit: int = 20) -> Any:
        if plan["after"]:
            plan["after"] -= 1
        elif plan["times"]:
            plan["times"] -= 1
            raise Throttled("DynamoDB throttled the table.")
        return real(self, purpose, cursor, 20)

    monkeypatch.setattr(asked.Asked, "read", read)
    monkeypatch.setattr(asked, "PAUSES", (0, 0))
    return plan


def test_a_file_that_ends_early_says_so_in_its_last_line(
    tables: Any, client_for: Any, throttled: dict[str, int]
) -> None:
    put(tables["requests"], *(request(f"r{n:03}") for n in range(50)))
    client = client_for("operator")
    text = text_of(client, "/requests/?format=csv&columns=request_id")
    assert text.splitlines()[-1] == "# This export is not complete: DynamoDB throttled the table."
    assert text.count("\r\n") == 1 + 20 + 1
    ended = entries(tables)[-1]
    assert ended.count == 20
    assert ended.note.startswith("ended early: DynamoDB throttled the table.; 20 rows, ")
    throttled |= {"after": 1, "times": 99}
    lines = text_of(client, "/requests/?format=ndjson").splitlines()
    assert json.loads(lines[-1]) == {
        "incomplete": "This export is not complete: DynamoDB throttled the table."
    }
    # For a moment only, it waits and goes on.
    throttled |= {"after": 1, "times": 2}
    assert len(text_of(client, "/requests/?format=ndjson").splitlines()) == 50
    # Before anything is sent, it is an error with its status.
    throttled |= {"after": 0, "times": 1}
    before = len(entries(tables))
    assert client.get("/requests/?format=csv").status_code == 503
    assert len(entries(tables)) == before


def test_more_rows_than_a_download_may_have_end_it(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_ROWS", 30)
    put(tables["requests"], *(request(f"r{n:03}") for n in range(40)))
    text = text_of(client_for("operator"), "/requests/?format=csv&columns=request_id")
    assert "a download has at most 30 rows" in text.splitlines()[-1]
    assert text.count("\r\n") == 1 + 30 + 1
    assert entries(tables)[-1].count == 30


def test_a_reader_who_leaves_is_recorded_once(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "PAGE_ITEMS", 20)
    put(tables["requests"], *(request(f"r{n:03}") for n in range(50)))
    client = client_for("operator")
    answer = client.get("/requests/?format=ndjson")
    parts = iter(answer.streaming_content)
    next(parts)
    answer.close()
    never = client.get("/requests/?format=ndjson")
    never.close()
    never.close()
    assert client.head("/requests/?format=ndjson").status_code == 200
    notes = [(one.action.verb, one.count, one.note.split(";")[0]) for one in entries(tables)]
    assert [note for note in notes if note[0] == "finish"] == [
        ("finish", 20, "the reader left"),
        ("finish", 0, "the reader left"),
    ]
    assert sum(verb == "start" for verb, *_ in notes) == 2


def test_an_error_of_the_console_is_recorded_too(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tables["requests"], request("r"))
    client = client_for("operator")
    answer = client.get("/requests/?format=ndjson")
    monkeypatch.setattr(asked.Asked, "lines", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        answer.getvalue()
    assert entries(tables)[-1].note.startswith("ended early: an error of the console")


def test_only_who_may_export_is_offered_and_given_a_file(tables: Any, client_for: Any, settings: Any) -> None:
    put(tables["requests"], request("r"))
    viewer, operator = client_for("viewer"), client_for("operator")
    for url in ("/requests/", "/workflows/", "/agents/"):
        for asking in ("format=csv", "format=ndjson", "export=1"):
            answer = viewer.get(f"{url}?{asking}")
            assert answer.status_code == 403
            assert "exports.export_lists" in answer.content.decode()
        assert "export=1" not in viewer.get(url).content.decode()
        assert "export=1" in operator.get(url).content.decode()
    assert entries(tables) == []
    # Nothing that can't be recorded is exported.
    settings.ACTIONS_OFF = True
    refused = operator.get("/requests/?format=csv")
    assert refused.status_code == 409
    assert "Actions are off" in refused.content.decode()
    assert "disabled" in visit(operator, "/requests/?export=1").root.one("button", value="download").attrs


def test_the_page_says_how_many_rows_and_what_they_cost(tables: Any, client_for: Any) -> None:
    client = client_for("operator")
    put(tables["requests"], *(request(f"r{n:03}", created_at=zulu(ago(minutes=n))) for n in range(300)))
    page = visit(client, "/requests/?user=nobody&columns=status,user&export=1")
    facts = page.root.one("dl", class_="facts").words
    assert "Rows 0" in facts
    assert "User nobody" in facts
    boxes = page.root.one("fieldset", class_="is-wide").all("input")
    assert [box.attrs["value"] for box in boxes if "checked" in box.attrs] == ["status", "user"]
    assert len(boxes) == 11
    facts = visit(client, "/requests/?export=1&range=24h").root.one("dl", class_="facts").words
    # 100 rows cover 100 of the 1,440 minutes; the table has 300, if DynamoDB's count is there already.
    assert "Rows about 300 (an estimate)" in facts or "Rows about 1,4" in facts
    assert "RCU (an estimate)" in facts
    facts = visit(client, "/requests/?export=1&range=all&type=none").root.one("dl", class_="facts").words
    assert "Rows 0" in facts or "Rows at least 0" in facts


def test_what_rows_cost_is_estimated_for_as_many_as_there_may_be(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred rows of the last minutes, as after a flood, say nothing of a year."""
    client = client_for("operator")
    put(tables["requests"], *(request(f"r{n:03}", created_at=zulu(ago(seconds=n))) for n in range(300)))
    monkeypatch.setattr(estimate, "_of_table", lambda asked: (300, Decimal(9)))
    facts = visit(client, "/requests/?export=1&range=30d").root.one("dl", class_="facts").words
    found = re.search(r"Rows about 300 \(an estimate\) Cost about ([\d.]+) RCU", facts)
    assert found, facts
    assert float(found[1]) < 100


def test_its_form_leads_to_the_download(tables: Any, client_for: Any) -> None:
    client = client_for("operator")
    url = "/requests/?user=maria&export=1"
    sent = {"columns": ["user", "status"], "kind": "csv", "bom": "on", "do": "download"}
    answer = client.post(url, sent)
    assert answer.status_code == 302
    assert answer["Location"] == "/requests/?user=maria&columns=user%2Cstatus&format=csv&bom=1"
    assert client.post(url, {**sent, "kind": "ndjson"})["Location"].endswith("&format=ndjson")
    none = client.post(url, {"kind": "csv"})
    assert none.status_code == 422
    assert "Tick at least one column." in none.content.decode()
    assert "There is no format xls." in client.get("/requests/?format=xls").content.decode()


@pytest.mark.long
def test_memory_does_not_grow_with_the_rows(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = 80

    def read(self: asked.Asked, purpose: str, cursor: str = "", limit: int = 0) -> Any:
        number = int(cursor or "0")
        items = [request(f"r{number}-{n}", user_id="u" * 1_000) for n in range(250)]
        return Page(items, cursor=str(number + 1) if number + 1 < pages else ""), Decimal(1)

    monkeypatch.setattr(asked.Asked, "read", read)
    answer = client_for("operator").get("/requests/?format=csv&columns=request_id,user")
    rows, peaks = 0, []
    tracemalloc.start()
    try:
        for n, part in enumerate(answer.streaming_content):
            rows += part.count(b"\r\n")
            if n in (10, 70):  # ten pages each
                tracemalloc.reset_peak()
            if n in (20, 80):
                peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert rows == 1 + pages * 250
    assert peaks[1] < peaks[0] + 1_000_000  # 15 MB were sent between them


def test_the_trail_shows_exports_and_links_them_to_no_item(tables: Any, client_for: Any) -> None:
    client = client_for("operator")
    text_of(client, "/requests/?format=csv")
    page = visit(client, "/audit/?action=export:finish")
    (row,) = page.root.one("tbody").all("tr")
    assert "Export ended" in row.words
    assert not [a for a in row.all("a") if a.attrs["href"].startswith("/requests/")]
    entry = visit(client, row.one("a", data_row_link=None).attrs["href"])
    assert "complete; 0 rows" in entry.root.one("main").words
    assert Decimal(entries(tables)[-1].count or 0) == 0
