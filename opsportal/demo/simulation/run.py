"""One run of the simulator: which programs there are, and when it ends."""

import asyncio
from collections.abc import Callable

from opsportal.demo import traffic
from opsportal.demo.roster import Roster
from opsportal.demo.simulation import heartbeats, messages, orchestrators, workers
from opsportal.demo.simulation.population import (
    MAX_REQUESTS,
    MAX_WORKFLOWS,
    Population,
    recover,
    submit_request,
)
from opsportal.demo.simulation.world import Task, World

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
        self.world = world
        self.bounded = workflows is not None or requests is not None
        self.wanted = (workflows or 0, requests or 0)
        self.roster = Roster() if self.bounded else Roster.read()
        self.workflows = Population(world, world.workflows, max(MAX_WORKFLOWS, self.wanted[0]), self.roster)
        self.requests = Population(world, world.requests, max(MAX_REQUESTS, self.wanted[1]), self.roster)

    def run(self, duration: float | None = None) -> None:
        """Raises what one of the programs raises, and whatever a signal's handler does."""
        try:
            asyncio.run(self._run(duration))
        finally:
            self.roster.save()

    async def _run(self, duration: float | None) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self.tasks = set[asyncio.Task[None]]()
        self.start(self._begin())
        await asyncio.wait([self.over], timeout=duration)
        if self.over.done():
            self.over.result()

    def start(self, program: Task) -> None:
        task = asyncio.ensure_future(program)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # A signal's exception has ended the loop itself.
        if isinstance(error, Exception) and not self.over.done():
            self.over.set_exception(error)

    async def _begin(self) -> None:
        # Before any worker starts: what they take must not look like what a dead one left.
        for population in (self.workflows, self.requests):
            await recover(population, self.start)
        rate = self.world.pace.rate
        for number in range(1, WORKERS + 1):
            self.start(workers.worker(self.world, number))
        if self.world.requests_queue:
            inbox = messages.Inbox(self.world, self.world.requests_queue)
            for number in range(1, QUEUE_WORKERS + 1):
                self.start(messages.requests(self.world, inbox, number))
        if self.world.commands_queue:
            inbox = messages.Inbox(self.world, self.world.commands_queue)
            self.start(messages.commands(self.world, inbox, self.start))
        for number in range(heartbeats.count(self.world)):
            self.start(heartbeats.beat(self.world, number))
        if self.bounded:
            self.start(self._submit_and_wait(*self.wanted))
            return
        self.start(self._save())
        if rate > 0:
            self.start(self._every(60 / rate, self._new_workflow))
            self.start(self._every(60 / rate / REQUESTS_PER_WORKFLOW, self._new_request))

    async def _save(self) -> None:
        while True:
            await self.world.sleep(SAVE_SECONDS)
            self.roster.save()

    async def _every(self, seconds: float, submit: Callable[[], Task]) -> None:
        while True:
            await submit()
            gap = seconds / traffic.weight(self.world.now())
            await self.world.sleep(self.world.rng.uniform(0.7, 1.3) * gap)

    async def _submit_and_wait(self, workflows: int, requests: int) -> None:
        pause = 60 / self.world.pace.rate if self.world.pace.rate > 0 else 0.0
        for number in range(max(workflows, requests)):
            if number < workflows:
                await self._new_workflow()
            if number < requests:
                await self._new_request()
            await self.world.sleep(pause)
        while self.world.running:
            await self.world.sleep(0.1)
        self.over.set_result(None)  # workers and agents have no end of their own

    async def _new_workflow(self) -> None:
        if await self.workflows.room():
            session = orchestrators.session_id(self.world)
            self.workflows.add(session)
            self.world.running.add(session)
            self.start(orchestrators.workflow(self.world, session))

    async def _new_request(self) -> None:
        ident = await submit_request(self.world, self.requests)
        if self.bounded and ident:
            self.world.running.add(ident)
