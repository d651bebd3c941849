"""`manage.py dynamo retention`: what would be stamped, with its cost; and stamping it, when asked."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo.tables import Binding
from opsportal.tables.retention import sweeps
from tests.operations.places import dump, get, trail
from tests.tables.retained import disable_ttl, enable_ttl, old_log, old_request, put_all, stamped
from tests.test_docs import assert_printed

# The reads and writes are those of test_retention.py.
pytestmark = pytest.mark.no_moto


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any) -> None:
    settings.RETENTION_UNITS_PER_MINUTE = 1_000_000


def retention(*arguments: str) -> str:
    out = io.StringIO()
    try:
        call_command("dynamo", "retention", *arguments, stdout=out)
    except SystemExit as ended:
        return f"{out.getvalue()}status {ended.code}"
    return out.getvalue()


def test_a_look_names_what_would_be_stamped_and_writes_nothing(tables: dict[str, Binding]) -> None:
    both = tables["requests"], tables["request_logs"]
    enable_ttl(*both)
    put_all(
        tables["requests"],
        *(old_request(f"r{number:02}", 100 + number) for number in range(23)),
        old_request("touched-since", updated_at={"S": "2999-01-01T00:00:00"}),
        old_request("evil\n\x1b[31m\u202e", 300),
    )
    put_all(tables["request_logs"], old_log("orphan", "gone"), old_log("l", "r01"))
    before = dump(tables)
    said = retention("--request-days", "90", "--log-days", "30")
    assert dump(tables) == before
    assert "24 to stamp" in said
    assert "and 4 more" in said
    assert "1 passed by: touched since" in said
    assert "r22" in said
    assert "\x1b" not in said
    assert "2 to stamp, for about 4 write units" in said, "each log's table, and its index"
    disable_ttl(*both)


def test_the_page_shows_what_a_look_prints(tables: dict[str, Binding]) -> None:
    both = tables["requests"], tables["request_logs"]
    enable_ttl(*both)
    put_all(
        tables["requests"],
        *(old_request(f"req_17{number:02}412789250_a08ac7ad", 100 + number) for number in range(3)),
        old_request("touched-since", updated_at={"S": "2999-01-01T00:00:00"}),
    )
    put_all(tables["request_logs"], old_log("orphan", "gone"), old_log("l", "req_1701412789250_a08ac7ad"))
    days = ("--request-days", "90", "--log-days", "30")
    assert_printed("retention", " ".join(("python manage.py dynamo retention", *days)), retention(*days))
    disable_ttl(*both)


def test_what_is_off_says_which_setting_switches_it_on(tables: dict[str, Binding]) -> None:
    said = retention()
    assert said.count(": off. Set RETENTION_") == 2
    with pytest.raises(CommandError, match="No item needs an expiry"):
        retention("--apply", "--yes")
    for impossible in ("-1", "99999999999999"):
        with pytest.raises(CommandError, match="A number of days is 0, for never, to 36,500; not "):
            retention("--log-days", impossible)
    with pytest.raises(CommandError, match="--reason needs --keep"):
        retention("--reason", "because")


def test_without_ttl_it_says_that_stamps_would_do_nothing_and_how_to_mend_it(
    tables: dict[str, Binding],
) -> None:
    put_all(tables["requests"], old_request("old"))
    said = retention("--request-days", "90")
    assert "Nothing would be stamped. TTL is off for" in said
    assert "aws dynamodb update-time-to-live --table-name" in said
    assert said.endswith("status 1")
    assert stamped(tables["requests"]) == set()


def test_requests_wait_for_the_ttl_of_the_logs_that_are_stamped_with_them(tables: dict[str, Binding]) -> None:
    enable_ttl(tables["requests"])
    put_all(tables["requests"], old_request("old"))
    with pytest.raises(CommandError, match="No item needs an expiry"):
        retention("--request-days", "90", "--log-days", "30", "--apply", "--yes")
    assert "1 stamped" in retention("--request-days", "90", "--apply", "--yes")
    disable_ttl(tables["requests"])


def test_a_large_table_is_looked_at_in_part_and_it_says_so(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "MAX_LOOKED", 5)
    monkeypatch.setattr("opsportal.tables.retention.reading.PAGE", 5)
    monkeypatch.setattr("opsportal.tables.retention.reading.PASSED_BY", 5)
    put_all(tables["requests"], *(old_request(f"r{number:02}") for number in range(8)))
    put_all(tables["request_logs"], *(old_log(f"l{number:02}", "gone") for number in range(8)))
    said = retention("--request-days", "90", "--log-days", "30")
    assert said.count("5 to stamp (of the first 5 that were read; there are more)") == 2


def test_apply_asks_first_and_then_stamps_all_of_it(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tables["requests"], tables["request_logs"]
    enable_ttl(*both)
    put_all(tables["requests"], *(old_request(f"r{number}") for number in range(30)))
    put_all(tables["request_logs"], old_log("l", "r1"))
    days = ("--request-days", "90", "--log-days", "30")
    with pytest.raises(CommandError, match="No expiry was set"):
        retention(*days, "--apply")
    assert stamped(tables["requests"]) == set()
    said = retention(*days, "--apply", "--yes")
    assert "31 stamped. The audit trail has an entry of it." in said
    assert len(stamped(tables["requests"])) == 30
    assert [entry["count"]["N"] for entry in trail(tables["requests"])] == ["31"]
    # At once again, though the sweep rests: from the beginning.
    put_all(tables["requests"], old_request("earlier", 500))
    assert "1 stamped" in retention(*days, "--apply", "--yes")
    disable_ttl(*both)


def test_keep_takes_the_stamp_away_for_good(tables: dict[str, Binding]) -> None:
    put_all(tables["requests"], old_request("kept"))
    assert "kept is kept, with 0 logs; entry " in retention("--keep", "kept", "--reason", "evidence")
    assert (get(tables["requests"], "kept") or {})["ttl"] == {"NULL": True}
    (entry,) = trail(tables["requests"])
    assert (entry["action"]["S"], entry["reason"]["S"]) == ("request:keep", "evidence")
    with pytest.raises(CommandError, match="kept: It is kept already"):
        retention("--keep", "kept")
    with pytest.raises(CommandError, match="gone: There is no item"):
        retention("--keep", "gone")
