"""An export as it is streamed: all rows of the list, page by page, so that memory does not grow."""

from collections.abc import Iterator
from decimal import Decimal

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from opsportal.console.numbers import size
from opsportal.console.streams import streamed
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Page
from opsportal.exports import record, rows
from opsportal.exports.asked import Asked, encoded
from opsportal.operations.csv_cells import broken_off
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.tags import Action

# Rows of a download at most; more are made into a file by the worker.
MAX_ROWS = 100_000


def answer(request: HttpRequest, asked: Asked, by: Actor) -> HttpResponseBase:
    """The download. Its start is recorded and its first page read before anything is sent, so that an error has its
    status. Raises `Refused`, `DynamoError`."""
    content_type = rows.TYPES[asked.kind]
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type)
    export_id = new_action_id()
    purpose = f"export:{export_id}"
    first, units = asked.read(purpose)
    record.write(asked, export_id, Action.EXPORT_START, by, asked.described)
    download = _Download(asked, by, export_id, purpose, first, units)
    response = streamed(request, download.parts(), content_type)
    # Also where nothing of it is ever asked for, or no more may be streamed at once.
    response._resource_closers.append(download.record_end)  # type: ignore[attr-defined]
    if response.streaming:
        response["Content-Disposition"] = f'attachment; filename="{asked.file_name}"'
    else:
        download.outcome = "not sent: the console was at its limit of downloads"
    return response


class _Download:
    def __init__(
        self, asked: Asked, by: Actor, export_id: str, purpose: str, first: Page, units: Decimal
    ) -> None:
        self.asked, self.by, self.export_id, self.purpose = asked, by, export_id, purpose
        self.page, self.units = first, units
        self.rows = self.bytes = 0
        # What becomes of it where nobody asks for the next part any more.
        self.outcome = "the reader left"
        self.recorded = False

    def parts(self) -> Iterator[bytes]:
        """The file, in parts of a page."""
        try:
            yield from self._counted(self.asked.head())
            while True:
                items = self.page.items[: MAX_ROWS - self.rows]
                more = bool(self.page.cursor) or len(items) < len(self.page.items)
                text = self.asked.lines(items)
                self.rows += len(items)
                yield from self._counted(text)
                if not more:
                    self.outcome = "complete"
                    return
                if self.rows >= MAX_ROWS:
                    yield from self._ends_early(
                        f"a download has at most {MAX_ROWS:,} rows. The page Export makes a file of all of them."
                    )
                    return
                try:
                    self.page, units = self.asked.read_patiently(self.purpose, self.page.cursor)
                except DynamoError as error:
                    yield from self._ends_early(error.sentence)
                    return
                self.units += units
        except Exception:
            self.outcome = "ended early: an error of the console, which is in its log"
            raise
        finally:
            self.record_end()

    def _counted(self, text: str) -> Iterator[bytes]:
        data = encoded(text)
        if data:  # an empty part would end a chunked answer
            yield data
            self.bytes += len(data)

    def _ends_early(self, why: str) -> Iterator[bytes]:
        self.outcome = f"ended early: {why}"
        yield from self._counted(broken_off(self.asked.kind, why))

    def record_end(self) -> None:
        """Any number of times."""
        if self.recorded:
            return
        self.recorded = True
        note = (
            f"{self.outcome}; {self.rows:,} rows, {size(Decimal(self.bytes))}, {self.units:,f} read units. "
            f"{self.asked.described}"
        )
        record.ended(self.asked, self.export_id, self.by, note, self.rows)
