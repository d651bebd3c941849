"""Cut a minified stylesheet down to what the console uses of it.

A rule stays when one of its selectors names no class but those of KEPT; a property of its own (`--name`) and a
keyframe when something asks for it. A twelfth of the framework's bytes are left.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

# The framework's classes that templates name. To use another, add it here and run scripts/vendor.py: a test finds
# classes without a rule.
KEPT = frozenset(
    """
    alert alert-danger badge btn btn-danger btn-icon btn-primary btn-sm card card-body d-block d-flex d-inline-block
    footer form-check form-check-input form-check-label form-control form-control-sm form-hint form-label form-select
    form-select-sm gap-2 icon invalid-feedback mb-3 table table-responsive visually-hidden w-auto
    """.split()  # noqa: SIM905 (one word a line would fill a screen)
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


def subset(css: str, also: str = "", kept: Collection[str] = KEPT) -> str:
    """The stylesheet without what is not used, and with its dark theme also under `system`.

    The framework turns dark by `data-bs-theme=dark` alone. Each such rule is repeated for
    `data-bs-theme=system` where the reader's system is dark, so that no script has to choose. `also`: the text of the
    stylesheets that use its properties.
    """
    css = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)  # collectstatic fails on a missing map
    css = "".join(one for rule in rules(css) for one in _kept(rule, kept))
    # A property may be asked for by one that nobody asks for.
    while (fewer := _without_unused(css, also)) != css:
        css = fewer
    return css


def _kept(rule: str, classes: Collection[str]) -> Iterator[str]:
    head, brace, body = rule.partition("{")
    if not brace:
        yield rule
        return
    if head.startswith(("@media", "@supports")):
        inner = "".join(kept for nested in rules(body[:-1]) for kept in _kept(nested, classes))
        if inner:
            yield f"{head}{{{inner}}}"
        return
    if head.startswith("@"):
        yield rule
        return
    # Comments (the licence) stay in front of the first rule's selector.
    comment = re.match(r"(/\*.*?\*/\s*)*", head, re.DOTALL)
    assert comment
    selectors = [s for s in _selectors(head[comment.end() :]) if not _dropped(s, classes)]
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


def _dropped(selector: str, classes: Collection[str]) -> bool:
    # Other spellings of the theme attribute, themes nested in themes, and writing from right to left are not the
    # console's.
    if re.search(
        r"\[(?:data-(?:theme|vc|tblr|bs-(?!theme=(?:dark|light)))|dir=)|body\[data-bs-theme", selector
    ):
        return True
    # Negated classes say nothing about what an element is.
    positive = re.sub(r":not\([^()]*(?:\([^()]*\)[^()]*)*\)", "", selector)
    return any(name not in classes for name in re.findall(r"\.(-?[a-zA-Z_](?:[\w-]|\\.)*)", positive))


def _without_unused(css: str, also: str) -> str:
    used = set(re.findall(r"var\((--[\w-]+)", css + also))
    moves = " ".join(re.findall(r"animation(?:-name)?:([^;}]*)", css + also))
    return "".join(_used(rule, used, moves) for rule in rules(css))


def _used(rule: str, used: set[str], moves: str) -> str:
    """The rule without properties of its own that nobody asks for; "" where nothing is left."""
    head, brace, body = rule.partition("{")
    if not brace:
        return rule
    if name := re.search(r"@keyframes ([\w-]+)", head):
        return rule if re.search(rf"(?<![\w-]){name[1]}(?![\w-])", moves) else ""
    if name := re.search(r"@property (--[\w-]+)", head):
        return rule if name[1] in used else ""
    if head.startswith("@") and "{" in body:
        inner = "".join(_used(nested, used, moves) for nested in rules(body[:-1]))
        return f"{head}{{{inner}}}" if inner else ""
    kept = [
        one
        for one in _declarations(body[:-1])
        if not (one.startswith("--") and one.partition(":")[0] not in used)
    ]
    # Comments (the licence) are part of the first rule's head.
    return f"{head}{{{';'.join(kept)}}}" if kept else "".join(re.findall(r"/\*.*?\*/\s*", head, re.DOTALL))


def _declarations(body: str) -> list[str]:
    """Split at semicolons outside strings and parentheses."""
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^\"']", body, re.DOTALL)
    found, depth = [""], 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if part == ";" and not depth:
            found.append("")
        else:
            found[-1] += part
    return [one for one in found if one]
