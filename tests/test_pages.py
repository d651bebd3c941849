"""The quick reader of pages makes what Python's makes."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests import pages
from tests.pages import parsed, parsed_by_python, visit


@pytest.mark.parametrize(
    "html",
    [
        "<p>a &amp; b &lt;<br>c<br/>d</P>e", '<a href="/x/?a=1&amp;b=2" class=\'x y\' hidden data-n=3>x</a>',
        '<svg viewBox="0 0 1 1"><path d="M"/></svg>', "<ul><li>one<li>two</ul>three", "</p><b>x</i></b>", '<p a="1" A="2">x',
        "<!DOCTYPE html><!-- <b> --><p>x</p>", "<script src='/x.js'></script>y", "<title>\u2028</title>", "",
        # What is Python's to read.
        "<script>if (a<b) x</script>y", "a < b", "a<b", "<a href=/x/>y</a>", "<a href='x'y>z</a>", "<td <script>x",
        "x &amp", "<p x\x0by>z", "<!---->x-->", "<!-- a -- b -->x", "<p/x>y", "</p x>y", "<p>&#0;\x00&nosuch;", "<p x=1/>y",
    ],
)  # fmt: skip
def test_both_ways_to_read_a_page_agree(html: str) -> None:
    found = parsed(html)
    assert found == parsed_by_python(html)
    assert [node.tag for node in found.all()] == [node.tag for node in parsed_by_python(html).all()]


def test_only_what_is_below_is_found() -> None:
    first, second = parsed("<div><p>1<b>2</b></p></div><div><p>3</p></div>").all("div")
    assert [node.text for node in first.all("p")] == ["12"]
    assert [node.text for node in second.all()] == ["3"]
    assert second.one("p").all() == []


def test_pages_are_read_the_quick_way(
    client_for: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(client_for("viewer"), "/accounts/preferences/")
    expected = parsed_by_python(page.html)
    monkeypatch.setattr(pages, "parsed_by_python", None)
    assert page.root == expected
