"""Pages of failures: the list of cases, and one case."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from opsportal.accounts.actors import user_id
from opsportal.console import cells, polls
from opsportal.console.access import person, requires
from opsportal.console.admission import Load, admitted
from opsportal.console.columns import PageState, table
from opsportal.console.context import Shell
from opsportal.console.listing import Empty, Listing, Region, respond, seen_token
from opsportal.console.timerange import WINDOWS, Window, window_of
from opsportal.exports import views as exports
from opsportal.failures import actions, figures, offers, store
from opsportal.failures.case import Case
from opsportal.failures.columns import COLUMNS, ORDERS, CaseRow
from opsportal.failures.figures import Figures
from opsportal.failures.forms import END, MuteForm
from opsportal.failures.matching import VIEW
from opsportal.failures.selection import EXPORT, NOBODY, chosen, is_owned
from opsportal.failures.shown import Shown
from opsportal.failures.words import ACKNOWLEDGED, MUTED, OPEN, REOPENED, RESOLVED, table_label
from opsportal.operations.entries import Actor
from opsportal.operations.forms import ActionForm
from opsportal.operations.item_actions import Offer
from opsportal.operations.outcomes import Unreadable
from opsportal.operations.pages import action_page

WORKER = "python manage.py worker"
# Without a label: they are tabs and choices, no chips.
FILTERS = {"state": "", "window": "", "order": "", "owner": "Owner", "table": "Table"}
ACTIVE = (OPEN, REOPENED, ACKNOWLEDGED, MUTED)


# --- The list -------------------------------------------------------------------------------------------------


@requires(VIEW)
@admitted(Load.LIST)
def list_(request: HttpRequest) -> HttpResponseBase:
    """The cases of all tables, from the shared figures; those that are resolved are read. `state`, `window`, `order`,
    `owner` and `table` choose."""
    listing = Listing(request, "failures", FILTERS, ranged=False, columns=COLUMNS)
    if answer := exports.answer(request, listing, EXPORT):
        return answer
    shared, now = figures.at_hand(), datetime.now(UTC)
    found, window = figures.of(shared.value), window_of(request)
    picked = chosen(listing.values, found, now)
    rows, closed = picked.rows, listing["state"] == RESOLVED.word
    late = [table_label(logical) for logical, one in found.followed.items() if one.is_left(now)]
    digest = seen_token(
        [(row.stated.word, row.case.to_item(), row.runs, row.share_text, row.trend.word) for row in rows],
        [(row.id, row.stated.word) for row in picked.others],
        (late, picked.cut, str(shared.failed or "")),
    )
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    # How far the worker has read is renewed once a minute.
    region = Region("live", seen=polls.lasting(digest, [now + polls.MINUTE]))
    context = {
        "listing": listing,
        "rows": rows,
        "table": table(COLUMNS, rows, PageState.of(listing, "failures:case")),
        "tabs": _tabs(listing, picked.others, closed=closed),
        "windows": [(label, listing.url(window=key), key == window.key) for label, _, key in _windows()],
        "orders": [
            (label, listing.url(order=key), key == listing["order"]) for key, (label, _) in ORDERS.items()
        ],
        "owners": _owners(request, listing, picked.of_table),
        "tables": [
            (label, listing.url(table=logical), logical == listing["table"])
            for logical, label in [("", "All tables"), *((one, table_label(one)) for one in found.followed)]
        ],
        "empty": None if rows else _empty(listing, found),
        "followed": [(table_label(logical), one) for logical, one in found.followed.items()],
        "late": late,
        "worker": WORKER,
        "cut": picked.cut,
        "figures": shared,
        "problem": shared.failed,
        "closed": closed,
        "life": store.CLOSED_DAYS,
    }
    return respond(request, "failures/list.html", context, region)


def _windows() -> list[tuple[str, str, str]]:
    return [(Window(key, "").choices[n][0], "", key) for n, key in enumerate(WINDOWS)]


def _tabs(listing: Listing, rows: list[CaseRow], *, closed: bool) -> list[tuple[str, str, bool, Any]]:
    counted = [row.stated for row in rows] if not closed else []
    asked = listing["state"]

    def count(number: int) -> Any:
        return "" if closed else number

    return [
        ("Active", listing.url(state=None), not asked, count(len(counted))),
        *(
            (one.word.capitalize(), listing.url(state=one.word), asked == one.word, count(counted.count(one)))
            for one in ACTIVE
        ),
        (RESOLVED.word.capitalize(), listing.url(state=RESOLVED.word), closed, ""),
    ]


def _owners(request: HttpRequest, listing: Listing, cases: list[Case]) -> list[dict[str, Any]]:
    """The two filters by owner, each a button that is pressed or not."""
    me = user_id(person(request))
    return [
        {
            "label": label,
            "icon": name,
            "current": listing["owner"] == value,
            "url": listing.url(owner=None if listing["owner"] == value else value),
            "count": sum(is_owned(case, value) for case in cases),
        }
        for label, name, value in (("Assigned to me", "user", me), ("Unassigned", "", NOBODY))
    ]


def _empty(listing: Listing, found: Figures) -> Empty:
    if listing["owner"] or listing["table"]:
        return Empty(
            "no_match",
            "No cases match",
            link_url=listing.url(owner=None, table=None),
            link_text="Clear the filters",
        )
    if listing["state"] == RESOLVED.word:
        return Empty(
            "nothing_yet", "No resolved cases", f"Resolved cases are kept for {store.CLOSED_DAYS} days."
        )
    if listing["state"]:
        return Empty(
            "no_match",
            f"No {listing['state']} cases"[:80],
            link_url=listing.url(state=None),
            link_text="All active cases",
        )
    return Empty(
        "nothing_yet",
        "No failures",
        "The worker opens a case within a minute of a failure.",
        command="" if any(one.read_to for one in found.followed.values()) else WORKER,
    )


# --- One case -------------------------------------------------------------------------------------------------


def found_case(case_id: str) -> Case:
    """Http404 where there is none. Raises `DynamoError`."""
    try:
        found = store.find(case_id)
    except Unreadable as unreadable:
        raise Http404(unreadable.sentence) from unreadable
    if found is None:
        raise Http404(not_yet())
    return found


def not_yet() -> str:
    return (
        "There is no case with this id. The worker opens a case within a minute of the first failure, but for runs that "
        f"were created more than {settings.FAILURES_WINDOW_HOURS} hours before they failed. While {store.MAX_ACTIVE} cases are "
        "active, further errors of a step share one. A case is kept for "
        f"{store.CLOSED_DAYS} days after it is resolved."
    )


@requires(VIEW)
def case_page(request: HttpRequest, case_id: str) -> HttpResponse:
    """One case; 404, and it is asked for again, where the worker has not opened it (yet)."""
    try:
        case = found_case(case_id)
    except Http404 as gone:
        region = Region("live", seen=seen_token(case_id, "gone"))
        missing: dict[str, Any] = {"case": None, "case_id": case_id, "sentence": str(gone), "worker": WORKER}
        return respond(request, "failures/case.html", missing, region, status=404)
    shown = Shown.read(case, window_of(request), Shell(request).zone)
    digest = seen_token(*shown.seen)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    region = Region("live", seen=polls.lasting(digest, [shown.now + polls.MINUTE]))
    context = {
        "case": case,
        "one": shown,
        "buttons": shown.buttons(request),
        "bulk": shown.bulk(request),
        "forms": shown.forms(request),
        "windows": [(label, f"?window={key}", key == shown.window.key) for label, _, key in _windows()],
        "may": request.user.has_perm(actions.MANAGE),
        "me": user_id(person(request)),
    }
    return respond(request, "failures/case.html", context, region)


# --- What is done with one ------------------------------------------------------------------------------------

Run = Callable[[Case, Actor, ActionForm], object]


def _view(offer: Offer, run: Run) -> Callable[..., HttpResponseBase]:
    @requires(offer.permission)
    def view(request: HttpRequest, case_id: str) -> HttpResponseBase:
        case = found_case(case_id)
        options: dict[str, Any] = {}
        if offer is offers.MUTE:
            options = {"zone": Shell(request).zone, "muted": case.muted_until is not None}
        elif offer is offers.ASSIGN:
            options = {"owner": case.owner_id}
        ends = offer is offers.MUTE and request.POST.get("length") == END
        answer = action_page(
            request,
            offers.END_MUTE if ends else offer,
            lambda by, form: run(case, by, form),
            what=case.id,
            back_url=reverse("failures:case", args=[case.id]),
            why_not=actions.why_not(offer.tag, case) if request.method != "POST" else "",
            form_options=options,
        )
        return (
            _taken(request, case, answer) if "row" in request.POST and answer.status_code == 204 else answer
        )

    return view


def _taken(request: HttpRequest, case: Case, answer: HttpResponseBase) -> HttpResponse:
    """The owner in place of the row's button: the list is not refreshed while the pointer is on its rows."""
    said = f'<span tabindex="-1" autofocus>{cells.excerpt(person(request).get_username(), 40)}</span>'
    swap = {"HX-Retarget": f"#take-{case.id}", "HX-Reswap": "outerHTML"}
    return HttpResponse(said, headers={"HX-Trigger": answer["HX-Trigger"], **swap})


