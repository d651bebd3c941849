"""Terraform's language, as `terraform fmt` would have it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsportal.console.invisible import INVISIBLE
from opsportal.console.text import one_line

_MARKLESS = re.compile(f"[{INVISIBLE}]")
# JSON's short forms that HCL does not know.
_SHORT = {"\\b": "\\u0008", "\\f": "\\u000c"}


def quoted(text: str) -> str:
    """A string; in it, ${ and %{ would begin a template."""
    escaped = re.sub(
        r"\\.", lambda found: _SHORT.get(found[0], found[0]), json.dumps(text, ensure_ascii=False)
    )
    # Those that JSON leaves as they are, and a terminal does not.
    harmless = _MARKLESS.sub(_code, escaped)
    return harmless.replace("${", "$${").replace("%{", "%%{")


def _code(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def word(value: bool) -> str:
    return "true" if value else "false"


def texts(values: Sequence[str]) -> str:
    """A list of strings."""
    return f"[{', '.join(map(quoted, values))}]"


def lines_of(values: Sequence[str]) -> str:
    """A list of strings, one on each line."""
    return "\n".join(["[", *(f"  {quoted(value)}," for value in values), "]"])


@dataclass(frozen=True)
class Block:
    """`head` {...}: arguments, each an expression of the language, then blocks. `comments` stand above it."""

    head: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    blocks: Sequence["Block"] = ()
    comments: Sequence[str] = ()

    def lines(self) -> list[str]:
        width = max(map(len, self.arguments), default=0)
        inside = [f"{name:{width}} = {value}" for name, value in self.arguments.items()]
        for block in self.blocks:
            inside += [*([""] if inside else []), *block.lines()]
        return [
            *(f"# {one_line(comment)}".rstrip() for comment in self.comments),
            f"{self.head} {{",
            *(f"  {line}".rstrip() for line in "\n".join(inside).split("\n") if inside),
            "}",
        ]


def mapping(name: str, values: Mapping[str, str]) -> Block:
    """`name` = {...} of strings, which reads as a block does."""
    return Block(f"{name} =", {quoted(key): quoted(value) for key, value in values.items()})


def document(blocks: Sequence[Block]) -> str:
    """All of them, a blank line between."""
    return "\n\n".join("\n".join(block.lines()) for block in blocks) + "\n"
