"""The icons of the sprite (scripts/vendor.py lists them)."""

from functools import lru_cache

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe


# A list has 130 of some 30 icons. Each asked the storage of static files for the sprite's address again, which was a
# tenth of the page; Django keeps that address for the process too.
@lru_cache(maxsize=256)
def icon(name: str, label: str = "") -> SafeString:
    """An icon. Without a label it is decoration. Names and labels are the console's own."""
    described = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon icon-{}" width="16" height="16" {}><use href="{}#{}"/></svg>',
        name,
        described,
        static("console/icons.svg"),
        name,
    )
