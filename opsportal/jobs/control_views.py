"""What a person does with a job: start, pause, resume, another pace, stop, retry the failed, undo."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console.access import lacking, requires
from opsportal.console.clock import absolute
from opsportal.console.context import Shell
from opsportal.console.refusals import forbidden
from opsportal.jobs import control
from opsportal.jobs.following import follow
from opsportal.jobs.forms import PaceForm
from opsportal.jobs.job import Job, State
from opsportal.jobs.measures import is_observed, measure, title
from opsportal.jobs.offers import (
    DISCARD,
    PACE,
    PAUSE,
    RESUME,
    RETRY_FAILED,
    RUN,
    STOP,
    UNDO,
    missing,
    why_not,
)
from opsportal.jobs.views import answer_job, found_job, start_form
from opsportal.operations.bulk import action_of
from opsportal.operations.entries import Actor, is_action_id
from opsportal.operations.forms import ActionForm
from opsportal.operations.item_actions import Offer
from opsportal.operations.outcomes import OutcomeUnknown, Refused
from opsportal.operations.pages import action_page, actor_of, allowed


@requires(RUN)
def start(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """POST: start the job whose preview is ready, at the chosen pace. 422, 403, 409 or 503: its page, with why not."""
    job = found_job(str(job_id))
    if request.method != "POST":
        return redirect("jobs:job", job.id)
    if permission := missing(request, job):
        return forbidden(request, lacking(permission))
    if job.state is not State.READY:
        messages.warning(request, f"The job is {job.state}, so nothing was done.")
        return redirect("jobs:job", job.id)
    form = start_form(job, request.POST)
    if not form.is_valid():
        return answer_job(request, job, start=form, status=422)
    by = actor_of(request)
    try:
        if form.chosen() != form.offered and not control.no_start(job, by):
            job = control.set_pace(job, form.chosen(), by)
        job = control.start(job, by, expected=form.cleaned_data["expected"])
    except Refused as refused:
        return answer_job(
            request, found_job(job.id), start=form, refusal=refused.sentence, status=refused.status
        )
    except OutcomeUnknown as unknown:
        return answer_job(
            request, found_job(job.id), start=form, refusal=unknown.sentence, status=unknown.status
        )
    follow(request, job)
    return redirect("jobs:job", job.id)


def _view(
    offer: Offer, run: Callable[[Job, Actor, ActionForm, Mapping[str, bool]], Job]
) -> Callable[..., HttpResponseBase]:
    """The page (and dialog) of an offer. One that makes a new job leads to it."""

    @requires(RUN)
    def view(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
        job = found_job(str(job_id))
        if permission := missing(request, job, offer):
            return forbidden(request, lacking(permission))
        shown = DISCARD if offer is STOP and job.started_at is None else offer
        effect = str(shown.effect)
        if offer is UNDO and job.images_until:
            effect += f" Possible until {absolute(job.images_until, Shell(request).zone)}."

        def carry_out(by: Actor, form: ActionForm) -> Job:
            found = action_of(job.action)
            made = run(job, by, form, allowed(request, found[1]) if found else {})
            if made.id != job.id:
                follow(request, made)
            return made

        here = reverse("jobs:job", args=[job.id])
        given = request.POST.get("action_id", "")
        made_url = reverse("jobs:job", args=[given]) if offer in MAKES and is_action_id(given) else here
        return action_page(
            request,
            replace(shown, effect=effect),
            carry_out,
            what=title(job),
            back_url=here,
            done_url=made_url,
            why_not=why_not(job, offer, measure(job)),
            form_options={"job": job, "observed": is_observed(job)} if offer is PACE else {},
        )

    return view


def _reason(form: ActionForm) -> str:
    return str(form.cleaned_data["reason"])


def _new(form: ActionForm) -> dict[str, str]:
    """The id under which a second click makes the same job."""
    return {"reason": _reason(form), "job_id": form.cleaned_data["action_id"]}


# They make another job.
MAKES = (RETRY_FAILED, UNDO)
pause = _view(PAUSE, lambda job, by, form, _: control.pause(job, by, _reason(form)))
resume = _view(RESUME, lambda job, by, form, _: control.resume(job, by, _reason(form)))
pace = _view(PACE, lambda job, by, form, _: control.set_pace(job, cast("PaceForm", form).chosen(), by))
stop = _view(STOP, lambda job, by, form, _: control.stop(job, by, _reason(form)))
retry_failed = _view(
    RETRY_FAILED, lambda job, by, form, data: control.retry_failed(job, by, data=data, **_new(form))
)
undo = _view(UNDO, lambda job, by, form, data: control.undo(job, by, data=data, **_new(form)))
