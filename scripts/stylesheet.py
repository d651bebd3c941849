"""Cut a minified stylesheet down to the families of classes that the console may use.

A rule goes when every one of its selectors names a dropped family; whatever is not known to be
superfluous stays, so a template may use a class of the framework without a look at this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# First words of class names. Some are dropped for being unused, some (status, timeline, steps, chart,
# empty, page) because the console gives these words a look of its own in static/console/console.css.
DROPPED = tuple(
    """
    accordion avatar avatars bg-gradient bg-pattern breadcrumb btn-action btn-animate btn-check btn-close
    btn-floating btn-ghost btn-link btn-loading btn-toolbar calendar card-active card-avatar card-cover
    card-gradient card-img card-inactive card-link card-logo card-rotate card-sponsor card-stacked card-stamp
    card-status card-tabs carousel chart chip chips countdown cursor datagrid dimmer divide dropdown dropend
    dropstart dropup dropzone empty figure flatpickr focus-ring form-colorinput form-fieldset form-floating
    form-imagecheck form-range form-selectgroup form-switch fslightbox hide hr-text icon-link icon-link-hover
    img jsvectormap jvm legend lightbox link-offset link-opacity link-underline list-group list-timeline
    litepicker loader markdown mention modal nav nav-item nav-link nav-pills nav-tabs navbar nouislider
    offcanvas otp page page-item page-link pagination payment placeholder plyr popover progress progress-bar
    progress-stacked progressbg prose ratio ribbon selected settings shape signal signature sortable sparkline
    spinner star stars status steps step strength switch table-sort tab-content tag tags text-bg theme
    timeline toast toolbar tooltip tom tracking typed vc wizard
    """.split()  # noqa: SIM905 (one word a line would fill a screen)
)
# Named colours and brands (`bg-azure-lt`, `btn-github`): here, colour says state, by `tone-*`.
COLOURS = re.compile(
    r"-(?:blue|azure|indigo|purple|pink|red|orange|yellow|lime|green|teal|cyan|gray|muted|light|dark|info|black"
    r"|x|facebook|twitter|linkedin|google|youtube|vimeo|dribbble|github|instagram|pinterest|vk|rss|flickr"
    r"|bitbucket|tabler|tumblr)(?:-(?:\\d+|lt|fg|gradient))*(?:$|-)"
)
# The console has one break, at 768 px (its own rules) and 992 px (a grid of panels).
DROPPED_WIDTHS = re.compile(
    r"(?:min-width:(?:576|1200|1400)px|max-width:(?:575|1199|1399)\.98px|min-width:2000)"
)
SYSTEM_DARK = "@media (prefers-color-scheme:dark){%s}"


def rules(css: str) -> Iterator[str]:
    """The top-level rules of a minified stylesheet, each with its block."""
    start = depth = position = 0
    while position < len(css):
        character = css[position]
        if character in "\"'":
            position = _string_end(css, position)
        elif css.startswith("/*", position):
            position = css.index("*/", position) + 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        if depth == 0 and css[position] in "};":
            yield css[start : position + 1]
            start = position + 1
        position += 1


def _string_end(css: str, position: int) -> int:
    quote = css[position]
    position += 1
    while css[position] != quote:
        position += 2 if css[position] == "\\" else 1
    return position


def subset(css: str) -> str:
    """The stylesheet without the dropped families, and with its dark theme also under `system`.

    The framework turns dark by `data-bs-theme=dark` alone. Each such rule is repeated for
    `data-bs-theme=system` where the reader's system is dark, so that no script has to choose.
    """
    css = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)  # collectstatic fails on a missing map
    return "".join(kept for rule in rules(css) for kept in _kept(rule))


def _kept(rule: str) -> Iterator[str]:
    head, brace, body = rule.partition("{")
    if not brace:
        yield rule
        return
    if head.startswith(("@media", "@supports")):
        if DROPPED_WIDTHS.search(head):
            return
        inner = "".join(kept for nested in rules(body[:-1]) for kept in _kept(nested))
        if inner:
            yield f"{head}{{{inner}}}"
        return
    if head.startswith("@"):
        yield rule
        return
    # Comments (the licence) stay in front of the first rule's selector.
    comment = re.match(r"(/\*.*?\*/\s*)*", head, re.DOTALL)
    assert comment
    selectors = [s for s in _selectors(head[comment.end() :]) if not _dropped(s)]
    if not selectors:
        return
    yield f"{comment.group()}{','.join(selectors)}{{{body}"
    dark = [s.replace("[data-bs-theme=dark]", "[data-bs-theme=system]") for s in selectors if _is_dark(s)]
    if dark:
        yield SYSTEM_DARK % f"{','.join(dark)}{{{body}"


def _is_dark(selector: str) -> bool:
    return "[data-bs-theme=dark]" in selector and ":not" not in selector


def _selectors(head: str) -> list[str]:
    """Split at commas outside parentheses and brackets."""
    return re.findall(r"(?:[^,(\[]|\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\])+", head)


def _dropped(selector: str) -> bool:
    # Other spellings of the theme attribute, and themes nested in themes, are not the console's.
    if "[data-theme=" in selector or ".theme-" in selector or "body[data-bs-theme" in selector:
        return True
    if re.search(r"\[data-(?:vc|tblr|bs-sidebar|bs-theme-(?!dark))", selector):
        return True
    # Negated classes say nothing about what an element is.
    positive = re.sub(r":not\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selector)
    for name in re.findall(r"\.(-?[a-zA-Z_][\w-]*)", positive):
        if COLOURS.search(name) or any(name == word or name.startswith(f"{word}-") for word in DROPPED):
            return True
    return False
