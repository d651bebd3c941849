"""Addresses of pages that every app leads to."""

from urllib.parse import urlencode

from django.urls import get_script_prefix

# A longer text is no id.
MAX_SEARCHED = 500


def search(text: object) -> str:
    """Of the search for an id; "" for what none can be."""
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_SEARCHED:
        return ""
    return f"{get_script_prefix()}search/?{urlencode({'q': text}, errors='replace')}"


def case(case_id: str) -> str:
    """Of a failure case, which the worker opens within a minute of its first failure; "" without an id."""
    return f"{get_script_prefix()}failures/{case_id}/" if case_id else ""
