"""Rows as aligned text, for the command line."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """One line per row; the first `left` columns flush left, the others, which are figures, flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
