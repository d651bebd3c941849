"""Figures drawn in a page: dots, bars and meters; built in, so no template loads them."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from opsportal.console import figures
from opsportal.console.cells import meter

register = template.Library()


@register.simple_tag
def dots(steps: Any) -> SafeString:
    """A strip of step dots; each step has `.label`, `.tone` and `.status_text`."""
    return figures.dots(list(steps or []))


@register.simple_tag
def histogram(bars: Any, label: str = "Chart", height: int = 40) -> SafeString:
    """Bars of (label, value, tone)."""
    return figures.histogram(bars or [], label=label, height=height)


@register.simple_tag
def share_bar(parts: Any, label: str = "Progress", height: int = 14) -> SafeString:
    """One bar of parts; each has `.label`, `.tone` and `.count`."""
    return figures.share_bar([(one.label, one.tone, one.count) for one in parts], label=label, height=height)


register.simple_tag(meter)
