"""Requests that the console makes, read by writer B's worker."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from opsportal.dynamo import spending
from requests_app import dialects
from tests.factories import put, request
from tests.field.writer_b import WriterB, stamp, writer_b
from tests.operations.places import get
from tests.pages import Page, visit
from tests.requests_app.submitting import data, filled, form, request_id_of, send

__all__ = ["writer_b"]

NEW = "/requests/new/"
TYPE = "semaglutide_intelligence"


@pytest.fixture
def client(client_for: Callable[[str], Client]) -> Client:
    return client_for("operator")


@pytest.fixture
def forget() -> Callable[[], None]:
    """Make the console look at the table again, as it does each minute."""

    def clear() -> None:
        for cache in caches.all():
            cache.clear()

    return clear


def post(client: Client, status: int = 201, **changes: Any) -> Any:
    """POST /api/requests; the id of the request, or the answer's document."""
    body = {**data(), **changes}
    answer = client.post("/api/requests", json.dumps(body), content_type="application/json")
    document = json.loads(answer.content)
    assert answer.status_code == status, document
    return document["target"]["id"] if status == 201 else document


def preview_of(page: Page) -> str:
    return page.root.one("section", id="preview").words


def sources_of(item: Any) -> list[Any]:
    return [source["M"] for source in item["config"]["M"]["sources"]["L"]]


SHORT = {"name": "FDA", "type": "government", "url": "https://www.fda.gov"}
LONG = {"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"}


def config(*sources: Any) -> dict[str, Any]:
    return {**data()["config"], "sources": list(sources)}


def test_its_worker_processes_what_the_console_submits(client: Client, writer_b: WriterB) -> None:
    """By the form, by "start like this one" and by the API in either form, and the requests behind them."""
    theirs = [writer_b.submit(request_type=TYPE) for _ in range(6)]
    page = send(client, do="preview")
    assert "Written like the 6 newest requests of this table: sources as name/type/url." in preview_of(page)
    shown = json.loads(page.root.one("section", id="preview").all("pre")[0].text)
    made = request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW))
    item = get_raw(writer_b, made)
    for name in ("project_request_id", "config", "progress", "errors", "warnings"):
        strip = ("last_updated",) if name == "progress" else ()
        assert without(item[name], strip) == without(shown[name], strip)
    uuid.UUID(item["project_request_id"]["S"])
    copies = filled(visit(client, f"{NEW}?like={theirs[0]}"))
    copied = request_id_of(Page(client.post(NEW, {**copies, "do": "submit"}), NEW))
    sent = [post(client, config=config(SHORT)), post(client, config=config(LONG))]
    old = get_raw(writer_b, theirs[0])
    new = get_raw(writer_b, copied)
    assert new["config"] == old["config"], "search_query, date_range and the sources are carried over"
    ids = [get_raw(writer_b, one)["project_request_id"]["S"] for one in (*theirs, made, copied, *sent)]
    assert len(set(ids)) == len(ids), "each has an id of its own"
    assert sources_of(get_raw(writer_b, sent[0])) == [{name: {"S": value} for name, value in SHORT.items()}]
    assert sources_of(get_raw(writer_b, sent[1])) == [
        {name: {"S": value} for name, value in {**LONG, **SHORT}.items()}
    ], "kept as sent, and written beside it what the workers read"
    assert set(writer_b.run(20)) == {*theirs, made, copied, *sent}
    assert writer_b.seen == ""


def get_raw(writer: WriterB, request_id: str) -> Any:
    found = writer.raw(request_id)
    assert found is not None
    return found


def without(value: Any, names: tuple[str, ...]) -> Any:
    if "M" not in value:
        return value
    return {name: member for name, member in value["M"].items() if name not in names}


def test_a_request_in_another_form_would_have_stopped_its_worker(
    client: Client, writer_b: WriterB, settings: Any
) -> None:
    settings.REQUEST_DIALECT = "documented"
    send(client)
    assert writer_b.run() == []
    assert "project_request_id" in writer_b.seen


