"""What a person fills into the submission form, and what a program would send as JSON."""

import copy
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from requests_app.submission import new_action_id
from tests.pages import Page

DATA: dict[str, Any] = {
    "project_id": "obesity-pipeline",
    "user_id": "operator",
    "request_type": "semaglutide_intelligence",
    "priority": "high",
    "processing_strategy": "table",
    "config": {
        "keywords": ["semaglutide", "wegovy"],
        "sources": [{"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"}],
        "extraction_mode": "summary",
        "quality_threshold": "0.7",
        "batch_size": 5,
        "max_retries": 2,
        "custom_params": {},
    },
}


def data(**changes: Any) -> dict[str, Any]:
    """DATA with some of it changed, in `config` too."""
    changed = copy.deepcopy(DATA)
    for name, value in changes.items():
        (changed if name in changed else changed["config"])[name] = value
    return changed


def form(**changes: Any) -> dict[str, Any]:
    """What a browser sends, but for the button. Lists are several fields of one name."""
    return {
        "action_id": new_action_id(),
        "like": "",
        "dialect": "",
        "project_id": "obesity-pipeline",
        "user_id": "operator",
        "request_type": "semaglutide_intelligence",
        "priority": "high",
        "processing_strategy": "table",
        "keyword": ["semaglutide", "wegovy"],
        "source_name": ["FDA"],
        "source_url": ["https://www.fda.gov"],
        "source_type": ["government"],
        "source_own": [""],
        "extraction_mode": "summary",
        "quality_threshold": "0.7",
        "batch_size": "5",
        "max_retries": "2",
        "custom_params": "{}",
        "reason": "",
        **changes,
    }


def send(client: Client, do: str = "submit", **changes: Any) -> Page:
    url = reverse("requests:new")
    # What a table whose requests do not agree asks for.
    shape = {"source_shape": "name/base_url/source_type"}
    return Page(client.post(url, {**shape, **form(**changes), "do": do}), url)


def filled(page: Page) -> dict[str, Any]:
    """What a browser would send of the form as the page shows it."""
    root = page.root.one("form", id="submission")
    sent: dict[str, Any] = {}
    for node in root.all(""):  # in the order of the page, as browsers send
        if node.tag not in ("input", "textarea", "select"):
            continue
        attrs = node.attrs
        if attrs.get("type") == "radio" and "checked" not in attrs:
            continue
        if node.tag == "textarea":
            value = node.text.removeprefix("\n")
        elif node.tag == "select":
            chosen = node.all("option", selected=None) or node.all("option")
            value = chosen[0].attrs["value"]
        else:
            value = attrs.get("value", "")
        sent.setdefault(attrs["name"], []).append(value)
    sent.pop("csrfmiddlewaretoken", None)
    rows = (
        "keyword", "source_name", "source_url", "source_type", "source_own", "extra_name", "extra_within", "extra_kind",
        "extra_value",
    )  # fmt: skip
    return {name: values if name in rows else values[0] for name, values in sent.items()}


def errors(page: Page) -> dict[str, str]:
    """The sentences of each wrong field, by the field's id."""
    found = {}
    for node in page.root.all("div", class_="invalid-feedback"):
        found[node.attrs["id"].removesuffix("_error").removeprefix("id_")] = node.words
    return found


def request_id_of(page: Page) -> str:
    found = re.fullmatch(r"/requests/(req_\d{13}_[0-9a-f]{8})/", page.response["Location"])
    assert found, page.response["Location"]
    return found[1]
