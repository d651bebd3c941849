"""The pace of a job: what it allows, when it halts, and that a job keeps it whatever becomes of its workers."""

import random
import threading
import time
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY

from opsportal.jobs import control, freezing, running, store
from opsportal.jobs.job import Job, Outcome, Pace, State
from opsportal.jobs.observing import Seen
from opsportal.jobs.paces import SoFar, decide
from opsportal.jobs.pacing import Pacer
from opsportal.operations.tables import audit_table_for
from tests import factories
from tests.jobs.pacers import OLGA, Simulator, Worker, dies, failed, now, pace_item, pending, started, takes
from tests.operations.places import get, scan

TEN = Pace(10, 60, Decimal("0.2"))
MINUTES = 300


def decided(
    done: int = 10, seen: Seen | None = None, at: float = 1_000, pace: Pace = TEN, **so_far: Any
) -> tuple[int, str]:
    """How many may run, and the sentence; a halt's begins with "!". The first were done at 1,000."""
    kept = SoFar(epoch=1, **{"first_at": 1_000.0 if done >= pace.first else 0.0, **so_far})
    found = decide(pace, kept, done=done, seen=seen, now=at, seconds=MINUTES)
    return found.run, f"!{found.halt}" if found.halt else found.why


FIRST, WAITS, GOES = "Acting on the first 10.", "Waiting for the outcomes of the first 10.", "60 a minute."


def test_the_first_are_waited_for_until_all_are_settled_or_some_are_under_way_for_long() -> None:
    assert decided(done=0) == (10, FIRST)
    assert decided(done=7, at=9_999) == (3, FIRST)
    assert decided() == (0, WAITS)  # not looked at yet
    waiting = Seen(waiting=10, waiting_since=999)
    assert decided(seen=waiting) == (0, WAITS)
    assert decided(seen=Seen(settled=9, taken_up=9, waiting=1, waiting_since=999), at=1_299) == (0, WAITS)
    assert decided(seen=Seen(settled=10, taken_up=10), at=1_001) == (0, GOES)
    assert decided(seen=Seen(settled=10), at=1_001) == (0, GOES)  # all are gone
    assert decided(seen=replace(waiting, taken_up=1, waiting=9), at=1_299) == (0, WAITS)
    assert decided(seen=replace(waiting, taken_up=1, waiting=9), at=1_300) == (0, GOES)
    none = (0, "!No worker takes them: 10 wait, and none was picked up within 5 minutes.")
    assert decided(seen=waiting, at=1_298) == (0, WAITS)
    assert decided(seen=waiting, at=1_300) == none
    # The first of them are there already, though not all.
    assert decided(done=4, seen=replace(waiting, waiting=4), at=1_299) == (0, none[1].replace("10", "4"))


def test_so_many_a_minute_and_no_catching_up() -> None:
    seen = Seen(settled=10, taken_up=10)
    assert decided(seen=seen, at=1_004, open_at=1_000.0) == (0, GOES)  # some at a time
    assert decided(seen=seen, at=1_005, open_at=1_000.0) == (5, GOES)
    assert decided(done=15, seen=seen, at=1_009.9, open_at=1_000.0) == (0, GOES)
    assert decided(done=15, seen=seen, at=1_030, open_at=1_000.0) == (16, GOES)
    # Nothing could be done for an hour: a quarter of a minute at once, and then as ever.
    found = decide(
        TEN, SoFar(epoch=1, first_at=1.0, open_at=1_000.0), done=15, seen=None, now=4_600, seconds=None
    )
    assert (found.run, round(found.so_far.open_at)) == (16, 4_579)
    later = [
        decide(TEN, found.so_far, done=31, seen=None, now=4_600 + at, seconds=None).run for at in (0, 4, 5)
    ]
    assert later == [0, 0, 5]
    slow = Pace(10, 1, Decimal("0.2"))
    assert decided(seen=seen, at=1_059, open_at=1_000.0, pace=slow) == (0, "1 a minute.")
    assert decided(seen=seen, at=1_060, open_at=1_000.0, pace=slow) == (1, "1 a minute.")
    fast = Pace(0, 6_000, Decimal("0.2"))
    assert decided(done=0, at=1_001, open_at=1_000.0, pace=fast) == (0, "6,000 a minute.")
    assert decided(done=0, at=1_010, open_at=1_000.0, pace=fast) == (1_000, "6,000 a minute.")


