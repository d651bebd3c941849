"""The logs of a request: the newest lines, all older ones, what a filter shows, and its download."""

import json
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from django.http import StreamingHttpResponse

from opsportal.dynamo import clients
from requests_app import log_order, logs
from requests_app.models import ProcessingLog
from tests.cases import each
from tests.factories import MISSING, Typed, ago, delete, log, naive, put, request
from tests.pages import Page, poll, visit
from tests.trouble import denied, trouble

BEGIN = ago(hours=2).replace(microsecond=0)
SPELLINGS = ("INFO", "info", "WARN", "Warning", "ERROR", "fatal", "DEBUG", "odd")


def lines(count: int, request_id: str = "r") -> list[Any]:
    """Two lines per second, of every spelling of a level."""
    return [
        log(
            request_id,
            BEGIN + timedelta(seconds=number // 2),
            log_id=f"log_{request_id}_{number:05}",
            message=f"line {number}",
            log_level=SPELLINGS[number % len(SPELLINGS)],
        )
        for number in range(count)
    ]


def shown(page: Page) -> list[str]:
    """The messages on the page, in order."""
    return [
        next(word for word in line.one("span", class_="log-text").words.split("line ")[1].split())
        for line in page.root.all("div", data_log_line=None)
    ]


def numbers(page: Page) -> list[int]:
    return [int(number) for number in shown(page)]


def older_url(page: Page) -> str:
    return page.next_url


def test_the_newest_lines_are_shown_and_older_ones_to_the_first(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("r"))
    put(tables["request_logs"], *lines(450), *lines(3, "other"))
    client = client_for("viewer")
    page = visit(client, "/requests/r/logs/")
    assert len(numbers(page)) == logs.LINES == 200
    assert sorted(numbers(page)) == list(range(250, 450))
    found, seen = [numbers(page)], [page]
    while url := older_url(seen[-1]):
        seen.append(visit(client, url))
        found.append(numbers(seen[-1]))
        assert "Newest lines" in seen[-1].words
        assert not seen[-1].polls
    everything = [number for part in reversed(found) for number in part]
    assert sorted(everything) == list(range(450))
    # The oldest at the top; the two of one second in the engine's order.
    assert [number // 2 for number in everything] == [number // 2 for number in range(450)]
    assert page.polls
    assert page.response.wsgi_request.spending.calls <= 4
    newest = next(a for a in seen[-1].root.all("a") if "Newest lines" in a.words)
    assert numbers(visit(client, newest.attrs["href"])) == numbers(page)
    assert visit(
        client, "/requests/other/logs/?cursor=" + older_url(page).partition("cursor=")[2], status=400
    ).problem


@each(
    ("level", "spellings", "said", "chosen"),
    [
        ("INFO", {"INFO", "info", "WARN", "Warning", "ERROR", "fatal"}, "Info and above", ["Info and above"]),
        ("error", {"ERROR", "fatal"}, "Error and above", ["Error and above"]),
        ("WARNING", {"WARN", "Warning", "ERROR", "fatal"}, "Warning and above", ["Warning and above"]),
        ("warn", {"WARN", "Warning", "ERROR", "fatal"}, "Warn and above", ["Warning and above"]),
        ("debug", {*SPELLINGS} - {"odd"}, "Debug and above", ["Debug and above"]),
        ("odd", {"odd"}, "ODD", []), ("CRITICAL", {"fatal"}, "Critical", ["Critical"]), ("other", set(), "OTHER", []),
    ],
)  # fmt: skip
def test_a_level_shows_itself_and_what_is_above_in_all_spellings_and_downloads_just_these(
    tables: Any, client_for: Any, level: str, spellings: set[str], said: str, chosen: list[str]
) -> None:
    put(tables["requests"], request("r"))
    put(tables["request_logs"], *lines(40))
    client = client_for("viewer")
    page = visit(client, f"/requests/r/logs/?level={level}")
    assert [chip.removeprefix("Level ").removesuffix(" Remove") for chip in page.chips] == [said]
    assert [a.words for a in page.root.one("nav", aria_label="Level").all("a", aria_current="true")] == chosen
    expected = [number for number in range(40) if SPELLINGS[number % 8] in spellings]
    assert sorted(numbers(page)) == expected
    assert {
        row.one("span", class_="log-level").words for row in page.root.all("div", data_log_line=None)
    } == {spelling.upper() for spelling in spellings}
    links = {a.words: a.attrs["href"] for a in page.root.all("a", download=None)}
    assert list(links) == ["Text", "JSON lines"]
    text = client.get(links["Text"]).getvalue().decode()
    assert sorted(int(line.rpartition(" ")[2]) for line in text.splitlines()) == expected
    packed = client.get(links["JSON lines"]).getvalue().decode()
    assert sorted(int(json.loads(line)["message"].split()[1]) for line in packed.splitlines()) == expected
    if not expected:
        assert page.empty.attrs["data-empty"] == "no_match"
    assert visit(client, page.url + "&level=").url


@pytest.mark.no_moto
def test_a_download_is_streamed_and_holds_more_than_a_page_of_dynamodb(tables: Any, client_for: Any) -> None:
    """Over 1 MB of lines, so that one answer of DynamoDB can't hold them."""
    put(tables["request_logs"], *({**line, "message": {"S": "m" * 12_000 + f" line {n}"}}
                                  for n, line in enumerate(lines(120))))  # fmt: skip
    response = client_for("viewer").get("/requests/r/logs/?format=txt")
    assert isinstance(response, StreamingHttpResponse)
    assert response.headers["Content-Disposition"] == 'attachment; filename="r-logs.txt"'
    assert response.headers["Content-Type"].startswith("text/plain")
    parts = list(response.streaming_content)
    assert len(parts) == 120
    assert [int(part.decode().rpartition("line ")[2]) // 2 for part in parts] == [n // 2 for n in range(120)]
    first = parts[0].decode()
    assert first.startswith(f"{naive(BEGIN)} INFO     initialization mmm")


@pytest.mark.no_moto
def test_a_download_that_breaks_off_says_so_and_an_error_before_it_is_a_page(
    tables: Any, client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, client = tables["request_logs"], client_for("viewer")
    put(table, *({**line, "message": {"S": "m" * 12_000}} for line in lines(120)))
    response = client.get("/requests/r/logs/?format=ndjson")
    fault = denied("Query", "arn:aws:dynamodb:us-east-1:123456789012:table/logs/index/request-logs-index")
    with trouble(table, fault):
        got = response.getvalue().decode().splitlines()
    assert 0 < len(got) < 120
    documents = [json.loads(line) for line in got]
    assert [*documents[-1]] == ["incomplete"]
    assert documents[-1]["incomplete"].startswith("The console's role may not perform dynamodb:Query")
    assert all("incomplete" not in document for document in documents[:-1])
    response = client.get("/requests/r/logs/?format=txt")
    with trouble(table, fault):
        *_, last = response.getvalue().decode().splitlines()
    assert last.startswith("# This file is not complete: The console's role may not perform dynamodb:Query")
    with trouble(table, fault):
        page = visit(client, "/requests/r/logs/?format=ndjson", status=503)
    assert page.problem.attrs["data-problem"] == "access_denied"
    empty = client.get("/requests/nobody/logs/?format=txt")
    assert (empty.status_code, empty.getvalue()) == (200, b"")


def test_logs_that_cant_be_read_leave_the_request_and_its_actions(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("r", status="pending"))
    client, table = client_for("operator"), tables["request_logs"]
    fault = denied("Query", "arn:aws:dynamodb:us-east-1:123456789012:table/logs/index/request-logs-index")
    with trouble(table, fault):
        page = visit(client, "/requests/r/logs/", status=503)
        poll = client.get("/requests/r/logs/", headers={"HX-Request": "true"})
        gone = visit(client, "/requests/nobody/logs/", status=503)
    assert page.problem.attrs["data-problem"] == "access_denied"
    assert page.root.one("h1").words == "r"
    assert "History" in page.root.words
    assert page.root.one("a", id="act-request:cancel")
    assert poll.status_code == 503
    assert b"log-head" not in poll.content
    assert gone.problem


def test_a_link_to_a_line_shows_it_wherever_it_is(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("a/b#c"))
    put(tables["request_logs"], *lines(450, "a/b#c"))
    client = client_for("viewer")
    put(
        tables["request_logs"],
        log("a/b#c", BEGIN, log_id="id/with?#%", message="line 900"),
        log("a/b#c", log_id="late", timestamp="\u00fc odd stamp & more ", message="line 901"),
    )
    pages = [visit(client, "/requests/a~2Fb~23c/logs/")]
    while url := older_url(pages[-1]):
        pages.append(visit(client, url))
    links = {number: a.attrs["href"] for page in pages for number, a in
             zip(numbers(page), page.root.all("a", class_="log-time"), strict=True)}  # fmt: skip
    for number in (0, 7, 200, 333, 449, 900, 901):
        url, _, anchor = links[number].partition("#")
        page = visit(client, url)
        line = page.root.one("div", id=anchor)
        assert f"line {number}" in line.words
        assert not page.polls
        assert "Newest lines" in page.words
        # It is the last of its moment; what came after is not on the page.
        assert all(other // 2 <= number // 2 for other in numbers(page) if number < 450 and other < 450)
    level = visit(client, "/requests/a~2Fb~23c/logs/?level=ERROR&until=" + links[204].partition("until=")[2])
    assert {SPELLINGS[number % 8] for number in numbers(level) if number < 900} == {"ERROR", "fatal"}
    assert visit(client, "/requests/a~2Fb~23c/logs/?until=" + "9" * 3000).root.all("div", data_log_line=None)


def test_a_link_to_one_of_many_lines_of_one_time_holds_it(tables: Any, client_for: Any) -> None:
    put(tables["requests"], request("r"))
    crowd = [log("r", BEGIN, log_id=f"c {n:03}/é", message=f"line {n}") for n in range(500)]
    put(tables["request_logs"], *crowd, *lines(5))
    client = client_for("viewer")
    pages = [visit(client, "/requests/r/logs/")]
    while url := older_url(pages[-1]):
        pages.append(visit(client, url))
    oldest = pages[-1].root.all("a", class_="log-time")[0].attrs["href"]
    newest = pages[0].root.all("a", class_="log-time")[-1].attrs["href"]
    for link in (oldest, newest, *(a.attrs["href"] for a in pages[1].root.all("a", class_="log-time")[::60])):
        url, _, anchor = link.partition("#")
        page = visit(client, url)
        assert page.root.all("div", id=anchor)
        assert len(numbers(page)) <= logs.LINES
        assert page.response.wsgi_request.spending.calls <= 6
        assert logs.NO_LINE not in page.words
    # Around it are others, which say how they are ordered.
    page = visit(client, oldest.partition("#")[0])
    assert len(numbers(page)) > 50
    assert "the same timestamp as another line" in page.words
    delete(tables["request_logs"], crowd[0]["log_id"]["S"])
    first = next(a.attrs["href"] for page in pages for a in page.root.all("a", class_="log-time")
                 if "c%20000" in a.attrs["href"])  # fmt: skip
    assert logs.NO_LINE in visit(client, first.partition("#")[0]).words


STAMPS = (
    "2026-11-20T01:00:00Z", "2026-11-20T01:00:00.250Z", "2026-11-20T01:00:00.500000+00:00",
    "2026-11-20T02:00:01+01:00", "2026-11-20T01:00:02", "2026-11-19T17:00:03-08:00", "2026-11-20 01:00:04Z",
)  # fmt: skip


def test_lines_are_in_the_order_of_their_time_whatever_its_form(tables: Any, client_for: Any) -> None:
    in_order_of_time(tables, client_for)


def test_without_an_index_lines_are_in_the_order_of_their_time_too(
    tables_without_index: Any, client_for: Any
) -> None:
    in_order_of_time(tables_without_index, client_for)


def in_order_of_time(tables: Any, client_for: Any) -> None:
    made = [
        log("r", log_id=f"{9 - n}", timestamp=stamp, message=f"line {n}") for n, stamp in enumerate(STAMPS)
    ]
    put(tables["request_logs"], *made)
    client = client_for("viewer")
    page = visit(client, "/requests/r/logs/")
    assert numbers(page) == list(range(7))
    assert "this page is sorted by the time itself" in page.words
    text = client.get("/requests/r/logs/?format=txt").getvalue().decode()
    assert [int(line.rpartition(" ")[2]) for line in text.splitlines()] == list(range(7))
    packed = client.get("/requests/r/logs/?format=ndjson").getvalue().decode()
    assert [json.loads(line)["message"] for line in packed.splitlines()] == [f"line {n}" for n in range(7)]
    document = client.get("/api/requests/r/logs").json()
    assert [line["message"] for line in document["items"]] == [f"line {n}" for n in reversed(range(7))]
    assert any("sorted by the time itself" in note for note in document["notes"])
    streamed = client.get("/api/requests/r/logs?format=ndjson").getvalue().decode()
    assert [json.loads(line)["message"] for line in streamed.splitlines()] == [f"line {n}" for n in range(7)]
    # The line that an address names, where the page as such does not hold it; and one that is none of this request.
    beyond = f"/requests/r/logs/?until={quote(STAMPS[0])}&line=5"
    assert 4 in numbers(visit(client, beyond)) or logs.has_index()
    assert logs.NO_LINE in visit(client, f"/requests/r/logs/?until={quote(STAMPS[0])}&line=none").words
    # At or before a line, by its time.
    for number, stamp in enumerate(STAMPS):
        query = f"?until={quote(stamp)}&line={9 - number}"
        assert numbers(visit(client, f"/requests/r/logs/{query}")) == list(range(number + 1)), stamp
        text = client.get(f"/requests/r/logs/{query}&format=txt").getvalue().decode()
        assert [int(line.rpartition(" ")[2]) for line in text.splitlines()] == list(range(number + 1))


def test_lines_of_one_time_are_in_the_order_that_their_writer_counted(tables: Any, client_for: Any) -> None:
    client, put_all = client_for("viewer"), tables["request_logs"]
    order = (4, 8, 3, 1, 2, 7, 6, 5, 9)
    put(
        put_all,
        *(log("top", BEGIN, log_id=f"{n}", seq=order[n], message=f"line {order[n]}") for n in range(9)),
    )
    put(put_all, *(log("in", BEGIN, log_id=f"in{n}", metadata={"lineNumber": f"{order[n] + 5}"},
                       message=f"line {order[n]}") for n in range(9)))  # fmt: skip
    put(
        put_all, *(log("none", BEGIN, log_id=f"none{order[n]}", message=f"line {order[n]}") for n in range(9))
    )
    put(put_all, *(log("apart", BEGIN + timedelta(milliseconds=n), log_id=f"x{9 - n}", seq=9 - n, message=f"line {n}")
                   for n in range(9)))  # fmt: skip
    for name, said in (
        ("top", "by seq, or else by id."),
        ("in", "by lineNumber, or else by id."),
        ("none", "by id, so that may not be their true order."),
    ):
        page = visit(client, f"/requests/{name}/logs/")
        assert numbers(page) == list(range(1, 10))
        assert f"9 lines have the same timestamp as another line. They are sorted {said}" in page.words
        text = client.get(f"/requests/{name}/logs/?format=txt").getvalue().decode()
        assert [int(line.split("line ")[1].split()[0]) for line in text.splitlines()] == list(range(1, 10))
    # What has a time of its own is in the order of time alone.
    page = visit(client, "/requests/apart/logs/")
    assert numbers(page) == list(range(9))
    assert "the same timestamp" not in page.words


def test_a_mark_stands_between_the_runs_before_and_after_a_retry(tables: Any, client_for: Any) -> None:
    def change(minutes: int, old: str, new: str, message: str) -> Any:
        at = naive(BEGIN + timedelta(minutes=minutes))
        return {"timestamp": at, "old_status": old, "new_status": new, "message": message}

    history = [
        change(0, "", "pending", "Submitted"),
        change(0, "pending", "pending", "Queued"),
        change(1, "pending", "processing", "Taken"),
        change(10, "processing", "failed", "It broke"),
        change(20, "failed", "pending", "Retried by maria"),
        change(21, "pending", "processing", "Taken"),
        change(30, "processing", "pending", "Retried by ola"),
    ]
    put(tables["requests"], request("r", processing_metadata={"status_history": history}))
    put(
        tables["request_logs"],
        *(log("r", BEGIN + timedelta(minutes=n), message=f"line {n}") for n in (5, 9, 22, 25)),
    )
    client = client_for("viewer")
    page = visit(client, "/requests/r/logs/")
    (log_of,) = page.root.all("div", id="log")
    order = [
        child.words.split("line ")[-1].split()[0] if child.tag == "div" else child.words.rpartition(" ")[2]
        for child in log_of.children
        if not isinstance(child, str)
    ]
    assert order == ["5", "9", "maria", "22", "25", "ola"]
    assert "Retried " in log_of.all("p", class_="log-mark")[0].words
    # A page that ends at a line ends there.
    ended = visit(client, page.root.all("a", class_="log-time")[0].attrs["href"].partition("#")[0])
    assert not ended.root.all("p", class_="log-mark")


def test_a_long_log_is_put_in_order_without_holding_it(tables: Any) -> None:
    """Two workers of other zones, whose texts are an hour apart."""

    def rows() -> Any:
        stamps = []
        for n in range(4_000):
            at = BEGIN + timedelta(seconds=n)
            zone = timezone(timedelta(hours=n % 2))
            stamps.append((at.astimezone(zone).isoformat(), n))
        for stamp, n in sorted(stamps):
            yield log("r", log_id=f"{n}", timestamp=stamp, message="m" * 60)

    found = [int(line["log_id"]["S"]) for line in log_order.in_order(rows(), "log_id")]
    assert found == list(range(4_000))


@pytest.mark.no_moto
def test_the_tail_grows_while_the_request_runs_and_ends_with_it(tables: Any, client_for: Any) -> None:
    requests, table, client = tables["requests"], tables["request_logs"], client_for("viewer")
    item = request("r")
    put(requests, item)
    empty = visit(client, "/requests/r/logs/")
    assert "They appear here while the request runs." in empty.words
    put(table, *lines(3))
    grown = poll(client, empty)
    assert (grown.status, grown.is_fragment, sorted(numbers(grown))) == (200, True, [0, 1, 2])
    assert poll(client, grown).status == 204
    put(table, *lines(5))
    put(requests, {**item, "status": {"S": "Completed"}})
    ended = poll(client, grown)
    assert sorted(numbers(ended)) == [0, 1, 2, 3, 4]
    assert not ended.polls


def test_the_logs_keep_the_requests_summary_its_actions_and_its_neighbours(
    tables: Any, client_for: Any
) -> None:
    requests, client = tables["requests"], client_for("operator")
    item = request("r", progress={"percentage": 12, "current_stage": "search"})
    put(requests, item)
    put(tables["request_logs"], *lines(3))
    page = visit(client, "/requests/r/logs/")
    assert "12 %" in page.root.one("dl", id="summary").words
    assert page.root.one("a", data_action="request:cancel").attrs["href"] == "/requests/r/cancel/"
    assert page.root.one("span", data_item_nav=None).attrs["data-item-path"] == "/requests/r/"
    # They come with what is new in the item, also where no line is, and once.
    assert poll(client, page).status == 204
    put(requests, request("r", status="failed", errors=["It broke"]))
    grown = poll(client, page)
    (head,) = grown.root.all("div", id="log-head")
    assert head.attrs["hx-swap-oob"] == "morph"
    assert "failed" in head.one("dl", id="summary").words
    assert head.one("a", data_action="request:retry")
    # The page itself has them in their place, and who may not act is told why.
    viewed = visit(client_for("viewer"), "/requests/r/logs/")
    (head,) = viewed.root.all("div", id="log-head")
    assert "hx-swap-oob" not in head.attrs
    assert not head.all("a", data_action="request:retry")
    assert "may not do this" in head.words


def test_logs_outlive_their_request(tables: Any, client_for: Any) -> None:
    put(tables["request_logs"], *lines(3, "gone"))
    client = client_for("viewer")
    page = visit(client, "/requests/gone/logs/")
    assert sorted(numbers(page)) == [0, 1, 2]
    assert "There is no request with this id. These are its logs." in page.words
    assert not page.polls
    nothing = visit(client, "/requests/never/logs/", status=404)
    assert nothing.empty.attrs["data-empty"] == "nothing_yet"


def test_odd_lines_are_shown_whole_and_lines_without_a_time_are_reachable(
    tables: Any, client_for: Any
) -> None:
    put(tables["requests"], request("r"))
    put(
        tables["request_logs"],
        log("r", BEGIN, log_id="typed", message={"text": "a map"}, log_level=40, stage=["x"], metadata="none",
            attempt=Typed(N="3")),
        log("r", BEGIN + timedelta(seconds=1), log_id="level", log_level=Typed(B=b"\x00"), message=MISSING,
            stage=MISSING, metadata=MISSING),
        log("r", log_id="timeless", timestamp=MISSING, message="line without a time"),
        log("other", log_id="timeless-other", timestamp=MISSING),
    )  # fmt: skip
    client = client_for("viewer")
    page = visit(client, "/requests/r/logs/")
    first, second = (line.words for line in page.root.all("div", data_log_line=None))
    for text in (
        '{"M": {"text": {"S": "a map"}}}',
        "40",
        '{"L": [{"S": "x"}]}',
        "attempt=3",
        "metadata=none",
    ):
        assert text in first
    assert '{"B": "AA=="}' in second
    outside = visit(client, next(a.attrs["href"] for a in page.root.all("a") if "outside" in a.attrs["href"]))
    assert [
        line.words.count("line without a time") for line in outside.root.all("div", data_log_line=None)
    ] == [1]
    assert outside.root.all("a", download=None) == []
    timeless = outside.root.one("a", class_="log-time").attrs["href"]
    assert visit(client, timeless.partition("#")[0]).root.all("div", id=timeless.partition("#")[2])
    assert "look for such lines" not in outside.words
    back = next(a.attrs["href"] for a in outside.root.all("a") if "Newest lines" in a.words)
    assert len(visit(client, back).root.all("div", data_log_line=None)) == 2


def test_all_lines_are_read_as_they_are_consumed(tables: Any) -> None:
    table = tables["request_logs"]
    put(table, *({**line, "message": {"S": "m" * 12_000}} for line in lines(120)))
    calls = []
    events = clients.client(*table.location, background=True).meta.events
    events.register("after-call.dynamodb.Query", lambda **given: calls.append(1), unique_id="count")
    try:
        stream = logs.all_lines(logs.LogFilter("r"))
        assert isinstance(next(stream), ProcessingLog)
        assert len(calls) == 1
        assert len(list(stream)) == 119
        assert len(calls) > 1
    finally:
        events.unregister("after-call.dynamodb.Query", unique_id="count")
