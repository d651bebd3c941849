"""The export of a list, at the list's own address: the page that says what it costs, and the download."""

from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from opsportal.console.access import Refusal, lacking
from opsportal.console.column_choice import NAME as COLUMNS
from opsportal.console.listing import Listing
from opsportal.console.problems import problem_response
from opsportal.console.refusals import forbidden
from opsportal.exports import download, files
from opsportal.exports.asked import Asked
from opsportal.exports.estimate import estimate
from opsportal.exports.exportable import EXPORT_LISTS, Exportable
from opsportal.exports.rows import FORMATS
from opsportal.operations.entries import new_action_id
from opsportal.operations.outcomes import OutcomeUnknown, Refused
from opsportal.operations.pages import actor_of
from opsportal.operations.switch import OFF

# Of a list's address: `format` is the download, `export` the page about it.
FORMAT, PAGE = "format", "export"
# What its form may ask for in place of a download.
FILE = "file"


def answer(request: HttpRequest, listing: Listing, exportable: Exportable[Any]) -> HttpResponseBase | None:
    """The answer where a list's address asks for its export, else None. Raises `DynamoError`."""
    if FORMAT not in request.GET and PAGE not in request.GET:
        return None
    if not request.user.has_perm(EXPORT_LISTS):
        return forbidden(request, lacking(EXPORT_LISTS))
    kind = request.GET.get(FORMAT, "")
    if kind not in FORMATS or request.method == "POST":
        return _page(request, listing, exportable, f"There is no format {kind[:30]}." if kind else "")
    try:
        return download.answer(
            request, asked(listing, exportable, kind, request.GET.get("bom") == "1"), actor_of(request)
        )
    except (Refused, OutcomeUnknown) as refused:
        return problem_response(request, nothing_exported(refused.sentence, refused.status))


def nothing_exported(sentence: str, status: int) -> Refusal:
    return Refusal(sentence, title="Nothing was exported", status=status)


def asked(listing: Listing, exportable: Exportable[Any], kind: str, bom: bool) -> Asked:
    """The list's own filter, columns and order."""
    bounds = listing.time_range if listing.ranged and not listing.values.get("outside") else None
    return Asked(
        exportable,
        listing.values,
        bounds.start if bounds else None,
        bounds.end if bounds else None,
        listing.choice.keys or [column.key for column in exportable.columns],
        kind,
        bom,
        listing.in_words,
    )


class ExportForm(forms.Form):
    export_id = forms.UUIDField(widget=forms.HiddenInput, required=False)
    columns = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Tick at least one column."}
    )
    kind = forms.ChoiceField(
        label="Format",
        choices=[("csv", "CSV"), ("ndjson", "NDJSON: one JSON object a line")],
        widget=forms.RadioSelect,
    )
    bom = forms.BooleanField(
        label="For Excel",
        required=False,
        help_text="A CSV begins with a mark by which Excel knows its letters.",
    )

    def __init__(self, data: Any, listing: Listing) -> None:
        boxes = listing.choice.boxes
        initial = {"columns": [key for key, _, ticked in boxes if ticked], "kind": "csv"}
        super().__init__(data, initial=initial)
        choices = self.fields["columns"]
        assert isinstance(choices, forms.MultipleChoiceField)
        choices.choices = [(key, label) for key, label, _ in boxes]


def _page(
    request: HttpRequest, listing: Listing, exportable: Exportable[Any], problem: str
) -> HttpResponseBase:
    """What the export would have and cost. Sent, its form leads to the download, or has the worker make a file."""
    form = ExportForm(request.POST if request.method == "POST" else None, listing)
    status = 422 if form.is_bound else 200
    if form.is_valid():
        given = form.cleaned_data
        bom = given["bom"] and given["kind"] == "csv"
        if request.POST.get("do") != FILE:
            changes = {
                COLUMNS: ",".join(given["columns"]),
                FORMAT: given["kind"],
                "bom": "1" if bom else None,
            }
            return redirect(listing.url(**changes))
        wanted = replace(asked(listing, exportable, given["kind"], bom), columns=given["columns"])
        export_id = str(given["export_id"] or new_action_id())
        try:
            file = files.create(wanted, export_id, actor_of(request))
        except (Refused, OutcomeUnknown) as refused:
            problem, status = refused.sentence, refused.status
        else:
            return redirect("exports:export", file.id)
    found = estimate(asked(listing, exportable, "csv", False))
    context = {
        "listing": listing,
        "title": exportable.title,
        "form": form,
        "estimate": found,
        "is_large": found.large > download.MAX_ROWS,
        "export_id": request.POST.get("export_id") or new_action_id(),
        "max_rows": download.MAX_ROWS,
        "why_not": OFF if settings.ACTIONS_OFF else "",
        "problem": problem,
        "action": listing.url(**{PAGE: "1"}),
        "notes": [*listing.choice.notes, *(listing.time_range.notices if listing.ranged else ())],
    }
    return render(request, "exports/page.html", context, status=status)
