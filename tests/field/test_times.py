"""Tables whose writers write times in several zones and precisions: order, ranges, counts and rules go by the instant."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import timezone as clock

from opsportal.accounts.models import SavedView
from opsportal.alerts.evaluation import evaluate_next
from opsportal.alerts.models import Firing, Rule
from opsportal.console.clock import utc_text
from opsportal.tables import ages
from tests.cases import each
from tests.console.test_overview import figures
from tests.factories import MISSING, ago, naive, put, request, workflow, zulu
from tests.pages import visit
from tests.samples import next_minute
from tests.tracking.test_list import walk

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py
TABLES = [
    ("workflows", "createdAt", "overallStatus", workflow),
    ("requests", "created_at", "status", request),
]


def zoned(at: datetime, hours: float) -> str:
    return at.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="seconds")


def forms(now: datetime) -> list[tuple[str, str]]:
    """(key, stamp), the newest first: five of the last hour, two before it."""

    def at(minutes: int) -> datetime:
        return now - timedelta(minutes=minutes)

    return [
        ("a-zulu", zulu(at(10))),
        ("b-tokyo", zoned(at(20), 9)),
        ("c-naive", naive(at(30))),
        ("d-los-angeles", zoned(at(40), -8)),
        ("e-space", f"{at(50).astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
        ("f-old-tokyo", zoned(at(90), 9)),
        ("g-old-honolulu", zoned(at(200), -10)),
    ]


@each(("logical", "created", "status", "made"), TABLES)
def test_lists_and_counts_go_by_the_instant(
    tables: Any, client_for: Any, logical: str, created: str, status: str, made: Any
) -> None:
    client, now = client_for("viewer"), datetime.now(UTC).replace(microsecond=0)
    written = forms(now)
    # Of both statuses, so that partitions are merged; and one in no index.
    for number, (key, stamp) in enumerate(written):
        put(tables[logical], made(key, **{created: stamp, status: ("failed", "processing")[number % 2]}))
    moved = {"lastUpdated" if logical == "workflows" else "updated_at": zoned(now - timedelta(minutes=25), 2)}
    put(tables[logical], made("b2-undated", **{created: MISSING, status: "failed", **moved}))
    keys = [key for key, _ in written]
    keys.insert(2, "b2-undated")
    page = visit(client, f"/{logical}/?range=1h")
    assert page.ids == keys[:6]
    assert f"{created} has" in page.words
    assert "read 14 hours wider at both ends and filtered by the time itself" in page.words
    assert visit(client, f"/{logical}/?range=all").ids == keys
    assert client.get(f"/api/{logical}?range=1h").json()["notes"]
    for query, expected in (
        ("range=1h", keys[:6]),
        (
            f"from={utc_text(now - timedelta(minutes=45))}&to={utc_text(now - timedelta(minutes=15))}",
            keys[1:5],
        ),
        (f"to={utc_text(now - timedelta(minutes=60))}", keys[6:]),
    ):
        assert [one["id"] for one in client.get(f"/api/{logical}?{query}").json()["items"]] == expected
        assert visit(client, f"/{logical}/?{query}").ids == expected
        assert visit(client, f"/{logical}/?{query}&status=failed").ids == [
            one for one in expected if one in ("a-zulu", "b2-undated", "c-naive", "e-space", "g-old-honolulu")
        ]
    if logical == "requests":
        assert sorted(visit(client, "/requests/?range=1h&sort=priority").ids) == sorted(keys[:6])
    panel = visit(client, f"/panels/{logical}/?window=1h")
    assert {name: figures(panel)[name] for name in ("failed", "processing")} == {
        "failed": "4",
        "processing": "2",
    }
    assert "peak" in panel.words
    # What comes later is counted as new by its text, and none is shown twice.
    put(tables[logical], made("late", **{created: zoned(now + timedelta(minutes=1), 10), status: "failed"}))
    next_minute()
    assert visit(client, f"/{logical}/?range=1h").ids == ["late", *keys[:6]]


def test_without_an_index_ranges_go_by_the_instant(tables_without_index: Any, client_for: Any) -> None:
    client, written = client_for("viewer"), forms(datetime.now(UTC))
    for key, stamp in written:
        put(tables_without_index["workflows"], workflow(key, createdAt=stamp))
    assert visit(client, "/workflows/?range=1h").ids == [key for key, _ in written[:5]]
    # A Scan, as where the sample does not hold the whole table.
    from opsportal.dynamo import samples

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(samples.Sample, "whole", False)
        page = visit(client, "/workflows/?range=1h")
    assert page.ids == [key for key, _ in written[:5]]
    assert "a part of it is scanned" in page.words


def test_pages_of_a_wider_read_hold_every_item_of_the_range_once(tables: Any, client_for: Any) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    made = []
    for number in range(260):
        at = now - timedelta(minutes=number)
        made.append(
            workflow(f"w{number:03}", createdAt=zoned(at, (9, 0, -8)[number % 3]), overallStatus="failed")
        )
    put(tables["workflows"], *made)
    query = f"from={utc_text(now - timedelta(minutes=199))}&to={utc_text(now - timedelta(minutes=50))}"
    found = [page.ids for page in walk(client_for("viewer"), f"/workflows/?{query}")]
    assert sorted(one for ids in found for one in ids) == [f"w{number:03}" for number in range(50, 200)]
    assert all(ids == sorted(ids) for ids in found), "each page is in order"


@pytest.mark.django_db
def test_rules_and_ages_go_by_the_instant(tables: Any) -> None:
    now = datetime.now(UTC)
    for condition, values in (
        ("workflow.failed", {}),
        ("workflow.stuck", {"threshold": 30}),
        ("workflow.failure_rate", {"threshold": 50, "minimum": 2}),
    ):
        Rule.objects.create(
            name=condition,
            condition=condition,
            calm_minutes=0,
            baseline_at=ago(days=1),
            **({"window_minutes": 60} if condition != "workflow.stuck" else {}),
            **values,
        )
    for key, stamp in forms(now):
        # The old ones failed, the others did not: read by text it would be the reverse of the last hour.
        old = key.startswith(("f", "g"))
        put(
            tables["workflows"],
            workflow(key, createdAt=stamp, lastUpdated=stamp, overallStatus="failed" if old else "completed",
                     pdfAdapter=MISSING),
            workflow(f"open-{key}", createdAt=stamp, lastUpdated=stamp, overallStatus="processing", pdfAdapter=MISSING),
        )  # fmt: skip
    put(tables["workflows"], workflow("fresh", createdAt=zoned(now - timedelta(minutes=5), -8), overallStatus="failed",
                                      lastUpdated=zulu(now), pdfAdapter=MISSING))  # fmt: skip
    Rule.objects.update(next_at=clock.now())
    caches["process"].clear()
    while evaluate_next():
        pass
    fired = set(Firing.objects.values_list("rule__condition", "subject"))
    assert {subject for condition, subject in fired if condition == "workflow.failed"} == {"fresh"}
    assert {subject for condition, subject in fired if condition == "workflow.stuck"} == {
        f"open-{key}" for key, _ in forms(now)[2:]
    }
    # One of six that ended in the last hour failed.
    assert not [condition for condition, _ in fired if condition == "workflow.failure_rate"]
    (watched,) = (one for one in ages.watched_tables() if one.logical == "workflows")
    assert abs(ages.oldest(watched, now) - 200 * 60) < 2


@each(("logical", "made"), [("workflows", workflow), ("requests", request)])
def test_a_range_is_the_same_for_every_reader(tables: Any, client_for: Any, logical: str, made: Any) -> None:
    """Chosen in Berlin, in the night in which clocks go back, and opened in New York."""
    created = "createdAt" if logical == "workflows" else "created_at"
    put(tables[logical], made("night", **{created: "2026-10-25T00:30:00Z"}))
    berlin, york = client_for("viewer"), client_for("operator")
    for client, zone in ((berlin, "Europe/Berlin"), (york, "America/New_York")):
        client.post("/accounts/preferences/", {"time_zone": zone})
    picked = {"pick_from": "2026-10-25T00:00", "pick_to": "2026-10-25T03:30", "pick_zone": "Europe/Berlin"}
    address = berlin.get(f"/{logical}/", picked)["Location"]
    assert address == f"/{logical}/?from=2026-10-24T22%3A00%3A00Z&to=2026-10-25T02%3A30%3A00Z"
    ours, theirs = visit(berlin, address), visit(york, address)
    assert ours.ids == theirs.ids == ["night"]
    assert "from 2026-10-25 00:00 CEST to 2026-10-25 03:30 CET" in ours.root.one("ul", class_="chips").words
    chip = theirs.root.one("ul", class_="chips").words
    assert "from 2026-10-24 18:00 EDT to 2026-10-24 22:30 EDT" in chip
    assert ours.root.one("input", id="range-from").attrs["value"] == "2026-10-25T00:00"
    # What has no zone is read in the reader's, which the page says; what leads on has one.
    bare = visit(york, f"/{logical}/?from=2026-10-25T00:00")
    assert "from=2026-10-25T00:00 names no time zone and is read in yours, America/New_York" in bare.words
    assert bare.ids == []
    saved = bare.root.one("input", name="query").attrs["value"]
    assert saved == "from=2026-10-25T04%3A00%3A00Z"
    view = {
        "page": logical,
        "name": "Night",
        "shared": "true",
        "query": "from=2026-10-25T00:00&status=failed",
    }
    berlin.post("/accounts/views/", view)
    (kept,) = SavedView.objects.all()
    assert kept.query == "from=2026-10-24T22%3A00%3A00Z&status=failed"
    crossed = visit(york, f"/{logical}/?from=2026-10-26T00:00Z&to=2026-10-25T00:00Z")
    assert crossed.empty.one("h2").words == "The time range ends before it begins"
    swapped = crossed.empty.one("a").attrs["href"]
    assert visit(york, swapped).ids == ["night"]
    assert "from=soon can't be read as a time" in visit(york, f"/{logical}/?from=soon").words
    kept.delete()


def test_the_trail_takes_bounds_in_any_zone(tables: Any, client_for: Any) -> None:
    client = client_for("administrator")
    client.post("/accounts/preferences/", {"time_zone": "Asia/Shanghai"})
    put(tables["requests"], request("r", status="failed"))
    page = visit(client, "/requests/r/retry/")
    form = {
        one.attrs["name"]: one.attrs.get("value", "") for one in page.root.all("input") if "name" in one.attrs
    }
    assert client.post("/requests/r/retry/", {**form, "reason": ""}).status_code == 302
    now = datetime.now(UTC)
    begin, end = zoned(now - timedelta(minutes=1), 8)[:19], zoned(now + timedelta(minutes=1), 8)[:19]
    picked = {"pick_from": begin, "pick_to": end, "pick_zone": "Asia/Shanghai"}
    address = client.get("/audit/", picked)["Location"]
    assert address.count("Z") == 2
    listed = visit(client, address)
    assert "Retried" in listed.words or "Retry" in listed.words
    assert "CST (+08:00)" in listed.root.one("ul", class_="chips").words
    assert len(client.get(f"{address}&format=jsonl").getvalue().decode().splitlines()) == 1
    later = {**picked, "pick_from": end}
    assert visit(client, client.get("/audit/", later)["Location"]).empty
    assert "names no time zone" in visit(client, f"/audit/?from={begin}").words
