"""Pages of the files that the worker makes: all of them, one with how far it is, its download, its stop."""

from collections.abc import Callable, Iterator
from datetime import UTC
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from opsportal.console import polls
from opsportal.console.access import lacking, requires
from opsportal.console.admission import Load, admitted
from opsportal.console.listing import Empty, Region, respond, seen_token
from opsportal.console.problems import problem_response
from opsportal.console.refusals import forbidden
from opsportal.console.streams import streamed
from opsportal.console.tones import ATTENTION, ICONS, RUNNING, SUCCESS
from opsportal.dynamo.errors import DynamoError
from opsportal.exports import files, record, rows
from opsportal.exports.asked import encoded
from opsportal.exports.exportable import EXPORT_LISTS
from opsportal.exports.files import File, State
from opsportal.exports.views import nothing_exported
from opsportal.operations.csv_cells import broken_off
from opsportal.operations.outcomes import OutcomeUnknown, Refused
from opsportal.operations.pages import actor_of
from opsportal.operations.switch import check_actions_are_on
from opsportal.operations.tags import Action

TONES = {
    State.RUNNING: RUNNING, State.COMPLETE: SUCCESS, State.INCOMPLETE: ATTENTION, State.STOPPED: ATTENTION,
}  # fmt: skip
NO_FILE = f"There is no export with this id. Files are kept for {files.LIFE_DAYS} days."
# Seconds between two polls of the page of a file that is being made.
WAITED_FOR = 2


class Shown:
    """A file with its looks."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.tone = TONES[file.state]
        self.icon = ICONS[self.tone]

    @property
    def title(self) -> str:
        return f"{self.file.asked.exportable.title} as {rows.FORMATS[self.file.asked.kind]}"

    @property
    def seen(self) -> list[object]:
        """What changes when the page does."""
        file = self.file
        return [file.id, file.state, file.rows, file.packed, file.why, file.problem]


def _may_see(request: HttpRequest, file: File) -> bool:
    return request.user.has_perm(file.asked.exportable.permission)


def _of_file(view: Callable[[HttpRequest, File], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view of one file, by its id. Http404 where there is none; 403 where the person may not see its list."""

    @wraps(view)
    def found(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
        file = files.find(str(export_id))
        if file is None:
            raise Http404(NO_FILE)
        if not _may_see(request, file):
            return forbidden(request, lacking(file.asked.exportable.permission))
        return view(request, file)

    return found


@requires(EXPORT_LISTS)
@admitted(Load.LIST)
def list_(request: HttpRequest) -> HttpResponse:
    """The newest files, of lists that the person may see."""
    shown = [Shown(file) for file in files.listed() if _may_see(request, file)]
    digest = seen_token([one.seen for one in shown])
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    waiting = any(one.file.is_open for one in shown)
    region = Region("live", seen=digest, finished=not waiting, at_least_every=WAITED_FOR if waiting else 0)
    empty = Empty("nothing_yet", "No files yet", "Export above a list can make one, with any number of rows.")
    context = {"shown": shown, "empty": None if shown else empty, "days": files.LIFE_DAYS}
    return respond(request, "exports/list.html", context, region)


@requires(EXPORT_LISTS)
@_of_file
def page(request: HttpRequest, file: File) -> HttpResponseBase:
    """One file: how far it is, and its download once it is there."""
    one = Shown(file)
    digest = seen_token(one.seen)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    region = Region(
        "live", seen=digest, finished=not file.is_open, at_least_every=WAITED_FOR if file.is_open else 0
    )
    context: dict[str, Any] = {"one": one, "file": file}
    return respond(request, "exports/file.html", context, region)


@requires(EXPORT_LISTS)
@_of_file
def stop(request: HttpRequest, file: File) -> HttpResponseBase:
    """POST: make no more of it. What is there already can be downloaded."""
    if request.method == "POST" and file.is_open:
        by = actor_of(request)
        try:
            check_actions_are_on()
            files.end(file, State.STOPPED, f"{by.name} stopped it.", by=by)
        except (Refused, OutcomeUnknown) as refused:
            messages.warning(request, refused.sentence)
    return redirect("exports:export", file.id)


@requires(EXPORT_LISTS)
@_of_file
def download(request: HttpRequest, file: File) -> HttpResponseBase:
    """The file, streamed; each download has an entry in the audit trail. 409: it is not ready."""
    if file.is_open:
        return problem_response(request, nothing_exported("The file is not ready yet.", 409))
    content_type = rows.TYPES[file.asked.kind]
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type)
    try:
        record.write(
            file.asked, file.id, Action.EXPORT_DOWNLOAD, actor_of(request), file.asked.described, file.rows
        )
    except (Refused, OutcomeUnknown) as refused:
        return problem_response(request, nothing_exported(refused.sentence, refused.status))
    response = streamed(request, _parts(file), content_type)
    if response.streaming:
        at = file.created_at.astimezone(UTC)
        name = f"{file.asked.exportable.name}-{at:%Y%m%dT%H%M%SZ}.{file.asked.kind}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _parts(file: File) -> Iterator[bytes]:
    why = file.why
    try:
        yield from files.content(file)
    except DynamoError as error:
        why = error.sentence
    except files.PartGone:
        why = f"A part of it is gone: files are kept for {files.LIFE_DAYS} days."
    if why:
        yield encoded(broken_off(file.asked.kind, why))
