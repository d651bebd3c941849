"""Cells of CSV, for spreadsheets."""

import csv
import io
import json
import unicodedata

from django.http import HttpRequest

from opsportal.console.invisible import without_invisible


def neutral(value: object) -> object:
    """A cell that a spreadsheet would run as a formula, made text by an apostrophe."""
    text = "" if value is None else str(value)
    # Those of East Asian keyboards count too, and what stands before them unseen does not help.
    first = unicodedata.normalize("NFKC", without_invisible(text).strip()[:1]).replace("\u2212", "-")
    return f"'{text}" if first in tuple("=+-@") or text[:1] in ("\t", "\r", "\n") else text


def excel_mark(request: HttpRequest, kind: str) -> tuple[str, ...]:
    """What a CSV begins with for Excel, which knows a file as UTF-8 by this mark and by no header."""
    return ("\ufeff",) if kind == "csv" and request.GET.get("bom") == "1" else ()


def broken_off(kind: str, why: str) -> str:
    """The last line of an export that ends early, in its own format."""
    sentence = f"This export is not complete: {why}"
    if kind != "csv":
        return json.dumps({"incomplete": sentence}) + "\n"
    buffer = io.StringIO()
    csv.writer(buffer).writerow([f"# {sentence}"])
    return buffer.getvalue()
