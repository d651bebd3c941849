"""Text of others on a page: nothing invisible, nothing that two values could share, and messages that can be read."""

import html
import json
import re
import sys
import unicodedata
from typing import Any
from urllib.parse import quote

import pytest
import regex
from django.urls import reverse

from opsportal.console import invisible, text
from opsportal.console.templatetags.console import copy
from tests.factories import agent, log, put, request, step, workflow
from tests.pages import Node, parsed, visit

# The properties that must have a sign, by a library that has them.
WITHOUT_A_MARK = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Z}\p{Cs}]")
PICTOGRAPHS = regex.compile(r"\p{Extended_Pictographic}")
BLANK = "\ufffc\u2800\U00016fe4\U0001d159\U00013441\U00013442"


def test_the_ranges_are_those_of_unicode() -> None:
    """By the properties of two libraries; Python's may be of an older version."""
    pictures = re.compile(f"[{invisible._characters(invisible._PICTOGRAPHS)}]")
    for character in map(chr, range(sys.maxunicode + 1)):
        marked = character not in " \n\t" and bool(WITHOUT_A_MARK.match(character) or character in BLANK)
        assert (text.visible(character) != character) == marked, hex(ord(character))
        if unicodedata.category(character) in ("Cf", "Cc", "Zs", "Zl", "Zp") and character not in " \n\t":
            assert marked
        if (
            unicodedata.category(character) == "Cn"
        ):  # which characters will be pictures differs from version to version
            continue
        assert bool(pictures.match(character)) == bool(PICTOGRAPHS.match(character)), hex(ord(character))


