"""What is wrong at present with a table and its spool, and who hears of it."""

import logging

from .results import OnTrouble, Trouble, kind_of


class Troubles:
    """``on_trouble`` and the log hear of each problem once, when it begins."""

    def __init__(self, logger: logging.Logger, on_trouble: OnTrouble | None) -> None:
        self._logger, self._on_trouble = logger, on_trouble
        self._away: Trouble | None = None  # DynamoDB, or the way to it
        self._disk: Trouble | None = None  # the spool
        self._said: set[str] = set()

    @property
    def present(self) -> Trouble | None:
        return self._away or self._disk

    @property
    def of_disk(self) -> Trouble | None:
        return self._disk

    def away(self, error: Exception, waits_in: object) -> None:
        """A record had to be kept on disk, and waits there."""
        kind = kind_of(error) or "away"
        if self._away is None or self._away.kind != kind:
            said = "someone has to fix this" if kind == "denied" else "DynamoDB is away"
            self._away = Trouble(
                kind, f"{said}; statuses wait in {waits_in}: {type(error).__name__}: {error}"
            )
            self.tell(self._away)

    def failed(self, error: Exception) -> None:
        """A call of DynamoDB has failed, and its caller hears of it."""
        if (kind := kind_of(error)) and (self._away is None or self._away.kind != kind):
            self._away = Trouble(kind, f"{type(error).__name__}: {error}")
            if kind == "denied":
                self._logger.error("someone has to fix this: %s", self._away.sentence)

    def over(self, count: int) -> None:
        """DynamoDB answers, and nothing waits on disk any more."""
        if self._away is not None:
            self._away = None
            self._logger.warning("DynamoDB is back: %d spooled records were dealt with", count)

    def disk(self, sentence: str) -> None:
        """What is wrong with the spool; "" where nothing is."""
        was, self._disk = self._disk, Trouble("disk", sentence) if sentence else None
        if self._disk is not None and self._disk != was:
            self.tell(self._disk)

    def left(self, sentences: set[str]) -> None:
        """Records in the spool that are not this writer's: no problem of its own."""
        for sentence in sorted(sentences - self._said):
            self._logger.warning("%s", sentence)
            self.surface(Trouble("disk", sentence))
        self._said |= sentences

    def tell(self, trouble: Trouble) -> None:
        level = logging.WARNING if trouble.kind in ("away", "poison") else logging.ERROR
        self._logger.log(level, "[%r] %s", trouble.item, trouble.sentence)
        self.surface(trouble)

    def surface(self, trouble: Trouble) -> None:
        """Hand it to whoever wants to know. What that raises is logged, no more."""
        try:
            if self._on_trouble is not None:
                self._on_trouble(trouble)
        except Exception:
            self._logger.exception("on_trouble")
