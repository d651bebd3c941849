"""Pages are rendered as by Django's own backend, and leave nothing for the garbage collector."""

import gc
import weakref
from typing import Any

import pytest
from django.template import TemplateDoesNotExist, engines
from django.template.backends.django import DjangoTemplates
from django.template.loader import get_template


class Text:
    def __str__(self) -> str:
        return "<text>"


@pytest.mark.parametrize("loaded", [True, False])
def test_what_a_page_was_made_of_is_let_go_of_at_once(loaded: bool, rf: Any) -> None:
    engine = engines["django"]
    template = get_template("404.html") if loaded else engine.from_string("{% if 1 %}{{ held }}{% endif %}")
    held = Text()
    known = weakref.ref(held)
    gc.disable()
    try:
        text = template.render({"held": held}, rf.get("/") if loaded else None)
        del held
        assert known() is None
    finally:
        gc.enable()
    assert loaded or text == "&lt;text&gt;"


def test_a_missing_part_is_told_as_django_tells_it() -> None:
    engine = engines["django"]
    assert isinstance(engine, DjangoTemplates)
    with pytest.raises(TemplateDoesNotExist) as error:
        engine.from_string('{% include "no-such-part.html" %}').render({})
    assert error.value.backend is engine
    with pytest.raises(TemplateDoesNotExist):
        engine.get_template("no-such-part.html")