@pytest.mark.parametrize(
    ("settled", "share", "halt"),
    [
        ("ff", "0.2", ""),
        ("fff", "0.2", "3 in a row failed again."),
        ("cfffc", "0.2", ""),
        ("cffo", "0.2", "3 in a row failed again or were overwritten."),
        ("ffcffcff", "0.2", ""),
        ("fff", "1", ""),  # a person wants none of it
        ("fcfccccccc", "0.2", ""),
        ("fcfcfccccc", "0.2", "3 of the last 10 observed failed again: more than 20 %."),
        ("c" * 7 + "fff", "0.3", ""),
        ("c" * 40 + "f" * 10, "0.2", ""),
        ("c" * 39 + "f" * 11, "0.2", "11 of the last 50 observed failed again: more than 20 %."),
        ("r" * 30 + "o" * 11, "0.25", "11 of the last 41 observed failed again or were overwritten: more than 25 %."),
        ("g" * 5 + "x" * 5, "0", ""),
        ("c" * 49 + "f", "0", "1 of the last 50 observed failed again: more than 0 %."),
        ("f" * 50, "1", ""),
    ],
)  # fmt: skip
def test_a_job_halts_by_the_share_of_the_last_fifty(settled: str, share: str, halt: str) -> None:
    pace = Pace(10, 60, Decimal(share))
    seen = Seen(settled=len(settled), taken_up=len(settled))
    assert decided(done=80, seen=seen, settled=settled, pace=pace, open_at=1_000.0)[1] == (
        f"!{halt}" if halt else GOES
    )


def test_a_job_halts_when_workers_stop_taking_items() -> None:
    seen = Seen(settled=50, taken_up=60, waiting=40, waiting_since=1_200)
    assert decided(80, seen, 1_499, open_at=1_000.0, taken_at=1_100.0)[1] == GOES
    halted = "!No worker takes them: 40 wait, and none was picked up within 5 minutes."
    assert decided(80, seen, 1_500, open_at=1_000.0, taken_at=1_100.0)[1] == halted
    assert decided(80, seen, 1_500, open_at=1_000.0, taken_at=1_201.0)[1] == GOES  # slow, and alive
    assert decided(80, seen, 1_500, open_at=1_201.0, taken_at=1_100.0)[1] == GOES  # it has just gone on
    assert decided(80, replace(seen, waiting=0, waiting_since=0), 9_999, open_at=1_000.0)[1] == GOES


def test_only_what_was_done_since_counts() -> None:
    before = SoFar(epoch=3, base=(320, 40), settled="c" * 49, taken_at=5.0)
    after = before.after([((0, 319), Outcome.FAILED_AGAIN), ((1, 39), Outcome.FAILED_AGAIN)], 9.0)
    assert after == before
    changes = [((1, 40), Outcome.WAITING), ((1, 41), Outcome.GONE), ((2, 0), Outcome.FAILED_AGAIN)]
    after = before.after(changes[:2], 9.0)
    assert (after.settled, after.taken_at) == ("c" * 49 + "g", 5.0)
    after = before.after(changes, 9.0)
    assert (after.settled, after.taken_at) == ("c" * 48 + "gf", 9.0)
    assert SoFar.from_item(after.stored()) == after


# --- On the engine ----------------------------------------------------------------------------------------------


def ended(job: Job) -> tuple[int, int, int, int]:
    counts = store.progress_of(now(job))
    return counts.done, counts.skipped, counts.failed, counts.pending


def entries_of(job: Job) -> list[Any]:
    """The audit entries of a job's items."""
    return [one for one in scan(audit_table_for(job.table)) if one.get("job", {}).get("S") == job.id]


