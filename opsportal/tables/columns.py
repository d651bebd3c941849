"""Rows as aligned text, for the command line."""

from collections.abc import Collection, Mapping, Sequence


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Rows by the names of their columns, under a line with those names; what a row lacks is blank."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return columns([names, *([row.get(name, "") for name in names] for row in rows)])


def columns(rows: Sequence[Sequence[str]], *, left: Collection[int] = (0,)) -> list[str]:
    """One line per row. The columns whose numbers are in `left` are flush left, the others, which hold figures,
    flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
