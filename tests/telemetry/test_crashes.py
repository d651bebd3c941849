"""What goes to Sentry, and what does not."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings

from opsportal.telemetry import crashes
from opsportal.telemetry.crashes import KEPT, NOT_SENT, scrubbed

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own, since the package changes Django for good. Its envelopes are printed rather than sent.
CODE = """
import json, logging, sys
import sentry_sdk.transport

class Printed(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            print("EVENT", json.dumps(item.payload.json, default=str))

from opsportal.telemetry import crashes
begin = crashes.start
crashes.start = lambda dsn, environment: begin(dsn, environment, transport=Printed)
import django; django.setup()
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from opsportal.console.access import public

@public
def broken(request, key):
    secret_local = "ITEM-TEXT"
    raise ValueError(f"could not read {secret_local} of {key}")

urls = type(sys)("broken_urls")
urls.urlpatterns = [path("broken/<str:key>/", broken)]
urls.handler500 = lambda request: HttpResponse(status=500)
sys.modules["broken_urls"] = urls
from django.conf import settings
settings.ROOT_URLCONF, settings.ALLOWED_HOSTS = "broken_urls", ["*"]
client = Client(raise_request_exception=False, headers={"Authorization": "Bearer ITEM-TEXT", "Cookie": "a=ITEM-TEXT"})
client.post("/broken/ITEM-TEXT/?q=ITEM-TEXT", {"reason": "ITEM-TEXT"})
logging.getLogger("opsportal.x").info("breadcrumb ITEM-TEXT")
logging.getLogger("opsportal.x").error("the item %s can't be read", "ITEM-TEXT")
logging.getLogger("opsportal.x").error(f"all in one: {'ITEM-TEXT'}")
"""


def test_type_and_place_of_an_error_are_sent_and_no_text_of_items(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "opsportal.settings",
        "SENTRY_DSN": "https://key@sentry.invalid/1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    }
    done = subprocess.run([sys.executable, "-c", CODE], env=environ, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("EVENT ") for line in done.stdout.splitlines() if line.startswith("EVENT ")]
    events = [event for event in map(json.loads, lines) if event and event.get("level") == "error"]
    text = json.dumps([{k: v for k, v in event.items() if k != "modules"} for event in events])
    assert len(events) >= 3, done.stdout
    crash = next(event for event in events if "exception" in event)
    (raised,) = crash["exception"]["values"]
    assert (raised["type"], raised["value"]) == ("ValueError", NOT_SENT)
    assert any(frame["function"] == "broken" for frame in raised["stacktrace"]["frames"])
    assert crash["environment"] == "dev"
    assert len(crash["tags"]["request_id"]) == 32
    messages = {event["logentry"]["message"] for event in events if "logentry" in event}
    assert {"the item %s can't be read", NOT_SENT} <= messages
    assert "ITEM-TEXT" not in text


def test_where_processes_are_forked_each_begins_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender is a thread, which no fork has."""
    begun: list[str] = []
    monkeypatch.setattr(crashes, "start", lambda dsn, environment: begun.append(dsn))
    monkeypatch.setattr(settings, "SENTRY_DSN", "https://key@sentry.invalid/1")
    monkeypatch.setattr(crashes, "after_fork", False)
    server = runpy.run_path(str(ROOT / "opsportal/gunicorn_conf.py"))
    assert crashes.after_fork
    apps.get_app_config("telemetry").ready()
    assert begun == []
    monkeypatch.setitem(server["post_fork"].__globals__, "signal_on_parent_death", lambda number: None)
    server["post_fork"](SimpleNamespace(pid=os.getppid()), None)
    assert begun == [settings.SENTRY_DSN]


def test_an_event_keeps_only_what_somebody_looked_at() -> None:
    event: dict[str, Any] = dict.fromkeys(("user", "request", "extra", "contexts", "breadcrumbs", "new"), "x")
    assert set(scrubbed(event | {"level": "error"}, {})) == {"level", "tags"}
    assert not {"user", "request", "extra", "contexts", "breadcrumbs"} & KEPT


def test_a_path_that_stands_for_a_route_has_no_token() -> None:
    for path in ("/opsp_abcdefghijk/x", "/%6Fpsp%5Fabcdefghijk/x"):
        assert scrubbed({"transaction": path}, {})["transaction"] == "/opsp_***/x"