@pytest.mark.no_moto
def test_a_retry_waits_for_the_first_ten_then_does_sixty_a_minute(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    failed(table, 40)
    job, worker = started("requests.retry", filter={"status": "failed"}), Worker(table)
    assert worker.turn() == 10
    first = pending(table)
    assert len(first) == 10
    assert now(job).why == FIRST
    assert [worker.turn(3) for _ in range(10)] == [0] * 10
    assert (now(job).why, now(job).outcomes) == (WAITS, {"waiting": 10})
    takes(table, first)
    assert worker.turn(15) == 0
    assert now(job).outcomes == {"taken_up": 10}
    takes(table, first, "completed")
    assert worker.turn(15) == 0  # from now on, a minute has sixty
    assert (now(job).why, now(job).outcomes) == (GOES, {"completed": 10})
    assert [worker.turn(5) for _ in range(4)] == [5, 5, 5, 5]
    takes(table, pending(table), "completed")
    assert worker.turn(15) == 10
    job = now(job)
    assert job.state is State.FINISHED
    assert job in store.live(table)
    takes(table, pending(table), "completed")
    assert [worker.turn(), worker.turn(5)] == [0, 0]
    job = now(job)
    assert (job.outcomes, job.why) == ({"completed": 40}, "")
    assert job not in store.live(table)
    assert worker.pacer.held == {}
    assert ended(job) == (40, 0, 0, 0)
    assert len(entries_of(job)) == 40


@pytest.mark.no_moto
def test_a_halt_says_why_and_a_resume_counts_from_zero(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    failed(table, 40)
    job, worker = started("requests.retry", filter={"status": "failed"}), Worker(table)
    assert worker.turn() == 10
    first = pending(table)
    takes(table, first[:3], "failed")
    takes(table, first[3:5], "completed")
    labels = {"subject": "request", "verb": "retry", "event": "halted"}
    halts = REGISTRY.get_sample_value("opsportal_jobs_total", labels) or 0
    assert worker.turn(6) == 0
    assert REGISTRY.get_sample_value("opsportal_jobs_total", labels) == halts + 1
    job = now(job)
    assert (job.state, job.outcomes) == (State.HALTED, {"failed_again": 3, "completed": 2, "waiting": 5})
    assert job.why == "3 in a row failed again."
    (entry,) = [one for one in scan(audit_table_for(table)) if one["action"]["S"] == "job:halt"]
    assert (entry["actor"]["S"], entry["note"]["S"], entry["count"]) == ("worker", job.why, {"N": "10"})
    # It waits for a person, and goes on looking at what it has done.
    takes(table, first[5:], "failed")
    assert sum(worker.turn(16) for _ in range(4)) == 0
    assert now(job).outcomes == {"failed_again": 8, "completed": 2}
    job = control.resume(now(job), OLGA)
    assert job.why == ""
    assert worker.turn(60) == 10
    assert worker.turn(30) == 0
    assert now(job).why == WAITS
    takes(table, pending(table), "completed")
    assert worker.turn(16) == 0
    assert sum(worker.turn(5) for _ in range(5)) == 20
    takes(table, pending(table), "completed")
    worker.turn(16)
    job = now(job)
    assert (job.state, job.outcomes) == (State.FINISHED, {"failed_again": 8, "completed": 32})
    assert ended(job) == (40, 0, 0, 0)


@pytest.mark.no_moto
def test_the_simulated_workers_fail_and_recover(tables: dict[str, Any]) -> None:
    table, simulator = tables["requests"], Simulator()
    failed(table, 20)
    factories.put(table, factories.request("another", status="failed", user_id="somebody"))
    another = get(table, "another")
    pace = Pace(5, 60, Decimal("0.2"))
    job = started("requests.retry", keys=[f"req-{at:05}" for at in range(20)], pace=pace)
    worker = Worker(table)
    assert worker.turn() == 5
    simulator.works(pending(table), fails=True)
    worker.turn(6)
    job = now(job)
    assert (job.state, job.why) == (State.HALTED, "3 in a row failed again.")
    assert worker.turn(60) == 0
    control.resume(job, OLGA)
    for _ in range(6):
        worker.turn(6)
        simulator.works(pending(table))
    worker.turn(15)
    job = now(job)
    assert (job.state, job.outcomes) == (State.FINISHED, {"failed_again": 5, "completed": 15})
    assert ended(job) == (20, 0, 0, 0)
    assert len(entries_of(job)) == 20
    assert get(table, "another") == another
    # What failed again is a job of its own, and is good this time.
    again = control.retry_failed(job, OLGA)
    freezing.freeze(again)
    worker.turn()
    simulator.works(pending(table))
    assert [worker.turn(), worker.turn(6)] == [0, 0]
    again = now(again)
    assert (ended(again), again.outcomes) == ((5, 0, 0, 0), {"completed": 5})
    assert {one["status"]["S"] for one in scan(table)} == {"completed", "failed"}


@pytest.mark.no_moto
def test_nobody_takes_them(tables: dict[str, Any]) -> None:
    """Before the first of them, and later on."""
    table = tables["requests"]
    failed(table, 40)
    pace = Pace(3, 6, Decimal("0.2"))
    job, worker = started("requests.retry", filter={"status": "failed"}, pace=pace), Worker(table)
    assert [worker.turn(), worker.turn(285), worker.turn(14)] == [3, 0, 0]
    assert now(job).state is State.RUNNING
    worker.turn(16)
    job = now(job)
    none = "No worker takes them: 3 wait, and none was picked up within 5 minutes."
    assert (job.state, job.why, job.outcomes) == (State.HALTED, none, {"waiting": 3})
    control.resume(job, OLGA)
    worker.turn()
    takes(table, pending(table), "completed")
    worker.turn(15)
    assert now(job).outcomes == {"completed": 6}
    assert sum(worker.turn(15) for _ in range(19)) == 28
    assert now(job).state is State.RUNNING
    worker.turn(16)
    job = now(job)
    assert job.why == "No worker takes them: 28 wait, and none was picked up within 5 minutes."
    assert ended(job) == (34, 0, 0, 6)


def test_what_no_worker_takes_up_has_a_pace_and_no_waiting(tables: dict[str, Any]) -> None:
    """And the skipped ones don't count."""
    table = tables["requests"]
    failed(table, 60)
    pace = Pace(5, 120, Decimal(0))
    job, worker = started("requests.purge", filter={"status": "failed"}, pace=pace), Worker(table)
    sample = [key for key, _ in now(job).sample]
    for key in sample[:4]:
        factories.put(table, factories.request(key, status="completed"))
    assert worker.turn() == 5
    assert len(scan(table)) == 55
    assert ended(job) == (5, 4, 0, 51)
    assert worker.turn(1) == 0
    assert [worker.turn(5) for _ in range(3)] == [10, 10, 10]
    assert worker.turn(600) == 21  # a quarter of a minute has more
    job = now(job)
    assert (job.state, job.outcomes) == (State.FINISHED, {})
    assert ended(job) == (56, 4, 0, 0)
    assert job not in store.live(table)


@pytest.mark.no_moto
def test_two_workers_at_once_keep_the_pace_of_one(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tables["requests"]
    failed(table, 60)
    job = started("requests.purge", filter={"status": "failed"}, pace=Pace(6, 60, Decimal(1)))
    workers = [Worker(table), Worker(table)]
    for later, most in ((0, 6), (0, 6), (5, 11), (10, 21), (0, 21)):
        threads = [threading.Thread(target=one.turn, args=(later,)) for one in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.progress_of(now(job)).done == most
    assert sorted(len(one.pacer.held) for one in workers) == [0, 1]
    # One that comes back late, when the other has taken over, does nothing any more: not even what it had begun.
    late, other = sorted(workers, key=lambda one: not one.pacer.held)
    begun: list[Any] = []

    def remembers(job: Job, over: Any, **more: Any) -> int:
        begun.append(over)
        return run(job, over, **more)

    run = running.run
    with monkeypatch.context() as patch:
        patch.setattr(running, "run", remembers)
        assert late.turn(5) == 5
    assert not begun[0]()
    late.pacer.held[job.id]._held_until = time.monotonic()
    assert begun[0]()
    dies(job)
    assert other.turn(10) == 5
    late.pacer.held[job.id]._held_until += 60
    assert late.turn(10) == 0
    assert late.pacer.held == {}
    assert ended(job) == (31, 0, 0, 29)


@pytest.mark.no_moto
def test_a_worker_that_dies_leaves_the_pace_as_it_is(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between what it did and writing down that it did: in the first ones, in what follows, in an observation."""
    table = tables["requests"]
    failed(table, 60)
    job = started("requests.retry", filter={"status": "failed"})

    class Killed(BaseException):
        pass

    def killed_after(name: str, of: Any) -> None:
        """Its next call is its last."""
        call = getattr(of, name)

        def last(*given: Any, **more: Any) -> None:
            call(*given, **more)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(of, name, last)
            with pytest.raises(Killed):
                worker.turn(5)
        dies(job)

    worker = Worker(table)
    killed_after("run", running)
    worker = Worker(table, worker.at)
    assert [worker.turn(), worker.turn(1)] == [0, 0]
    first = pending(table)
    assert len(first) == 10
    takes(table, first, "completed")
    dies(job)
    worker = Worker(table, worker.at)
    assert worker.turn() == 0
    killed_after("look", worker.pacer.held[job.id].watch)
    assert now(job).outcomes == {}
    worker = Worker(table, worker.at)
    assert [worker.turn(), worker.turn(6)] == [0, 0]
    assert now(job).outcomes == {"completed": 10}
    killed_after("run", running)
    worker = Worker(table, worker.at)
    assert [worker.turn(), worker.turn(1)] == [0, 0]
    assert (ended(job), len(pending(table))) == ((15, 0, 0, 45), 5)
    assert worker.turn(4) == 5
    # One that comes back after another has taken over does nothing any more.
    dies(job)
    other = Worker(table, worker.at)
    assert other.turn(5) == 5
    assert worker.turn(600) == 0
    assert worker.pacer.held == {}
    takes(table, pending(table), "completed")
    for _ in range(12):
        other.turn(5)
        takes(table, pending(table), "completed")
    assert ended(job) == (60, 0, 0, 0)
    assert len(entries_of(job)) == 60
    assert Counter(now(job).outcomes) == {"completed": 60}


@pytest.mark.no_moto
def test_pause_pace_stop_and_actions_off(tables: dict[str, Any], settings: Any) -> None:
    table = tables["requests"]
    failed(table, 60)
    job, worker = started("requests.retry", filter={"status": "failed"}), Worker(table)
    assert worker.turn() == 10
    settings.ACTIONS_OFF = True
    takes(table, pending(table), "completed")
    assert [worker.turn(6), worker.turn(60)] == [0, 0]
    assert now(job).outcomes == {"completed": 10}  # looking goes on
    settings.ACTIONS_OFF = False
    assert [worker.turn(), worker.turn(5)] == [0, 5]
    job = control.pause(now(job), OLGA)
    assert job.why == ""
    takes(table, pending(table)[:2], "completed")
    assert [worker.turn(6), worker.turn(60)] == [0, 0]
    assert now(job).outcomes == {"completed": 12, "waiting": 3}
    before = pace_item(job)["epoch"]
    job = control.set_pace(now(job), Pace(3, 600, Decimal("0.5")), OLGA)
    assert worker.turn(60) == 0
    assert pace_item(job)["epoch"] == before
    control.resume(now(job), OLGA)
    assert worker.turn() == 3  # the first of the new pace
    takes(table, pending(table), "completed")
    assert worker.turn(6) == 0
    assert now(job).why == "600 a minute."
    # Another pace while it runs begins at zero, too.
    control.set_pace(now(job), Pace(4, 600, Decimal("0.5")), OLGA)
    assert now(job).why == ""
    assert [worker.turn(), worker.turn(1)] == [4, 0]
    control.stop(now(job), OLGA)
    assert worker.turn(60) == 0
    takes(table, pending(table)[:3], "failed")
    worker.turn(15)
    job = now(job)
    assert (job.state, job.outcomes) == (State.STOPPED, {"completed": 18, "failed_again": 3, "waiting": 1})
    assert job in store.live(table)  # one is not settled
    assert ended(job) == (22, 0, 0, 38)
    worker.turn(600)
    assert job not in store.live(table)
    # At once: what has no pace is for the other task.
    job = started("requests.retry", filter={"status": "failed"})
    worker.turn()
    job = control.set_pace(now(job), None, OLGA)
    assert worker.turn(60) == 0
    running.run(job)
    assert now(job).state is State.FINISHED


@pytest.mark.no_moto
def test_one_job_does_not_hold_up_another(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table = tables["requests"]
    failed(table, 24)
    keys = [f"req-{at:05}" for at in range(24)]
    pace = Pace(5, 60, Decimal("0.2"))
    jobs = [started("requests.purge", keys=some, pace=pace) for some in (keys[:12], keys[12:])]
    run, worker = running.run, Worker(table)

    def breaks(job: Job, *given: Any, **more: Any) -> int:
        done = run(job, *given, **more)
        if job.id == jobs[0].id:
            raise RuntimeError("a fault of the console")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(running, "run", breaks)
        with pytest.raises(RuntimeError, match="a fault"):
            worker.turn()
    assert [ended(job)[0] for job in jobs] == [5, 5]
    assert worker.turn() == 0  # what it did before the fault counts
    assert [ended(job)[0] for job in jobs] == [5, 5]


@pytest.mark.no_moto
def test_the_default_pace_and_few_items(tables: dict[str, Any]) -> None:
    """A retry of fewer than ten runs at once; others, and what a person asked for, have a pace."""
    table = tables["requests"]
    failed(table, 10)
    keys = [f"req-{at:05}" for at in range(10)]
    own = Pace(2, 6, Decimal("0.5"))
    for name, asked, pace in (
        ("requests.retry", {"keys": keys}, control.DEFAULT_PACE),
        ("requests.retry", {"keys": keys[:9]}, None),
        ("requests.retry", {"keys": keys[:3], "pace": own}, own),
        ("requests.retry", {"keys": keys, "at_once": True}, None),
        ("requests.purge", {"keys": keys}, None),
    ):
        job = started(name, **asked)
        assert (job.state, job.pace) == (State.RUNNING, pace)
        control.stop(job, OLGA)
    assert Pace(10, 60, Decimal("0.2")) == control.DEFAULT_PACE
    # Its few failed ones: within the first of its pace, so at once, too.
    failed(table, 4)
    job, worker = started("requests.retry", keys=keys[:4]), Worker(table)
    running.run(job)
    takes(table, keys[:4], "failed")
    worker.turn()
    worker.turn(6)
    again = control.retry_failed(now(job), OLGA)
    freezing.freeze(again)
    worker.turn()
    assert (now(again).state, ended(again)) == (State.FINISHED, (4, 0, 0, 0))


@pytest.mark.no_moto
@pytest.mark.long
def test_workers_in_real_time_with_programs_that_fail_and_recover(
    tables: dict[str, Any], settings: Any
) -> None:
    """Three workers whose leases run out again and again, and a program that takes up what it finds."""
    settings.JOBS_OBSERVE_SECONDS, settings.JOBS_LEASE_SECONDS = 30, 2
    table = tables["requests"]
    failed(table, 150)
    job = started("requests.retry", filter={"status": "failed"}, pace=Pace(10, 600, Decimal("0.2")))
    over, recovered = threading.Event(), threading.Event()

    def takes_up() -> None:
        while not over.wait(0.3):
            takes(table, pending(table), "completed" if recovered.is_set() else "failed")

    def works() -> None:
        pacer = Pacer()
        while not over.wait(0.2):
            pacer.turn(table, over.is_set)
            if random.random() < 0.05:  # it is killed, and another is started in its place
                pacer = Pacer()

    def until(state: State) -> Job:
        deadline = time.monotonic() + 240
        while (found := now(job)).state is not state:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return found

    threads = [threading.Thread(target=one) for one in (takes_up, works, works, works)]
    for thread in threads:
        thread.start()
    try:
        halted = until(State.HALTED)
        assert "failed again" in halted.why
        assert ended(job) == (10, 0, 0, 140)
        recovered.set()
        control.resume(halted, OLGA)
        until(State.FINISHED)
        deadline = time.monotonic() + 60
        while store.live(table):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert ended(job) == (150, 0, 0, 0)
    assert len(entries_of(job)) == 150
    assert now(job).outcomes == {"failed_again": 10, "completed": 140}