def test_its_retry_cancel_and_rewriting_leave_a_request_the_consoles_own(
    client: Client, writer_b: WriterB, forget: Callable[[], None]
) -> None:
    for _ in range(5):
        writer_b.submit(request_type=TYPE, status="completed")
    ours = post(client)
    request_ = writer_b.take()
    assert request_ is not None and request_.request_id == ours  # noqa: PT018
    writer_b.fail(request_, "quota exceeded")
    assert writer_b.retry(ours)
    assert writer_b.cancel(ours)
    raw = get_raw(writer_b, ours)
    raw["processing_metadata"] = {"M": {}}
    assert dialects.made_here(raw), "by its id alone"
    assert not any(dialects.made_here(get_raw(writer_b, writer_b.submit())) for _ in range(3))
    # The console's retry keeps the item's own shape, so that the worker reads it.
    assert (
        client.post(f"/api/requests/{ours}/retry", "{}", content_type="application/json").status_code == 200
    )
    assert ours in writer_b.run()


def learned(writer: WriterB, *items: dict[str, Any]) -> dialects.Dialect:
    for changes in items:
        writer.submit(**changes)
    return dialects.learned(dialects.newest())


def test_the_80_percent_are_exact_and_of_the_newest_20(writer_b: WriterB) -> None:
    """16 of 20 agree, 15 do not; what is older than the newest 20 counts no more."""
    long_config = {"sources": [LONG], "keywords": ["a"]}
    short_config = {"sources": [SHORT], "keywords": ["a"]}
    for number in range(10):
        writer_b.submit(f"old-{number}", created_at=f"2020-01-01T00:00:{number:02}", config=long_config)
    for number in range(20):
        changes = {"region": "eu"} if number < 16 else {}
        shape = short_config if number < 16 else long_config
        writer_b.submit(
            f"new-{number}", created_at=f"2026-01-01T00:00:{number:02}.000000", config=shape, **changes
        )
    found = dialects.learned(dialects.newest())
    assert (found.items, found.shape and found.shape.label) == (20, "name/type/url")
    assert {one.name: one.made for one in found.extras} == {"project_request_id": "uuid", "region": ""}
    writer_b.submit("new-0", created_at="2026-01-01T00:00:00.000000", config=long_config)
    found = dialects.learned(dialects.newest())
    assert found.shape is None
    assert [one.name for one in found.extras] == ["project_request_id"]
    # Those of the console do not count.
    for _ in range(5):
        writer_b.submit(dialects.own_id(1_800_000_000_000, "abcde"), created_at="2027-01-01T00:00:00")
    assert dialects.learned(dialects.newest()) == found


PLANTED = {
    "status ": "planted", "Status": "planted", "run_status": "planted", "STATUS_MESSAGE": "planted", "ttl": 1,
    "TTL": 1, "expires_at": 1, "expiry": 1, "results_path": "planted", "errorCount": 7, "claimed_by": "planted",
    "lease": "planted", "createdAt": stamp(), "api_token": "planted", "st\u0430tus": "planted", "\u202eeno": "planted",
    "huge": "p" * 257, "map": {"planted": "planted"}, "list": ["planted"], "none": None, "raw": b"planted",
    "last updated": "planted", "": "",
}  # fmt: skip


