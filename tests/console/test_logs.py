"""The log can be read in a terminal, whoever wrote what is in it."""

import logging
from logging.config import DictConfigurator

import pytest
from django.conf import settings


@pytest.fixture
def line() -> logging.Formatter:
    """The formatter of the settings."""
    configured = DictConfigurator(settings.LOGGING)
    found: logging.Formatter = configured.configure_formatter(configured.config["formatters"]["line"])
    return found


def test_a_record_is_one_line_without_control_characters(line: logging.Formatter) -> None:
    evil = "\x1b[31m\u202e\nforged"
    record = logging.LogRecord("opsportal", logging.WARNING, __file__, 1, "about %s", (evil,), None)
    assert line.format(record).endswith(" WARNING opsportal about ⟦U+001B⟧[31m⟦U+202E⟧ forged")


def test_a_trace_stays_below_its_record_and_is_harmless_too(line: logging.Formatter) -> None:
    try:
        raise ValueError("\x1b[31m")
    except ValueError as error:
        trace = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("opsportal", logging.ERROR, __file__, 1, "trouble", (), trace)
    first, *below = line.format(record).splitlines()
    assert first.endswith("trouble")
    assert below[-1] == "ValueError: ⟦U+001B⟧[31m"
