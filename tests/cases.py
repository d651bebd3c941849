"""Cases of a test: those that share its fixtures, since these cost more than most visits, and those of `make test`."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.core.cache import caches


def short(cases: Iterable[Any], *chosen: Any) -> list[Any]:
    """For ``pytest.mark.parametrize``: all of the cases, of which `make test` runs those chosen, and `make test-long`
    the others."""
    listed = list(cases)
    missing = [case for case in chosen if case not in listed]
    assert not missing, missing
    return [
        case if case in chosen else pytest.param(*_values(case), marks=pytest.mark.long) for case in listed
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)


def each(names: tuple[str, ...] | str, cases: Iterable[Any]) -> Callable[[Any], Any]:
    """As ``pytest.mark.parametrize``, in one test: tables keep what the cases before put, caches do not.

    The first case that fails ends the test and is named in its error.
    """
    names = (names,) if isinstance(names, str) else names
    listed = [case if len(names) > 1 else (case,) for case in cases]

    def decorate(test: Any) -> Any:
        @functools.wraps(test)
        def every(**fixtures: Any) -> None:
            for case in listed:
                try:
                    test(**fixtures, **dict(zip(names, case, strict=True)))
                except BaseException as error:
                    error.add_note(f"case: {dict(zip(names, case, strict=True))!r:.2000}")
                    raise
                for cache in caches.all(initialized_only=True):
                    cache.clear()

        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in names]
        every.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return every

    return decorate
