"""One run of the simulator: which programs there are, and when it ends."""

from collections.abc import Callable

from opsportal.demo.simulation import heartbeats, messages, orchestrators, workers
from opsportal.demo.simulation.loop import Loop, Task
from opsportal.demo.simulation.population import (
    MOST_REQUESTS,
    MOST_WORKFLOWS,
    Population,
    recover,
    submit_request,
)
from opsportal.demo.simulation.world import World, abandoned

WORKERS, QUEUE_WORKERS = 3, 2
REQUESTS_PER_WORKFLOW = 2 / 3


class Run:
    """Orchestrators, workers and agents on one loop, and where there are queues those that read them.

    With ``workflows`` or ``requests`` it submits that many and ends when they are finished; otherwise it
    goes on until ``duration`` seconds have passed or it is stopped, and never keeps more than
    `MOST_WORKFLOWS` and `MOST_REQUESTS` of its own items.
    """

    def __init__(self, world: World, *, workflows: int | None = None, requests: int | None = None) -> None:
        self.world, self.loop = world, Loop()
        self.bounded = workflows is not None or requests is not None
        self.wanted = (workflows or 0, requests or 0)
        self.workflows = Population(world, world.workflows, max(MOST_WORKFLOWS, self.wanted[0]))
        self.requests = Population(world, world.requests, max(MOST_REQUESTS, self.wanted[1]))

    def run(self, duration: float | None = None) -> None:
        self.loop.start(self._begin())
        self.loop.run(duration)

    def _begin(self) -> Task:
        # Before any worker starts: what they take must not look like what a dead one left.
        yield from recover(self.world, self.workflows, self.requests)
        self.loop.start(self._recover_later())
        rate = self.world.pace.rate
        for number in range(1, WORKERS + 1):
            self.loop.start(workers.worker(self.world, number))
        if self.world.requests_queue:
            inbox = messages.Inbox(self.world.requests_queue)
            for number in range(WORKERS + 1, WORKERS + QUEUE_WORKERS + 1):
                self.loop.start(messages.requests(self.world, inbox, number))
        if self.world.commands_queue:
            inbox = messages.Inbox(self.world.commands_queue)
            self.loop.start(messages.commands(self.world, inbox, self.loop.start))
        for number in range(heartbeats.count(self.world)):
            self.loop.start(heartbeats.beat(self.world, number))
        if self.bounded:
            self.loop.start(self._submit_and_wait(*self.wanted))
            return
        if rate > 0:
            self.loop.start(self._every(60 / rate, self._new_workflow))
            self.loop.start(self._every(60 / rate / REQUESTS_PER_WORKFLOW, self._new_request))

    def _recover_later(self) -> Task:
        """What was left just before the start is old enough then."""
        yield 1.1 * abandoned(self.world).total_seconds()
        yield from recover(self.world, self.workflows, self.requests)

    def _every(self, seconds: float, submit: Callable[[], Task]) -> Task:
        while True:
            yield from submit()
            yield self.world.rng.uniform(0.7, 1.3) * seconds

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