def _given(form: ActionForm) -> dict[str, str]:
    return {name: form.cleaned_data[name] for name in ("reason", "action_id")}


def _text(form: ActionForm) -> tuple[str, str]:
    return form.cleaned_data["reason"], form.cleaned_data["action_id"]


def _noted(case: Case, by: Actor, form: ActionForm) -> object:
    content, action_id = _text(form)
    return actions.note(case, content, by=by, action_id=action_id)


def _resolved(case: Case, by: Actor, form: ActionForm) -> object:
    cause, action_id = _text(form)
    return actions.resolve(case, cause, by=by, action_id=action_id)


acknowledge = _view(
    offers.ACKNOWLEDGE, lambda case, by, form: actions.acknowledge(case, by=by, **_given(form))
)
assign = _view(
    offers.ASSIGN,
    lambda case, by, form: actions.assign(case, form.cleaned_data["owner"], by=by, **_given(form)),
)
note = _view(offers.NOTE, _noted)
mute = _view(
    offers.MUTE,
    lambda case, by, form: actions.mute(case, cast("MuteForm", form).until, by=by, **_given(form)),
)
resolve = _view(offers.RESOLVE, _resolved)
reopen = _view(offers.REOPEN, lambda case, by, form: actions.reopen(case, by=by, **_given(form)))
