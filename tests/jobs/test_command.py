"""`manage.py bulk`: the same jobs from a shell."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo.ledger import who
from opsportal.jobs import control, freezing, running, store
from opsportal.jobs.job import State
from opsportal.management.commands import bulk
from opsportal.operations.entries import Actor
from tests import factories
from tests.operations.places import dump, scan, trail
from tests.test_docs import assert_printed

pytestmark = pytest.mark.no_moto
OLGA = Actor("olga", "operator", "user:1001")


@pytest.fixture(autouse=True)
def _worker(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits, waits for a worker: one that takes a turn."""

    def turn(_: float) -> None:
        for task in (freezing.freeze_due, running.run_due):
            task(tables["requests"], lambda: False)

    monkeypatch.setattr(bulk, "sleep", turn)
    factories.put(
        tables["requests"], *[factories.request(f"req-{at:02}", status="failed") for at in range(12)],
        factories.request("ok", status="completed"),
    )  # fmt: skip


def said(*arguments: str, status: int = 0) -> str:
    out, code = io.StringIO(), 0
    try:
        call_command("bulk", *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == status, out.getvalue()
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as found:
        call_command("bulk", *arguments, stdout=io.StringIO())
    assert found.value.returncode == 1
    return str(found.value)


def id_of(output: str) -> str:
    """Of the job that was described last."""
    return next(line for line in reversed(output.splitlines()) if not line.startswith(" ")).split()[0]


def test_a_job_from_its_preview_to_its_undo(tables: dict[str, Any]) -> None:
    before = scan(tables["requests"])
    made = said(
        "preview", "requests.purge", "--filter", "status=failed", "--range", "24h", "--reason", "outage", "--wait"
    )  # fmt: skip
    assert "it acts on 12 of 12" in made
    assert ": outage" in made
    job_id = id_of(made)
    assert refused("start", job_id, "--expected", "11") == "It would act on 12 items, not on 11."
    done = said("start", job_id, "--wait", "--expected", "12")
    assert "finished: 12 done, 0 skipped, 0 failed, 0 pending" in done
    assert "undo: possible until 20" in done
    assert len(scan(tables["requests"])) == 1
    shown = json.loads(said("show", job_id, "--json"))
    assert (shown["state"], shown["counts"]["done"], shown["actor_id"]) == ("finished", 12, "command")
    assert job_id in said("list")
    assert sorted(said("items", job_id, "--outcome", "done").splitlines()) == [
        f"req-{at:02}  done  failed" for at in range(12)
    ]
    assert said("items", job_id, "--outcome", "failed") == ""
    undone = said("undo", job_id, "--reason", "too many", "--wait")
    assert "12 done" in undone
    assert scan(tables["requests"]) == before
    assert refused("undo", id_of(undone)).endswith("undone.")
    starts = [entry for entry in trail(tables["requests"]) if entry["action"]["S"] == "job:start"]
    assert {entry["actor_id"]["S"] for entry in starts} == {"command"}
    assert "@" in starts[0]["actor"]["S"]


def test_it_is_held_paced_and_done_again(tables: dict[str, Any]) -> None:
    job_id = id_of(said("preview", "requests.retry", "--key", "req-01", "--key", "gone", "--wait"))
    assert "pace: first 10, then 60 a minute, halt at 20 %" in said("show", job_id)
    assert "pace: first 2, then 5 a minute, halt at 12.5 %" in said("pace", job_id, "--pace", "2,5,0.125")
    assert "pace: at once" in said("pace", job_id, "--at-once")
    assert "running" in said("start", job_id)
    assert "paused" in said("pause", job_id, "--reason", "wait")
    assert refused("pause", job_id) == "The job is paused: it can't be paused."
    # Waiting for what nobody resumes is told by the exit code.
    assert "paused" in said("show", job_id, "--wait", status=bulk.OTHERWISE)
    assert "1 skipped: It is not there any more." in said("resume", job_id, "--wait")
    again = said("retry-failed", job_id, "--wait")
    assert "finished: 0 done" in again
    paced = id_of(said("preview", "requests.cancel", "--key", "req-02", "--pace", "3,4,0.5"))
    assert "first 3, then 4 a minute" in said("show", paced)


def test_the_page_shows_what_show_prints(tables: dict[str, Any]) -> None:
    keys = [word for at in range(12) for word in ("--key", f"req-{at:02}")]
    made = said(
        "preview", "requests.retry", *keys, "--key", "gone", "--reason", "Outage of the night", "--wait"
    )
    output = said("show", id_of(made)).replace(id_of(made), "0b8e7c1e-6d1e-4b57-8a52-2f6c6f9d1a10")
    output = output.replace(who(), "olga@bastion")
    assert_printed("jobs", "python manage.py bulk show 0b8e7c1e-6d1e-4b57-8a52-2f6c6f9d1a10", output)


def test_keys_come_from_a_file(tables: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("req-03\nreq-04\n\nreq-03\n")
    made = said("preview", "requests.purge", "--keys-file", str(file), "--key", "req-05", "--wait")
    assert "it acts on 3 of 3" in made
    assert "No such file" in refused("preview", "requests.purge", "--keys-file", str(tmp_path / "none"))


def test_a_line_of_the_file_is_one_key_whatever_it_holds(tables: dict[str, Any], tmp_path: Path) -> None:
    """Python knows ten ends of a line; an id may hold them. An editor of Windows writes a mark at the beginning."""
    odd = ["a\u2028b", "a\x85b", "a\x0bb", " a ", "\U0001f469\u200d\U0001f4bb"]
    factories.put(
        tables["requests"], *(factories.request(key, status="completed") for key in ("a", "b", *odd))
    )
    file = tmp_path / "keys"
    file.write_bytes("\ufeff{}\r\n".format("\r\n".join(odd)).encode())
    assert "it acts on 5 of 5" in said("preview", "requests.purge", "--keys-file", str(file), "--wait")


def test_what_a_plan_allows_is_asked_for_by_name(tables: dict[str, Any]) -> None:
    factories.put(tables["requests"], factories.request("open", status="processing"))
    purge = ("preview", "requests.purge", "--key", "open", "--wait")
    assert "it acts on 0 of 1" in said(*purge)
    assert "it acts on 1 of 1" in said(*purge, "--allow", "unfinished")
    assert (
        refused("preview", "requests.cancel", "--key", "open", "--allow", "unfinished")
        == "requests.cancel knows no --allow unfinished."
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("preview", "requests.edit", "--all"), "There is no such action for many items. There are: workflows.retry"),
        (("preview", "requests.purge"), "It would choose everything. If that is what you want, add --all."),
        (("preview", "requests.purge", "--range", "all"), "It would choose everything."),
        (("preview", "requests.purge", "--all", "--range", "1h"), "--all is for a command without a filter."),
        (("preview", "requests.purge", "--key", "a", "--all"), "Give keys or a filter, one of them."),
        (("preview", "requests.purge", "--filter", "status"), "--filter status: write it as NAME=VALUE."),
        (("preview", "requests.purge", "--filter", "status="), "status: A value is needed."),
        (("preview", "requests.purge", "--filter", "state=x"), "state: There is no such parameter."),
        (("preview", "requests.purge", "--filter", "range=1h"), "--filter range: use --range."),
        (("preview", "requests.purge", "--from", "soon"), "from: A time in ISO 8601 is needed"),
        (("preview", "requests.purge", "--key", "a", "--pace", "1,2"), "--pace is FIRST,PER_MINUTE,SHARE"),
        (("preview", "requests.purge", "--key", "a", "--pace", "1,2,nan"), "--pace is FIRST,PER_MINUTE,SHARE"),
        (("preview", "requests.purge", "--key", "a", "--pace", "0,2,0.1"), "--pace is FIRST,PER_MINUTE,SHARE"),
        (("preview", "requests.fail", "--key", "a"), "It must say why"),
        (("show", "no-such"), "There is no job no-such, or it is older than 90 days."),
        (("stop",), "Give the id of a job, or --all."),
        (("stop", "x", "--all"), "Give the id of a job, or --all."),
    ],
)  # fmt: skip
def test_what_it_refuses_is_said_and_writes_nothing(
    tables: dict[str, Any], arguments: tuple[str, ...], sentence: str
) -> None:
    before = dump(tables)
    assert refused(*arguments).startswith(sentence)
    assert dump(tables) == before


