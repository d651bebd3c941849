"""A URLconf with every component of the shell on sample data, for the browser tests of the shell."""

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path
from django.utils import timezone

from opsportal.accounts.admin import site
from opsportal.console.access import staff
from opsportal.console.listing import Region
from opsportal.dynamo.attributes import Malformed
from tracking.timeline import Tick

NASTY = '<script>alert(1)</script>\u202etxt.exe\u202c \x00\x1b[31m "quoted" & more'
state: dict[str, Any] = {"version": 1, "finished": False, "status": 200, "rows": 6, "title": "first"}

LIST = """{% extends "base.html" %}
{% block title %}Workflows{% endblock %}{% block heading %}Workflows{% endblock %}
{% block subheading %}Newest first, over 6 partitions{% endblock %}
{% block actions %}{% include "partials/saved_views.html" with saved_views=views saved_views_page="workflows" %}<a class="btn btn-primary" href="#">{% icon "plus" %}New</a>{% endblock %}
{% block content %}
{% include "partials/tabs.html" %}
<div class="toolbar"><form role="search" aria-label="This list" class="search">{% icon "search" %}<label class="visually-hidden" for="q">Search</label><input class="form-control" id="q" name="q" data-search placeholder="Id, or text to search"></form>
<label>Status <select class="form-select form-select-sm d-inline-block w-auto"><option>any</option></select></label>
<div class="segmented" role="group" aria-label="Time"><a href="#" aria-current="true">24 h</a><a href="#">7 d</a></div></div>
{% include "partials/chips.html" %}
{% include "gallery-region" %}
{% endblock %}"""

REGION = """<div {% live region %}>
{% include "partials/new_rows.html" with new_rows=3 first_url="?" %}
<div class="table-scroll" data-list="workflows" tabindex="0" role="region" aria-label="Workflows"><table class="table table-stack"><thead><tr><th scope="col" class="is-tight"><span class="visually-hidden">Select</span></th><th scope="col">Status</th><th scope="col">Id</th><th scope="col">Steps</th><th scope="col">Progress</th><th scope="col">Started</th><th scope="col" class="is-num">Duration</th><th scope="col" class="is-num">Tokens</th><th scope="col">Error</th></tr></thead>
<tbody>{% for row in rows %}<tr id="row-{{ row.id }}" data-row><td class="is-tight"><input type="checkbox" class="form-check-input" id="pick-{{ row.id }}" aria-label="Select {{ row.id }}"></td>
<td>{% status row.status %}</td><td class="is-id"><a href="/item/{{ row.id }}/" data-row-link>{{ row.id|shown }}</a>{% copy row.id "Copy the id" %}</td><td data-label="Steps">{% dots row.steps %}</td>
<td data-label="Progress">{% meter row.progress label="Progress" %}</td><td data-label="Started">{% when row.started %}</td><td class="is-num" data-label="Duration">{{ row.duration|duration }}</td><td class="is-num" data-label="Tokens">{{ row.tokens|thousands }}</td><td class="is-error">{{ row.error|excerpt:90 }}</td></tr>{% endfor %}</tbody></table></div>
<details id="more"><summary>More</summary><p id="version">version {{ version }}</p><input id="note" name="note" aria-label="Note"></details>
<div class="list-footer">{% include "partials/reading.html" %}{% include "partials/pager.html" %}</div>
</div>"""