def test_no_value_is_ever_copied_and_look_alikes_are_not_learned(client: Client, writer_b: WriterB) -> None:
    """Planted in every item of the table: values, huge ones, names that look like documented ones, nested ones."""
    planted = {name: value for name, value in PLANTED.items() if name}
    deep = {"current_stage": "planted", "own_text": "planted", "percentage": 99, "own_count": 99}
    for number in range(10):
        writer_b.submit(
            user_id="planted", project_id="planted", request_type=TYPE, callback="https://planted.example",
            case=f"planted-{number:04}", ticket=f"T-{number:04}", flag=True, quota=12, exact="p" * 256,
            errors=["planted"], warnings=["planted"], results={"planted": "planted"}, progress=deep,
            processing_metadata={"planted": "planted"}, status_message="planted",
            config={"keywords": ["planted"], "sources": [{**SHORT, "planted": "planted"}], "planted": "planted"},
            **planted,
        )  # fmt: skip
    facts = {one.name: (one.kind, one.made) for one in dialects.current().extras}
    assert facts == {
        "callback": ("S", ""),
        "case": ("S", ""),
        "exact": ("S", ""),
        "flag": ("BOOL", ""),
        "project_request_id": ("S", "uuid"),
        "quota": ("N", ""),
        "ticket": ("S", "digits"),
    }
    page = visit(client, NEW)
    names = [node.attrs["value"] for node in page.root.all("input", name="extra_name")]
    assert names == ["callback", "case", "exact", "flag", "quota"], "case begins with the name of its project"
    assert all(not value for value in filled(page)["extra_value"]), "each field is empty"
    assert "For example https://planted.example" in page.words
    made = [request_id_of(send(client)), post(client)]
    for one in made:
        item = get_raw(writer_b, one)
        assert re.fullmatch(r"T-[0-9]{4}", item["ticket"]["S"]), "a constant prefix, and digits of its own"
        assert "planted" not in json.dumps(item)
        assert not {"callback", "case", "exact", "flag", "quota", *planted} & {*item}
        assert {*item["progress"]["M"]} == {"current_stage", "percentage", "own_text", "own_count"}
        assert item["progress"]["M"]["own_count"] == {"N": "0"}
        assert item["progress"]["M"]["own_text"] == {"S": ""}
    values = {get_raw(writer_b, one)["project_request_id"]["S"] for one in made}
    assert len(values) == 2


def test_what_describes_a_run_is_not_learned_in_any_spelling() -> None:
    run = (
        "STATUS jobStatus claimedBy LOCKED_UNTIL lockeduntil lock_owner outputs errorMessage failure_reason RETRYCOUNT "
        "attemptcount num_tries workerid WORKER_ID assignedTo picked_by processor_id startTime duration_ms current_stage "
        "lastModified is_deleted cancelReason stackTrace execution_arn percent_complete outcome queued_by done"
    )
    work = (
        "region tenant_id callback_url block_size campaign estate_id network timezone queue language budget"
    )
    assert [name for name in run.split() if dialects.learnable(name)] == []
    assert [name for name in work.split() if not dialects.learnable(name)] == []


def test_a_stranger_with_write_access_does_not_have_the_last_word(
    client: Client, writer_b: WriterB, tables: dict[str, Any]
) -> None:
    """By stamps far ahead, with the index and without it, or by many attributes that push out the ids."""
    many = {f"a{number:02}": "x" for number in range(30)}
    for number in range(20):
        writer_b.submit(f"s-{number}", created_at="9999-01-01T00:00:00", config=config(LONG))
    for number in range(20):
        writer_b.submit(f"t-{number}", **many)
    found = dialects.learned(dialects.newest())
    assert (found.items, found.shape and found.shape.label) == (20, "name/type/url")
    assert [one.name for one in found.made] == ["project_request_id"]
    assert len(found.extras) == 20
    writer_b.requests = tables["requests"].name
    for ahead in ("9999-01-01T00:00:00", "zzzz"):
        for number in range(20):
            writer_b.submit(f"{ahead}-{number}", created_at=ahead, config=config(LONG))
    for _ in range(5):
        writer_b.submit()
    index = dialects.REQUESTS.index("status-index")
    kept = dialects.dialects.newest_by_index(tables["requests"], index, ["pending"], lambda _: True)
    assert len(kept) == 5
    sources = {"sources": [{"name": "FDA", "last_error": "https://x.example"}]}
    shapes = dialects.learned([*map(dumped, [{"config": sources}] * 5)])
    assert shapes.shape is None, "no name of a run for a source's address"


def dumped(item: dict[str, Any]) -> Any:
    from tests.field.writer_b import _dump

    return {name: _dump(value) for name, value in item.items()}