def test_stop_all_ends_every_open_job_of_every_region(tables: dict[str, Any], settings: Any) -> None:
    """Also while actions are off, and of a job that its worker changes meanwhile."""
    for at in range(3):
        job = control.make("requests.purge", by=OLGA, keys=[f"req-{at:02}"])
        if at:
            freezing.freeze(job)
    elsewhere = control.make("agents.deactivate", by=OLGA, keys=["a-1"])
    found = store.find(job.id)
    assert found
    control.start(found, OLGA)
    settings.ACTIONS_OFF = True
    output = said("stop", "--all", "--reason", "all hands")
    assert "4 jobs stopped." in output
    assert elsewhere.id in output
    assert {one.state for one in store.listed()} == {State.STOPPED}
    stops = [entry for entry in trail(tables["requests"]) if entry["action"]["S"] == "job:stop"]
    assert {entry["reason"]["S"] for entry in stops} == {"all hands"}
    assert said("stop", "--all") == "0 jobs stopped.\n"


def test_a_stop_of_all_outruns_a_worker(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """That makes the preview ready between reading the job and stopping it."""
    job = control.make("requests.purge", by=OLGA, keys=["req-00"])
    stopping = control.stop
    seen = []

    def late(found: Any, *arguments: Any) -> Any:
        if not seen:
            freezing.freeze(found)
        seen.append(found.state)
        return stopping(found, *arguments)

    monkeypatch.setattr(control, "stop", late)
    assert "1 job stopped." in said("stop", "--all")
    assert seen == [State.PREVIEWING, State.READY]
    found = store.find(job.id)
    assert found
    assert found.state is State.STOPPED


def test_a_command_is_no_second_person(tables: dict[str, Any], settings: Any) -> None:
    settings.JOBS_SECOND_PERSON = 5
    job_id = id_of(said("preview", "requests.purge", "--all", "--wait"))
    assert "somebody else must start it" in refused("start", job_id)
    settings.ACTIONS_OFF = True
    assert refused("preview", "requests.purge", "--all").startswith("Actions are off (ACTIONS=off)")
