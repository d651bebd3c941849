"""Terraform's language, as `terraform fmt` would have it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# JSON's short forms that HCL does not know.
_SHORT = {"\\b": "\\u0008", "\\f": "\\u000c"}


def quoted(text: str) -> str:
    """A string; in it, ${ and %{ would begin a template."""
    escaped = re.sub(
        r"\\.", lambda found: _SHORT.get(found[0], found[0]), json.dumps(text, ensure_ascii=False)
    )
    return escaped.replace("${", "$${").replace("%{", "%%{")


def word(value: bool) -> str:
    return "true" if value else "false"


def texts(values: Sequence[str]) -> str:
    """A list of strings."""
    return f"[{', '.join(map(quoted, values))}]"


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
            *(f"# {comment}".rstrip() for comment in self.comments),
            f"{self.head} {{",
            *(f"  {line}".rstrip() for line in inside),
            "}",
        ]


def mapping(name: str, values: Mapping[str, str]) -> Block:
    """`name` = {...} of strings, which reads as a block does."""
    return Block(f"{name} =", {quoted(key): quoted(value) for key, value in values.items()})


def document(blocks: Sequence[Block]) -> str:
    """All of them, a blank line between."""
    return "\n\n".join("\n".join(block.lines()) for block in blocks) + "\n"
