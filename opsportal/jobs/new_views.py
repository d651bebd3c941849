"""Making a job from a list: of the rows that were ticked, or of all that match its filter."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from opsportal.console.access import lacking, requires
from opsportal.console.converters import unquote_key
from opsportal.console.listing import Listing
from opsportal.console.parameters import QUOTED
from opsportal.console.refusals import forbidden
from opsportal.dynamo.errors import DynamoError
from opsportal.jobs import control
from opsportal.jobs.following import follow
from opsportal.jobs.job import Job
from opsportal.jobs.measures import noun
from opsportal.operations.bulk import Bulk, all_bulk
from opsportal.operations.entries import is_action_id, new_action_id
from opsportal.operations.forms import ReasonedForm, WithReason
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import OutcomeUnknown, Refused
from opsportal.operations.pages import actor_of, allowed
from opsportal.operations.selection import MAX_TICKED


class ReasonForm(WithReason):
    """Why, and the id of the job: sent twice it makes one. `needed`: the reason is written into the items."""

    job_id = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, needed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if needed:
            field = self.fields["reason"]
            field.required = True
            field.help_text = "Becomes the error of each. Recorded in the audit trail."
            field.error_messages["required"] = "Enter a reason: it becomes the error of each."

    def clean_job_id(self) -> str:
        given: str = self.cleaned_data["job_id"]
        if not is_action_id(given):
            raise forms.ValidationError("Reload the page and do it again: the form has no valid job id.")
        return given


@dataclass(frozen=True)
class Chosen:
    """What a list sent: the keys of ticked rows, or its own state (`listing`) for all that match."""

    bulk: Bulk
    action: ItemAction
    keys: tuple[str, ...] = ()
    listing: Listing | None = None
    query: str = ""

    @property
    def problem(self) -> str:
        """Why no job can be made of it, "" where one can."""
        if self.listing is None and not self.keys:
            return "No row is ticked. Go back, and tick at least one."
        if len(self.keys) > MAX_TICKED:
            return f"At most {MAX_TICKED:,} rows can be ticked; you ticked {len(self.keys):,}. Use a filter and choose all that match."
        if self.listing and self.bulk.ranged and self.listing.time_range.crossed:
            return "The time range ends before it begins: go back and swap the two."
        return ""

    @property
    def list_url(self) -> str:
        url = reverse(f"{self.bulk.actions.namespace}:list")
        return f"{url}?{self.query}" if self.query else url

    def make(self, request: HttpRequest, reason: str, job_id: str) -> Job:
        """Raises as `control.make`."""
        asked: dict[str, Any] = {"keys": self.keys}
        if self.listing:
            asked = {"filter": self.listing.values}
            if self.bulk.ranged:
                found = self.listing.time_range
                asked |= {"since": found.start, "until": found.end}
        return control.make(
            f"{self.bulk.logical}.{self.action.tag.verb}",
            by=actor_of(request),
            reason=reason,
            data=allowed(request, self.action),
            job_id=job_id,
            **asked,
        )


@requires("jobs.run_jobs")
def new(request: HttpRequest) -> HttpResponseBase:
    """POST from a list: without a `reason` the form that asks for it, with one a new job.

    `action` is a name such as "requests.purge". `key`, repeated, are ticked rows; with `all` it is what matches `query`,
    the list's own parameters. 422 and the same form where something is at fault, 409 or 503 where no job was made.
    """
    if request.method != "POST":
        return redirect("jobs:list")
    try:
        logical, action = control.action_named(request.POST.get("action", ""))
    except control.Invalid as invalid:
        return _page(request, {"problem": invalid.sentence}, 422)
    if not request.user.has_perm(action.permission):
        return forbidden(request, lacking(action.permission))
    chosen = _chosen(request, all_bulk()[logical], action)
    if chosen.problem:
        return _page(request, {"chosen": chosen, "problem": chosen.problem}, 422)
    needed = issubclass(action.form_class, ReasonedForm)
    if "reason" not in request.POST:
        given = request.POST.get("job_id", "")
        job_id = given if is_action_id(given) else new_action_id()
        return _page(
            request, {"chosen": chosen, "form": ReasonForm(needed=needed, initial={"job_id": job_id})}
        )
    form = ReasonForm(request.POST, needed=needed)
    shown: dict[str, Any] = {"chosen": chosen, "form": form}
    if not form.is_valid():
        return _page(request, shown, 422)
    try:
        job = chosen.make(request, form.cleaned_data["reason"], form.cleaned_data["job_id"])
    except Refused as refused:
        return _page(request, shown | {"refusal": refused.sentence}, refused.status)
    except OutcomeUnknown as unknown:
        return _page(request, shown | {"refusal": unknown.sentence}, unknown.status)
    except DynamoError as problem:  # what was typed stays
        return _page(request, shown | {"refusal": f"{problem.sentence} {problem.fix}".strip()}, 503)
    follow(request, job)
    return redirect("jobs:job", job.id)


def _chosen(request: HttpRequest, bulk: Bulk, action: ItemAction) -> Chosen:
    query = QueryDict(request.POST.get("query", ""))
    if not request.POST.get("all"):
        return Chosen(bulk, action, tuple(dict.fromkeys(_keys(request.POST))), query=query.urlencode())
    # What the person sees is what the job gets: the list reads its own parameters, with its own default range.
    as_listed = copy(request)
    as_listed.GET = query
    listing = Listing(as_listed, bulk.logical, bulk.filters, ranged=bulk.ranged)
    return Chosen(bulk, action, listing=listing, query=query.urlencode())


def _keys(given: QueryDict) -> list[str]:
    """As `parameters.form_field` writes them."""
    keys = given.getlist("key")
    for quoted in given.getlist(f"key{QUOTED}"):
        try:
            keys.append(unquote_key(quoted))
        except ValueError:
            keys.append(quoted)
    return [one for one in keys if one]


def _page(request: HttpRequest, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    chosen: Chosen | None = context.get("chosen")
    more: dict[str, Any] = {}
    if chosen:
        more = {"title": f"{chosen.action.label}: {_what(chosen)}", "nouns": noun(chosen.bulk.logical, 2)}
    return render(request, "jobs/new.html", {**more, **context}, status=status)


def _what(chosen: Chosen) -> str:
    if chosen.listing:
        return f"all {noun(chosen.bulk.logical, 2)} that match"
    return f"{len(chosen.keys):,} {noun(chosen.bulk.logical, len(chosen.keys))}"
