"""One run of the simulator: which programs there are, and when it ends."""

from collections.abc import Callable

from opsportal.demo import traffic
from opsportal.demo.roster import Roster
from opsportal.demo.simulation import heartbeats, messages, orchestrators, workers
from opsportal.demo.simulation.loop import Loop, Task
from opsportal.demo.simulation.population import (
    MAX_REQUESTS,
    MAX_WORKFLOWS,
    Population,
    recover,
    submit_request,
)
from opsportal.demo.simulation.world import World

WORKERS, QUEUE_WORKERS = 3, 2
REQUESTS_PER_WORKFLOW = traffic.REQUESTS_PER_HOUR / traffic.WORKFLOWS_PER_HOUR
SAVE_SECONDS = 2.0


class Run:
    """Orchestrators, workers and agents on one loop, and where there are queues those that read them.

    With ``workflows`` or ``requests`` it submits that many and ends when they are finished; otherwise it
    goes on until ``duration`` seconds have passed or it is stopped, keeps its own items in a roster
    (`opsportal.demo.roster`) for the next run, and never more than `MAX_WORKFLOWS` and `MAX_REQUESTS` of them.
    """

    def __init__(self, world: World, *, workflows: int | None = None, requests: int | None = None) -> None:
        self.world, self.loop = world, Loop()
        self.bounded = workflows is not None or requests is not None
        self.wanted = (workflows or 0, requests or 0)
        self.roster = Roster() if self.bounded else Roster.read()
        self.workflows = Population(world, world.workflows, max(MAX_WORKFLOWS, self.wanted[0]), self.roster)
        self.requests = Population(world, world.requests, max(MAX_REQUESTS, self.wanted[1]), self.roster)

    def run(self, duration: float | None = None) -> None:
        self.loop.start(self._begin())
        try:
            self.loop.run(duration)
        finally:
            self.roster.save()

    def _begin(self) -> Task:
        # Before any worker starts: what they take must not look like what a dead one left.
        for population in (self.workflows, self.requests):
            yield from recover(population, self.loop.start)
        rate = self.world.pace.rate
        for number in range(1, WORKERS + 1):
            self.loop.start(workers.worker(self.world, number))
        if self.world.requests_queue:
            inbox = messages.Inbox(self.world.requests_queue)
            for number in range(1, QUEUE_WORKERS + 1):
                self.loop.start(messages.requests(self.world, inbox, number))
        if self.world.commands_queue:
            inbox = messages.Inbox(self.world.commands_queue)
            self.loop.start(messages.commands(self.world, inbox, self.loop.start))
        for number in range(heartbeats.count(self.world)):
            self.loop.start(heartbeats.beat(self.world, number))
        if self.bounded:
            self.loop.start(self._submit_and_wait(*self.wanted))
            return
        self.loop.start(self._save())
        if rate > 0:
            self.loop.start(self._every(60 / rate, self._new_workflow))
            self.loop.start(self._every(60 / rate / REQUESTS_PER_WORKFLOW, self._new_request))

    def _save(self) -> Task:
        while True:
            yield SAVE_SECONDS
            self.roster.save()

    def _every(self, seconds: float, submit: Callable[[], Task]) -> Task:
        while True:
            yield from submit()
            yield self.world.rng.uniform(0.7, 1.3) * seconds / traffic.weight(self.world.now())

    def _submit_and_wait(self, workflows: int, requests: int) -> Task:
        pause = 60 / self.world.pace.rate if self.world.pace.rate > 0 else 0.0
        for number in range(max(workflows, requests)):
            if number < workflows:
                yield from self._new_workflow()
            if number < requests:
                yield from self._new_request()
            yield pause
        while self.world.running:
            yield 0.1
        self.loop.stop()  # workers and agents have no end of their own
        yield 0

    def _new_workflow(self) -> Task:
        if (yield from self.workflows.room()):
            session = orchestrators.session_id(self.world)
            self.workflows.add(session)
            self.world.running.add(session)
            self.loop.start(orchestrators.workflow(self.world, session))

    def _new_request(self) -> Task:
        ident = yield from submit_request(self.world, self.requests)
        if self.bounded and ident:
            self.world.running.add(ident)