def test_an_id_is_made_new_in_a_form_that_was_opened_before_it_was_known(
    client: Client, writer_b: WriterB, forget: Callable[[], None]
) -> None:
    theirs = writer_b.submit(request_type=TYPE)
    opened = filled(visit(client, f"{NEW}?like={theirs}"))
    old = get_raw(writer_b, theirs)["project_request_id"]["S"]
    assert old in opened["extra_value"], "of one request it can't be known that it is an id"
    for _ in range(4):
        writer_b.submit(request_type=TYPE)
    forget()
    made = request_id_of(Page(client.post(NEW, {**opened, "do": "submit"}), NEW))
    assert get_raw(writer_b, made)["project_request_id"]["S"] != old


def test_ids_are_made_of_five_distinct_ones_of_one_form_only(writer_b: WriterB) -> None:
    def made(*values: Any) -> Any:
        items = [{"x_ref": {"S": value} if isinstance(value, str) else value} for value in values]
        (found,) = dialects.dialects.extras(items, ())
        new = found.new("action").get("S", "") if found.made else ""
        assert new not in values
        return found.made, found.prefix, len(new)

    uuids = [str(uuid.uuid4()) for _ in range(5)]
    assert made(*uuids) == ("uuid", "", 36)
    assert made(*(one.upper() for one in uuids)) == ("UUID", "", 36)
    assert made(*(f"pr-{one}" for one in uuids)) == ("uuid", "pr-", 39)
    assert made(*(one.replace("-", "") for one in uuids)) == ("hex", "", 32)
    assert made(*(f"REQ-{number:06}" for number in range(5))) == ("digits", "REQ-", 10)
    for others in (
        uuids[:4], [*uuids[:4], uuids[0]], [*uuids, "none"], [*uuids, {"N": "1"}],
        [*(f"a-{one}" for one in uuids), f"b-{uuids[0]}"], [str(number) for number in range(5)],
        [f"customer {number}" for number in range(5)], [f"{number}-a" for number in range(5)],
    ):  # fmt: skip
        assert made(*others)[0] == "", others


def test_stamps_and_what_a_request_begins_with_are_written_as_the_table_has_them(
    client: Client, writer_b: WriterB, forget: Callable[[], None]
) -> None:
    forms = {
        "2026-01-09T15:43:09.250Z": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "2026-01-09T15:43:09+00:00": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
        "2026-01-09T15:43:09.250000+00:00Z": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00Z",
        1767973389: r"\d{10}",
        1767973389250: r"\d{13}",
    }
    for form_, pattern in forms.items():
        for number in range(5):
            writer_b.submit(
                f"r-{number}", created_at=form_, request_type=TYPE, errors=None, warnings="", progress=0
            )
        forget()
        item = get_raw(writer_b, post(client))
        for name in ("created_at", "updated_at"):
            ((tag, value),) = item[name].items()
            assert re.fullmatch(pattern, value), (form_, value)
            assert tag == ("S" if isinstance(form_, str) else "N")
        assert (item["errors"], item["warnings"], item["progress"]) == (
            {"NULL": True}, {"S": ""}, {"N": "0"},
        )  # fmt: skip
    for number in range(5):
        raw = get_raw(writer_b, f"r-{number}")
        raw = {name: value for name, value in raw.items() if name not in ("errors", "warnings", "progress")}
        writer_b.client.put_item(TableName=writer_b.requests, Item=raw)
    forget()
    assert not {"errors", "warnings", "progress"} & {*get_raw(writer_b, post(client))}


