"""The log's lines: what others wrote is in them too, and whoever reads them does so in a terminal."""

import logging

from opsportal.console.text import one_line, visible


class LineFormatter(logging.Formatter):
    """One line per record, and below it the trace, if there is one; no control characters in either."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging calls it so)
        return one_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
