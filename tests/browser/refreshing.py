"""Refreshes of live regions as tests need them: now, often, and known to be over."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Request


def refresh(page: Page) -> None:
    """What an action's answer does: ask the live regions to bring themselves up to date."""
    page.evaluate("htmx.trigger(document.body, 'console:refresh')")


def poll_often(page: Page) -> None:
    """What a choice of the interval does, with a fifth of a second, which nobody can choose. It holds until an
    answer changes the region."""
    page.evaluate("document.dispatchEvent(new CustomEvent('console:interval', {detail: {seconds: 0.2}}))")


def wait_for_three_polls(page: Page) -> None:
    """So long as three polls would take, where none must come: of `poll_often`."""
    page.wait_for_timeout(700)


def is_poll(request: Request) -> bool:
    return "hx-request" in request.headers


def polls_of(page: Page) -> list[str]:
    """The addresses that are asked for as fragments from now on."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if is_poll(request):
            asked.append(request.url)

    page.on("request", note)
    return asked


@contextmanager
def answered(page: Page) -> Iterator[None]:
    """At the end of this an answer has come, and htmx has done with it what it is going to do."""
    coming = page.evaluate_handle(
        "({answer: new Promise(come => document.addEventListener('htmx:afterRequest', () => come(), {once: true}))})"
    )
    yield
    coming.evaluate("({answer}) => answer")