ITEM = """{% extends "base.html" %}
{% block title %}{{ id }}{% endblock %}{% block heading %}<span class="mono">{{ id|shown }}</span> {% copy id "Copy the id" %}{% endblock %}
{% block subheading %}Trade document, BANK{% endblock %}
{% block actions %}<span data-item-nav="workflows"></span><button class="btn">{% icon "refresh" %}Retry</button><button class="btn btn-danger" data-open-dialog="act">{% icon "player-stop" %}Cancel</button>{% endblock %}
{% block content %}
<ul class="findings"><li class="finding tone-failed">{% icon "alert-triangle" %}<span>A step failed, but the workflow says processing.</span></li><li class="finding tone-attention">{% icon "clock" %}<span>No update for 47 min.</span></li></ul>
<dl class="summary"><div><dt>Status</dt><dd>{% status "processing" %}</dd></div><div><dt>Elapsed</dt><dd>{{ 252|duration }}</dd></div><div><dt>Tokens</dt><dd>{{ 14169|thousands }}</dd></div><div><dt>Updated</dt><dd>{% when started %}</dd></div><div><dt>Expires</dt><dd>{% when expires %}</dd></div><div><dt>Percent</dt><dd>{{ bad|shown }}</dd></div></dl>
<section class="panel"><div class="panel-head"><h2>Timeline</h2><span class="muted">4 steps, 1 unlisted</span></div><div class="panel-body">{% include "partials/timeline.html" %}</div></section>
{% include "partials/tabs.html" with tabs=itemtabs %}
<div class="panels"><section class="panel"><div class="panel-head"><h2>Facts</h2></div><div class="panel-body"><dl class="facts"><dt>Correlation</dt><dd class="mono">corr-918273</dd><dt>Text</dt><dd>{{ nasty|shown }}</dd><dt>Created</dt><dd>{% clock started %}</dd><dt>Nothing</dt><dd>{{ none|shown }}</dd></dl></div></section>
<section class="panel"><div class="panel-head"><h2>Throughput</h2></div><div class="panel-body">{% histogram bars "Workflows per hour" %}</div></section></div>
<div class="log" data-log tabindex="0" role="region" aria-label="Log">{% for line in lines %}<div class="log-line tone-{{ line.tone }}" id="L{{ forloop.counter }}"><a href="#L{{ forloop.counter }}">14:02:{{ forloop.counter|stringformat:"02d" }}</a><span class="log-level">{{ line.level }}</span><span class="log-text">{{ line.text|visible }}</span></div>{% endfor %}</div>
<br>{% include "partials/json.html" %}
<dialog id="act" class="dialog" aria-labelledby="act-title"><form method="dialog"><div class="dialog-head"><h2 id="act-title">Cancel this workflow?</h2><button class="btn-icon" aria-label="Close">{% icon "x" %}</button></div><div class="dialog-body"><p>The worker stops at the next step.</p><label class="form-label" for="reason">Reason</label><input class="form-control" id="reason"></div><div class="dialog-foot"><button class="btn">Keep it</button><button class="btn btn-danger">Cancel it</button></div></form></dialog>
{% endblock %}"""

STATES = """{% extends "base.html" %}{% block title %}States{% endblock %}{% block heading %}States{% endblock %}
{% block content %}<ul class="tiles">{% for tone, label, n in tiles %}<li><a class="tile tone-{{ tone }}" href="#"><span class="label">{{ label }}</span><span class="figure num">{{ n }}</span></a></li>{% endfor %}</ul>
<p>{% for s in statuses %}{% status s %} &nbsp; {% endfor %}</p>
{% for problem in problems %}{% include "partials/problem.html" %}{% endfor %}
{% for empty in empties %}{% include "partials/empty.html" %}{% endfor %}{% endblock %}"""

TONES = ("success", "failed", "running", "waiting", "attention", "unknown")


def _step(label: str, tone: str) -> SimpleNamespace:
    return SimpleNamespace(label=label, tone=tone, status_text=tone)


def _rows() -> list[dict[str, Any]]:
    now = timezone.now()
    statuses = [
        "processing",
        "failed",
        "completed",
        "pending",
        "cancelled",
        "INFO",
        Malformed({"N": "7"}, "expected text, found a number"),
    ]
    return [
        {
            "id": f"sess-{number:04d}-a08ac7ad",
            "status": statuses[number % 7],
            "steps": [_step(f"Step {index}", TONES[(number + index) % 6]) for index in range(4)],
            "progress": [Decimal("45.5"), Decimal(100), None, Decimal(140)][number % 4],
            "started": now - timedelta(seconds=37 * (number + 1) ** 3),
            "duration": Decimal("17.095") * (number + 1) ** 3,
            "tokens": Decimal(14169 * number),
            "error": NASTY if number % 3 == 1 else None,
        }
        for number in range(state["rows"])
    ]


def _timeline() -> SimpleNamespace:
    now = timezone.now()
    bar = lambda x, width, kind: SimpleNamespace(x=x, width=width, kind=kind)  # noqa: E731

    def row(label: str, status: Any, tone: str, bar_: Any, **more: Any) -> SimpleNamespace:
        base = {"key": label, "listed": True, "activity": None, "started": now, "completed": now, "duration": Decimal("17.095"), "derived": False, "tokens": None, "error": None, "retries": 0, "problems": [], "earlier": False}  # fmt: skip
        return SimpleNamespace(label=label, status=status, tone=tone, bar=bar_, **(base | more))

    return SimpleNamespace(
        kinds={"recorded", "derived", "running"},
        ticks=[Tick(0, "0", "is-first"), Tick(25, "15 s"), Tick(50, "30 s"), Tick(75, "45 s"), Tick(100, "1 m", "is-last")],
        rows=[
            row("PDF adapter", "success", "success", bar(0.0, 22.5, "recorded"), activity="Extracted 12 pages", tokens=Decimal(14169)),
            row("Trade extraction", "success", "success", bar(22.5, 30.0, "derived"), derived=True, retries=2),
            row("Trade matching", "error", "failed", bar(52.5, 18.0, "recorded"), error="ValidationError: " + NASTY),
            row("Reconciliation", "in-progress", "running", bar(70.5, 29.5, "running"), listed=False, completed=None, duration=None, problems=["completed before it started"]),
            row("Exception management", "pending", "waiting", None, started=None, completed=None, duration=None, activity="No exceptions"),
        ],
    )  # fmt: skip


