"""The jobs whose end a person waits for: their ids are in the session, which is loaded anyway."""

from django.http import HttpRequest

from opsportal.console.context import FOLLOWED_JOBS
from opsportal.jobs.job import Job

# Ids in a session at most: the newest stay.
MAX_FOLLOWED = 10


def follow(request: HttpRequest, job: Job) -> None:
    """Let a notice say on every page how far it is, until it has ended."""
    others = [one for one in followed(request) if one != (job.id, job.logical)]
    request.session[FOLLOWED_JOBS] = [list(one) for one in (*others, (job.id, job.logical))][-MAX_FOLLOWED:]


def followed(request: HttpRequest) -> list[tuple[str, str]]:
    """Id and logical table of each, oldest first."""
    return [(str(job_id), str(logical)) for job_id, logical in request.session.get(FOLLOWED_JOBS, [])]


def leave(request: HttpRequest, job_ids: set[str]) -> None:
    """Say no more of these."""
    left = [list(one) for one in followed(request) if one[0] not in job_ids]
    if left:
        request.session[FOLLOWED_JOBS] = left
    else:
        request.session.pop(FOLLOWED_JOBS, None)
