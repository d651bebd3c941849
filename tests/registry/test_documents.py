"""JSON that a person edits: no digit is lost, and what is as it was keeps its type."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsportal.dynamo.attributes import plain
from opsportal.operations.changes import same
from registry import documents
from tests.dynamo import typed

TEXT = '{"fee": 0.10, "big": 12345678901234567890.123456789, "list": [null, true, "é", {}, []], "no": false}'


def test_a_document_is_spelled_as_it_was_read() -> None:
    assert documents.spell(documents.parse(TEXT)) == TEXT
    indented = documents.spell(documents.parse(TEXT), indented=True)
    assert indented.splitlines()[:2] == ["{", '  "fee": 0.10,']
    assert documents.spell(documents.parse(indented)) == TEXT


def test_a_document_becomes_a_value_of_dynamodb() -> None:
    assert documents.typed(documents.parse(TEXT)) == {
        "M": {
            "fee": {"N": "0.10"},
            "big": {"N": "12345678901234567890.123456789"},
            "list": {"L": [{"NULL": True}, {"BOOL": True}, {"S": "é"}, {"M": {}}, {"L": []}]},
            "no": {"BOOL": False},
        }
    }


def test_a_changed_type_is_a_change_though_python_takes_the_values_for_equal() -> None:
    assert documents.typed(True, {"N": "1"}) == {"BOOL": True}
    assert documents.typed(1, {"BOOL": True}) == {"N": "1"}


@given(st.dictionaries(typed.names, typed.values, max_size=5))
def test_what_was_not_edited_keeps_its_types(members: dict[str, Any]) -> None:
    value = {"M": members}
    assert same(documents.typed(plain(value), value), value)