def test_an_empty_table_is_written_as_documented_and_the_api_keeps_either_form(
    client: Client, tables: dict[str, Any]
) -> None:
    assert "as documented" in preview_of(send(client, do="preview"))
    for sent in (LONG, SHORT):
        item = get(tables["requests"], post(client, config=config(sent), extra={"region": "eu", "n": 1.5}))
        assert item is not None
        assert sources_of(item) == [{name: {"S": value} for name, value in sent.items()}]
        assert (item["region"], item["n"]) == ({"S": "eu"}, {"N": "1.5"})
    for wrong in (
        {**SHORT, **LONG},
        {"name": "FDA", "url": "https://www.fda.gov"},
        {"name": "FDA", "url": "ftp://x", "type": "a"},
    ):
        errors = post(client, 422, config=config(wrong))["errors"]
        assert all(one["pointer"].startswith("/config/sources/0/") for one in errors), errors
    for name in ("status", "request_id", "ttl", "config", "results", "n" * 1_001):
        (error,) = post(client, 422, extra={"region": "eu", name: "x"})["errors"]
        assert error["pointer"] == f"/extra/{name}"


def test_where_sources_differ_the_form_asks_and_the_api_keeps(client: Client, tables: dict[str, Any]) -> None:
    for number in range(4):
        shape = SHORT if number % 2 else LONG
        put(tables["requests"], request(request_type=TYPE, config={"sources": [shape], "keywords": ["a"]}))
    page = visit(client, NEW)
    choices = [node.attrs["value"] for node in page.root.all("input", name="source_shape")]
    assert sorted(choices) == ["name/base_url/source_type", "name/type/url"]
    page = Page(client.post(NEW, {**form(), "do": "submit"}), NEW)
    assert page.status == 422
    assert "Choose the names of a source's fields." in page.words
    for label, wanted in (("name/type/url", SHORT), ("name/base_url/source_type", LONG)):
        item = get(tables["requests"], request_id_of(send(client, source_shape=label)))
        assert sources_of(item) == [{name: {"S": value} for name, value in wanted.items()}]
    for sent in (LONG, SHORT):
        item = get(tables["requests"], post(client, config=config(sent)))
        assert sources_of(item) == [{name: {"S": value} for name, value in sent.items()}]


FILE = """
timestamps = "2026-01-09T15:43:09.250Z"
[sources]
name = "title"
address = "link"
type = "kind"
[start]
warnings = "absent"
progress = ["current_stage", "percentage", "pages"]
[attributes.project_request_id]
made = "uuid"
prefix = "pr-"
[attributes.region]
required = true
example = "eu-west-1"
[attributes.budget]
type = "number"
"""


def test_a_file_gives_the_facts_and_what_it_requires_is_required(
    client: Client, tables: dict[str, Any], settings: Any, tmp_path: Any
) -> None:
    path = tmp_path / "dialect.toml"
    path.write_text(FILE)
    settings.REQUEST_DIALECT = str(path)
    page = send(client, do="submit", keyword=["kept"])
    assert page.status == 422
    assert filled(page)["keyword"] == ["kept"]
    row = filled(page)["extra_name"].index("region")
    assert page.root.one("div", id=f"id_extra-{row}_error").words == "This is needed."
    assert "Required. For example eu-west-1" in page.words
    assert [one["pointer"] for one in post(client, 422)["errors"]] == ["/extra/region"]
    values = {"region": "eu-north-1", "budget": "12.50"}
    sent = {**filled(page), "extra_value": [values[name] for name in filled(page)["extra_name"]]}
    bad = Page(client.post(NEW, {**sent, "extra_value": ["much", "eu-north-1"], "do": "submit"}), NEW)
    assert bad.status == 422
    assert "A number" in bad.words
    page = Page(client.post(NEW, {**sent, "do": "preview"}), NEW)
    assert "as the file of REQUEST_DIALECT says: sources as title/kind/link" in preview_of(page)
    made = [
        request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW)),
        post(client, extra={"region": "eu-north-1", "budget": 12.5}),
    ]
    for one in made:
        item = get(tables["requests"], one)
        assert item is not None
        assert item["region"] == {"S": "eu-north-1"}
        assert float(item["budget"]["N"]) == 12.5
        uuid.UUID(item["project_request_id"]["S"].removeprefix("pr-"))
        assert item["created_at"]["S"].endswith("Z")
        assert "warnings" not in item
        assert {*item["progress"]["M"]} == {"current_stage", "percentage", "pages"}
        (source,) = sources_of(item)
        assert {"title", "link", "kind"} <= {*source}