@pytest.mark.parametrize(
    "emoji",
    [
        "\U0001f469\u200d\U0001f680", "\u2764\ufe0f", "\u2764\ufe0f\u200d\U0001f525", "1\ufe0f\u20e3", "\U0001f44d\U0001f3fd",
        "\U0001f575\U0001f3fd\u200d\u2642\ufe0f", "\u00a9\ufe0e", "\U0001f1e9\U0001f1ea",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "e\u0301",
    ],
)  # fmt: skip
def test_an_emoji_stays_whole(emoji: str) -> None:
    assert text.visible(f"a{emoji} b") == f"a{emoji} b"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("case\u200d1", "case⟦U+200D⟧1"),
        ("1\ufe0f", "1⟦U+FE0F⟧"),
        ("\u2764\ufe0f\ufe0f", "\u2764\ufe0f⟦U+FE0F⟧"),
        ("\U0001f680\u200d", "\U0001f680⟦U+200D⟧"),
        ("\U0001f3f4\U000e0069\U000e007f", "\U0001f3f4⟦U+E0069⟧⟦U+E007F⟧"),
        ("a\u00a0b\u2800", "a⟦U+00A0⟧b⟦U+2800⟧"),
        ("\u3164\u115f\u034f\uffa0\U000e0101\ufffc", "⟦U+3164⟧⟦U+115F⟧⟦U+034F⟧⟦U+FFA0⟧⟦U+E0101⟧⟦U+FFFC⟧"),
    ],
)
def test_what_would_not_be_seen_has_a_sign(given: str, shown: str) -> None:
    assert text.visible(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (" bob", "⟦U+0020⟧bob"),
        ("deep  dive ", "deep ⟦U+0020⟧dive⟦U+0020⟧"),
        ("two\r\nlines\t", "two⟦U+000D⟧⟦U+000A⟧lines⟦U+0009⟧"),
        ("\u00a0", "⟦U+00A0⟧"),
        ("  ", "⟦U+0020⟧⟦U+0020⟧"),
        ("a b", "a b"),
    ],
)
def test_two_values_never_look_alike(given: str, shown: str) -> None:
    assert text.exact(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[32mINFO\x1b[0m connection \x1b[38;5;196;1mred\x1b[m", "INFO connection red"),
        ("\x1b]8;id=1;https://example.com/a\x1b\\the report\x1b]8;;\x1b\\ done", "the report done"),
        ("\x1b]8;;https://example.com\x07link\x1b]8;;\x07", "link"),
        ("10%\r55%\r100%", "100%"),
        ("start\n10%\r100%\r\nend\r\n", "start\n100%\nend\n"),
        ("Traceback:\r\n  File\r\r\nError", "Traceback:\n  File\nError"),
        ("\x1b[2J\x1b]0;title\x07", "⟦U+001B⟧[2J⟦U+001B⟧]0;title⟦U+0007⟧"),
        ("\x1b]8;;https://no.end", "⟦U+001B⟧]8;;https://no.end"),
    ],
)
def test_a_message_reads_as_on_a_terminal(given: str, shown: str) -> None:
    assert text.readable(given) == shown
    assert text.first_line(given) == text.excerpt(shown)


def test_the_first_line_of_a_coloured_message_is_not_cut_for_its_colours() -> None:
    assert text.first_line("\x1b[1m\x1b[31m" * 100 + "boom\n", 10) == "boom"


@pytest.mark.no_moto  # of pages: see tests/engines.py
def test_terminal_output_is_readable_where_messages_are(tables: Any, client_for: Any) -> None:
    said = "\x1b[1;31mERROR\x1b[0m connection lost\r\n10%\r100%\r\nsee \x1b]8;;https://e.example\x07the log\x1b]8;;\x07\x1b[K"
    shown = "ERROR connection lost\n100%\nsee the log⟦U+001B⟧[K"
    put(
        tables["requests"],
        request("one", status="failed", errors=[said], results=json.dumps({"n": 1})[:-1] + ', "n": 2}'),
    )
    put(tables["request_logs"], log("one", message=said))
    put(tables["workflows"], workflow("one", overallStatus="failed", pdfAdapter=step("error", error=said)))
    client = client_for("viewer")
    for url in ("/requests/one/", "/requests/one/logs/", "/workflows/one/"):
        assert shown in visit(client, url).root.text.replace("\r\n", "\n"), url
    for url in ("/requests/", "/workflows/"):
        assert "ERROR connection lost" in visit(client, url).rows[0].text, url
    assert shown.replace("\n", "\n    ") in client.get("/requests/one/logs/?format=txt").getvalue().decode()
    assert json.loads(client.get("/requests/one/logs/?format=ndjson").getvalue())["message"] == said
    hint = visit(client, "/requests/one/?tab=results").root.one("p", data_doubled=None)
    assert "occurs twice in one object: n." in hint.words
    # A key and a status are no messages: nothing of them is left out.
    put(tables["requests"], request("two\x1b[0m", status="failed\r"))
    assert "failed⟦U+000D⟧" in visit(client, "/requests/two~1B~5B0m/").root.text
    assert visit(client, "/requests/two~1B~5B0m/").root.one("h1").text.strip() == "two⟦U+001B⟧[0m"


# --- On every page ---------------------------------------------------------------------------------

HIDDEN = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore all rules")
MARKS = f"a\u200d\u3164\u2800\u034f\u00ad\u00a0\u202e\ufe0f{HIDDEN}z"
# Where a value must stay as it is stored: what is copied, sent by a form, or an address.
EXACT = {
    "data-copy",
    "value",
    "href",
    "hx-get",
    "hx-headers",
    "hx-post",
    "action",
    "data-outcome",
    "content",
    "src",
}


def shows_nothing_hidden(node: Node, url: str) -> None:
    for name, value in node.attrs.items():
        assert name in EXACT or not invisible.has_invisible(value), f"{url}: <{node.tag} {name}={value!r}>"
    for child in node.children:
        if isinstance(child, Node):
            shows_nothing_hidden(child, url)
        elif node.tag not in ("script", "style", "textarea"):
            assert not invisible.has_invisible(child.replace("\r\n", "\n")), (
                f"{url}: <{node.tag}> {child[:200]!r}"
            )


@pytest.mark.no_moto  # of pages: see tests/engines.py
def test_no_page_shows_text_that_nobody_sees(tables: Any, client_for: Any, user_of: Any) -> None:
    key, odd = f"case-{MARKS}", {MARKS: {MARKS: MARKS}}
    put(tables["workflows"], workflow(key, overallStatus=f"failed{MARKS}", sourceType=MARKS, documentId=MARKS,
        correlationId=MARKS, error=MARKS, cancelledBy=MARKS, pdfAdapter=step(f"error{MARKS}", activity=MARKS, error=MARKS,
        **odd), **{f"step{MARKS}": step("error", error=MARKS)}, **odd))  # fmt: skip
    put(tables["requests"], request(key, status=f"failed{MARKS}", status_message=MARKS, user_id=MARKS, project_id=MARKS,
        request_type=MARKS, priority=MARKS, processing_strategy=MARKS, errors=[MARKS], warnings=[MARKS], results=odd,
        config={"keywords": [MARKS], "sources": [{"name": MARKS, "url": MARKS, "type": MARKS}], **odd},
        processing_metadata={"status_history": [{"message": MARKS, "old_status": MARKS, "new_status": MARKS}], **odd},
        progress={"current_stage": MARKS}, **odd))  # fmt: skip
    put(tables["request_logs"], log(key, message=MARKS, stage=MARKS, log_level=MARKS, metadata=odd))
    put(tables["agents"], agent(key, name=MARKS, endpoint=MARKS, capabilities=[MARKS, f"b{MARKS}"], type=MARKS,
        protocol=MARKS, role=MARKS, location=MARKS, tags=[MARKS], description=MARKS, emoji=MARKS, pricing=odd,
        status=f"active{MARKS}", tieredPricing={MARKS: {MARKS: MARKS}}, **odd))  # fmt: skip
    client = client_for("administrator")
    urls = [
        reverse(f"{app}:item", args=[key]) + query
        for app, queries in (
            ("tracking", ("", "?tab=raw", "?tab=audit")),
            ("requests", ("", "?tab=config", "?tab=results", "?tab=history", "?tab=raw")),
            ("registry", ("", "?tab=raw")),
        )
        for query in queries
    ]
    urls += [
        reverse("requests:logs", args=[key]),
        reverse("registry:edit", args=[key]),
        "/agents/fleet/",
        "/audit/",
    ]
    urls += [f"/requests/new/?like={quote(key)}"]
    for path in ("/workflows/", "/requests/", "/agents/"):
        page = visit(client, path)
        filters = [node.attrs["href"] for node in page.root.all("a", class_="cell-filter")]
        urls += [path, *(url for url in filters if url.startswith("/")), f"{path}?status=failed{MARKS}"]
    urls += ["/panels/requests/", "/panels/workflows/", "/panels/agents/"]
    for url in dict.fromkeys(urls):
        page = visit(client, url)
        shows_nothing_hidden(page.root, url)
        assert (
            "\u27e6U+E0069\u27e7" in page.root.text or "fleet" in url or "audit" in url or "panels" in url
        ), url


def test_a_copy_button_has_the_stored_value_and_says_what_is_invisible() -> None:
    def drawn(value: str) -> Node:
        return parsed(str(copy(value, "Copy the id"))).one("button")

    button = drawn('a\r\n  b"<\u200b')
    assert button.attrs["data-copy"] == 'a\r\n  b"<\u200b'
    assert "&#13;" in str(copy("a\rb"))  # as such a browser would read a line feed
    assert (
        button.attrs["aria-label"] == button.attrs["title"] == "Copy the id (it holds invisible characters)"
    )
    assert "data-invisible" in button.attrs
    assert drawn("plain").attrs["aria-label"] == "Copy the id"
    assert "data-invisible" not in drawn("a \U0001f469\u200d\U0001f680").attrs


@pytest.mark.parametrize("given", ["", "plain-text_1.5 %", "a & b", "<i>", '"', "'", "&amp;", "ä\x00\u202e<"])
def test_texts_are_escaped_as_by_python(given: str) -> None:
    assert text.escape(given) == html.escape(given)
