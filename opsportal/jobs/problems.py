"""What a turn over several jobs meets: each problem is shown on its job, and holds up no other."""

import contextlib
import logging
from collections.abc import Iterator

from opsportal.dynamo.errors import DynamoError
from opsportal.jobs import states
from opsportal.jobs.job import Job
from opsportal.jobs.work import ActionGone
from opsportal.operations.tasks import NotNow

logger = logging.getLogger(__name__)

UNFORESEEN = "An error of the console. It tries again; the worker's log says why."


class Problems:
    """Of one turn. The first is raised at its end, so that the worker shows it too."""

    def __init__(self) -> None:
        self.first: Exception | None = None

    @contextlib.contextmanager
    def of(self, job: Job) -> Iterator[None]:
        """Whatever goes wrong in the block is kept."""
        try:
            yield
        except DynamoError as error:
            self._keep(job, error, f"{error.sentence} {error.fix}".strip())
        except (ActionGone, NotNow) as error:
            self._keep(job, NotNow(str(error)), str(error))
        except Exception as error:
            logger.exception("job %s", job.id)
            self._keep(job, error, UNFORESEEN)
        else:
            with contextlib.suppress(DynamoError):
                states.note_problem(job, "")

    def _keep(self, job: Job, error: Exception, sentence: str) -> None:
        self.first = self.first or error
        with contextlib.suppress(DynamoError):
            states.note_problem(job, sentence)

    def raise_first(self) -> None:
        if self.first:
            raise self.first