def _render(request: HttpRequest, source: str, **context: Any) -> HttpResponse:
    source = source.replace('{% include "gallery-region" %}', REGION)
    return HttpResponse(Template(source).render(RequestContext(request, context)), status=state["status"])


@staff
def list_page(request: HttpRequest) -> HttpResponse:
    if request.headers.get("X-Seen") == str(state["version"]) and state["status"] == 200:
        return HttpResponse(status=204)
    fragment = request.headers.get("HX-Request") == "true"
    return _render(
        request,
        REGION if fragment else LIST,
        region=Region(id="rows", seen=str(state["version"]), anchor="a", finished=state["finished"]),
        rows=_rows(),
        version=state["version"],
        tabs=[("All", "?", True, None), ("Failed", "?s=f", False, "12"), ("Processing", "?s=p", False, "500+"), ("Completed", "?s=c", False, "500+")],
        chips=[("User", "anna@example.com", "?"), ("Strategy", NASTY, "?")],
        reading=SimpleNamespace(shown=6, how="Query status-index", partitions=["pending", "FAILED", NASTY], searched_to=timezone.now(), complete=False),
        page=SimpleNamespace(next_url="?cursor=x", first_url="?"),
        views=[],
    )  # fmt: skip


@staff
def item_page(request: HttpRequest, key: str) -> HttpResponse:
    now = timezone.now()
    lines = [{"tone": TONES[n % 6], "level": ["INFO", "ERROR", "DEBUG", "WARN"][n % 4], "text": f"line {n}: fetched 12 sources {NASTY if n == 3 else ''}"} for n in range(12)]  # fmt: skip
    return _render(
        request,
        ITEM,
        id=key,
        nasty=NASTY,
        started=now - timedelta(minutes=47),
        expires=now + timedelta(days=90),
        bad=Malformed({"S": "forty"}, "expected a number, found other text"),
        timeline=_timeline(),
        itemtabs=[("Logs", "#", True, "12"), ("Config", "#c", False, None), ("Raw", "#r", False, None)],
        bars=[(f"{hour}:00", (hour * 7) % 23, TONES[hour % 2]) for hour in range(24)],
        lines=lines,
        raw='{\n  "sessionId": {"S": "' + key + '"},\n  "note": {"S": "\u202eevil"}\n}',
    )


@staff
def states_page(request: HttpRequest) -> HttpResponse:
    problem = {"sentence": "The console's role may not perform dynamodb:Query on arn:aws:dynamodb:us-east-1:123456789012:table/x.", "fix": "Add this statement to the policy of the console's role.", "retry": False, "detail": "AccessDeniedException: …"}  # fmt: skip
    return _render(
        request,
        STATES,
        tiles=[(tone, label, number) for tone, label, number in zip(TONES, ("Completed", "Failed", "Processing", "Pending", "Cancelled", "Other"), ("500+", 12, 3, 0, 7, 1), strict=True)],
        statuses=["completed", "failed", "processing", "pending", "cancelled", "FANCY-NEW", "a status that is far too long for anybody to read", None],
        problems=[{**problem, "kind": "access_denied", "title": "IAM does not allow this", "statement": '{\n  "Effect": "Allow"\n}'}, {**problem, "kind": "throttled", "title": "DynamoDB is throttling this table", "retry": True}],
        empties=[{"kind": "nothing_yet", "title": "No workflows yet", "sentence": "Load the demo data to see some.", "command": "python manage.py load_demo"}, {"kind": "no_match", "title": "Nothing matches", "sentence": "In the last 24 h.", "link_url": "?", "link_text": "Clear the filters"}],
    )  # fmt: skip


@staff
def write_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("", list_page, name="overview"),
    path("item/<str:key>/", item_page),
    path("states/", states_page),
    path("search/", include("opsportal.search.urls")),
    path("accounts/", include("opsportal.accounts.urls")),
    path("admin/", site.urls),
]
