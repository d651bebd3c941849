"""The names under which a table keeps the fields of a source: `base_url` in one, `url` in another."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from opsportal.dynamo.attributes import Malformed, Typed, read_list, read_map
from opsportal.dynamo.dialects import learnable

Role = Literal["name", "address", "type"]
SPELLINGS: dict[Role, tuple[str, ...]] = {
    "name": ("name", "title", "label", "source_name"),
    "address": ("base_url", "url", "link", "href", "uri", "address"),
    "type": ("source_type", "type", "kind", "category"),
}
_ROLES = {spelling: role for role, spellings in SPELLINGS.items() for spelling in spellings}
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)


@dataclass(frozen=True)
class SourceShape:
    """`fields`: (name, what it holds), by name."""

    fields: tuple[tuple[str, Role], ...]

    @classmethod
    def named(cls, **names: str) -> "SourceShape":
        """Of one name each: ``named(name="name", address="url", type="type")``; "" for none."""
        roles: tuple[Role, ...] = ("name", "address", "type")
        return cls(tuple(sorted((names[role], role) for role in roles if names.get(role))))

    @classmethod
    def from_members(cls, members: Mapping[str, Typed]) -> "SourceShape | None":
        """Of a source as its writer left it: by the spellings that are known, and an unknown name for the one text
        that is an address. None where no name and no address can be found."""
        shape = cls.found_in(members)
        if not all(name in _ROLES or learnable(name) for name, _ in shape.fields):
            return None
        return shape if shape.has("name") and shape.has("address") else None

    @classmethod
    def found_in(cls, members: Mapping[str, Typed]) -> "SourceShape":
        """As `from_members`, of whatever is there."""
        texts = {name: value["S"] for name, value in members.items() if "S" in value}
        fields = {name: _ROLES[name] for name in texts if name in _ROLES}
        if "address" not in fields.values():
            others = [name for name, one in texts.items() if name not in fields and _ADDRESS.fullmatch(one)]
            fields |= dict.fromkeys(others[:1], "address")
        return cls(tuple(sorted(fields.items())))

    def has(self, role: Role) -> bool:
        return any(one == role for _, one in self.fields)

    def written(self, values: Mapping[Role, str]) -> dict[str, Typed]:
        return {name: {"S": values[role]} for name, role in self.fields if values[role]}

    @property
    def label(self) -> str:
        """`name/type/url`."""
        order = {"name": 0}
        return "/".join(
            name for name, role in sorted(self.fields, key=lambda one: (order.get(one[1], 1), one))
        )


DOCUMENTED = SourceShape.named(name="name", address="base_url", type="source_type")
SHORT = SourceShape.named(name="name", address="url", type="type")


def shapes_of(config: Typed | None) -> list[SourceShape | None]:
    """The shape of each source of a request's `config`."""
    members = read_map(config)
    sources = read_list(members.get("sources")) if isinstance(members, dict) else None
    if sources is None or isinstance(sources, Malformed):
        return []
    found = []
    for source in sources:
        parts = read_map(source)
        found.append(SourceShape.from_members(parts) if isinstance(parts, dict) else None)
    return found


def shape_of(config: Typed | None) -> SourceShape | None:
    """The one shape that all sources of a request have."""
    shapes: Iterable[SourceShape | None] = set(shapes_of(config))
    return next(iter(shapes)) if len(set(shapes)) == 1 else None
