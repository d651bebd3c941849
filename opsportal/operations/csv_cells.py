"""Cells of CSV, for spreadsheets."""


def neutral(value: object) -> object:
    """A cell that a spreadsheet would run as a formula, made text by an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@") or text[:1] in ("\t", "\r") else text