def test_start_like_carries_over_what_describes_the_work_and_nothing_of_the_run(
    client: Client, writer_b: WriterB
) -> None:
    attributes = {
        "tags": {"a", "b"}, "blob": b"\x00\xff", "big": 12345678901234567890, "deep": {"l": [1, None, {"x": True}]},
        "note": "two\nlines \u202e <b>", "blank": "", "urgent": True, "weird name.x": "v",
        "result_format": "pdf", "createdAfter": "2026-01-01", "statusCallbackUrl": "https://c.example",
    }  # fmt: skip
    run = {
        "claimed_by": "w1", "run_status": "x", "last_error": "e", "finishedAt": "t", "attempts": 3, "ttl": 99,
    }  # fmt: skip
    sources = [{**SHORT, "depth": 3, "tags": {"x"}}, {"name": "Other", "base_url": "https://o.example", "url": "https://p.example", "source_type": "web"}]  # fmt: skip
    theirs = writer_b.submit(
        request_type=TYPE,
        status="completed",
        results={"r": 1},
        errors=["e"],
        config={**config(*sources), "quality_threshold": 1, "search_query": "a AND b", "date_range": {"start": "2026-01-01"}},
        **attributes,
        **run,
    )  # fmt: skip
    old = get_raw(writer_b, theirs)
    page = visit(client, f"{NEW}?like={theirs}")
    assert "a AND b" in filled(page)["extra_value"]
    assert "2026-01-01" in " ".join(filled(page)["extra_value"])
    made = request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW))
    new = get_raw(writer_b, made)
    for name in attributes:
        assert new[name] == old[name] or {*new[name]["SS"]} == {*old[name]["SS"]}, name
    assert new["config"] == old["config"]
    assert not {*run} & {*new}
    assert (new["status"], new["results"], new["errors"]) == ({"S": "pending"}, {"NULL": True}, {"L": []})
    # One that is emptied is left out; one that is changed is as it was typed.
    sent = filled(visit(client, f"{NEW}?like={theirs}"))
    at = {name: place for place, name in enumerate(sent["extra_name"])}
    sent["extra_value"][at["search_query"]] = "b OR c"
    sent["extra_value"][at["note"]] = ""
    changed = get_raw(writer_b, request_id_of(Page(client.post(NEW, {**sent, "do": "submit"}), NEW)))
    assert changed["config"]["M"]["search_query"] == {"S": "b OR c"}
    assert "note" not in changed


def test_what_is_sent_for_further_attributes_is_refused_with_a_sentence(
    client: Client, writer_b: WriterB
) -> None:
    for kind, value in (
        ("json", "{"), ("json", '{"S": 1}'), ("json", "[]"), ("json", '{"SS": []}'), ("json", '{"N": "NaN"}'),
        ("json", '{"B": "?"}'), ("json", '{"L": ' * 40 + "1" + "}" * 40), ("N", "much"), ("BOOL", "maybe"),
    ):  # fmt: skip
        page = send(client, extra_name=["x_y"], extra_within=[""], extra_kind=[kind], extra_value=[value])
        assert page.status == 422, value
        assert page.root.one("div", id="id_extra-0_error").words
        assert filled(page)["extra_value"] == [value]
    for within, name in (
        ("", "status"),
        ("config", "batch_size"),
        ("config", "sources"),
        ("config", "n" * 1_001),
    ):
        page = send(client, extra_name=[name], extra_within=[within], extra_kind=["S"], extra_value=["x"])
        assert page.status == 422, name
        assert page.root.one("div", id="id_extra-0_error").words
    two = {"extra_name": ["a", "b"], "extra_within": ["", "config"], "extra_kind": ["S", "S"]}
    page = send(client, **two, extra_value=["x" * 250_000, "y" * 250_000])
    assert page.status == 422
    assert "DynamoDB holds 409600" in page.words
    assert send(client, source_own=['{"fields": [["", "x"], [1]], "more": 1}']).status == 302


