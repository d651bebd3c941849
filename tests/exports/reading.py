"""What exports leave behind, as tests read it."""

import csv
import io
from typing import Any

from opsportal.dynamo.reads import read_all
from opsportal.operations.entries import Entry, from_item
from opsportal.operations.tables import audit_table_for


def entries(tables: Any, logical: str = "requests") -> list[Entry]:
    """Oldest first."""
    found = [
        from_item(raw) for answer in read_all(audit_table_for(tables[logical])) for raw in answer["Items"]
    ]
    return sorted((one for one in found if one.action.subject == "export"), key=lambda one: one.at)


def text_of(client: Any, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    return bytes(answer.getvalue()).decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
