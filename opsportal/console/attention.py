"""What needs somebody, as filters of a list: what is stuck, and whatever has an error or a finding."""

from typing import NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString

from opsportal.console.listing import Listing
from opsportal.console.tones import ATTENTION, FAILED


class Toggle(NamedTuple):
    """A filter that is on or off. `url`: the list with the other state."""

    label: str
    icon: str
    tone: str
    url: str
    is_on: bool


def toggles(listing: Listing) -> list[Toggle]:
    """Those of a list of items that come to an end."""
    shown = (
        ("stuck", "Stuck", "hourglass", ATTENTION),
        ("attention", "Needs attention", "alert-triangle", FAILED),
    )
    return [
        Toggle(
            label,
            icon,
            tone,
            listing.url(**{name: None if listing[name] else "1", "outside": None}),
            bool(listing[name]),
        )
        for name, label, icon, tone in shown
    ]


def link(url: str, inside: str) -> SafeString:
    """What other cells made, as a link to where it is dealt with; the same without one."""
    return SafeString(f'<a class="attention" href="{escape(url)}">{inside}</a>' if url else inside)