def test_learning_reads_one_megabyte_and_once_a_minute(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items of 300 KB in two statuses."""
    for number in range(8):
        put(tables["requests"], request(status=("pending", "completed")[number % 2], padding="x" * 300_000))
    with spending.request_budget(None) as account:
        assert dialects.newest()
    assert account.read_units <= 130
    # And once for all processes and hosts, which share the cache.
    readings = []
    monkeypatch.setattr(dialects, "newest", lambda: readings.append(1) or [])
    for _ in range(3):
        assert dialects.current().origin == "empty"
        caches["process"].clear()
    assert readings == [1]


def test_a_request_that_workers_pass_over_says_how_many_they_took(
    client: Client, writer_b: WriterB, forget: Callable[[], None]
) -> None:
    """With the table of writer B, which has no index; of the same strategy; not one that is taken itself."""
    old = writer_b.submit(created_at="2026-01-01T00:00:00.000000", project_request_id=None)
    for number in range(3):
        writer_b.submit(status=("processing", "COMPLETED", "failed")[number])
    writer_b.submit(status="completed", created_at="2025-12-31T00:00:00.000000")
    writer_b.submit(status="completed", processing_strategy="sqs")
    writer_b.submit(status="cancelled")
    sentence = (
        "No worker has taken it. 3 newer requests were taken since: a worker may not be able to read it."
    )
    assert sentence in visit(client, f"/requests/{old}/").words
    newer = writer_b.submit()
    assert "taken since" not in visit(client, f"/requests/{newer}/").words
    findings = client.get(f"/api/requests/{old}").json()["findings"]
    assert sentence in json.dumps(findings)


def test_with_an_index_a_request_that_was_overtaken_says_so_in_few_calls(
    client: Client, tables: dict[str, Any]
) -> None:
    put(tables["requests"], request("old", status="pending", created_at="2026-01-01T00:00:00.000000"))
    for number in range(25):
        put(
            tables["requests"], request(created_at=f"2026-01-02T00:00:{number:02}.000000", status="completed")
        )
    assert "At least 20 newer requests were taken since" in visit(client, "/requests/old/").words
    put(tables["requests"], request("late", status="pending", created_at="2026-01-02T00:00:24.000000"))
    assert "taken since" not in visit(client, "/requests/late/").words


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "must be auto, documented, or the path of a TOML file"),
        ("[sources", "is not valid TOML"),
        ("[sources]\nnome = 'x'", "is wrong at sources.nome"),
        ("timestamps = 'soon'", "is wrong at timestamps: an example of a time is needed"),
        ("[attributes.x]\nmade = 'copy'", "is wrong at attributes.x.made"),
    ],
)
def test_a_setting_that_can_not_be_followed_stops_the_start(
    settings: Any, tmp_path: Any, content: str | None, sentence: str
) -> None:
    from registry import dialects as agents

    path = tmp_path / "dialect.toml"
    if content is not None:
        path.write_text(content)
    settings.REQUEST_DIALECT = settings.AGENT_DIALECT = str(path)
    with pytest.raises(ImproperlyConfigured, match=f"REQUEST_DIALECT.*{sentence}"):
        dialects.check()
    with pytest.raises(ImproperlyConfigured, match="AGENT_DIALECT"):
        agents.check()


def test_the_files_of_the_documentation_can_be_followed(settings: Any, tmp_path: Any) -> None:
    from registry import dialects as agents

    found = re.findall(r"```toml\n(.*?)```", (settings.BASE_DIR / "docs/dialects.md").read_text(), re.DOTALL)
    paths = [tmp_path / f"{number}.toml" for number in range(len(found))]
    for path, content in zip(paths, found, strict=True):
        path.write_text(content)
    requests_dialect, agents_dialect = dialects.from_file(str(paths[0])), agents.from_file(str(paths[1]))
    assert requests_dialect.shape and requests_dialect.shape.label == "name/type/url"  # noqa: PT018
    assert requests_dialect.missing([]) == agents_dialect.missing([]) == ["region"]
    assert agents_dialect.raw["tools"] == {"L": []}
