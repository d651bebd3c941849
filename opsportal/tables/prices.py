"""What DynamoDB costs, from a dated file: `prices.toml` beside this module, or DYNAMO_PRICES_FILE."""

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

BUILT_IN = Path(__file__).with_name("prices.toml")
# Prices change without notice: older ones are shown with a warning.
OLD_DAYS = 365
# AWS halved the prices on demand.
HALVED = date(2024, 11, 1)
SEED = "seed_000"
STANDARD, INFREQUENT = "STANDARD", "STANDARD_INFREQUENT_ACCESS"


@dataclass(frozen=True)
class Prices:
    """US dollars: a million request units, a capacity unit for an hour, a GB (2^30 bytes) for a month; None where
    the file has no figure.

    `region`: of the file's block; `dated` and `source` are that block's own, else the file's.
    """

    region: str
    dated: date
    source: str
    write_million: Decimal | None = None
    read_million: Decimal | None = None
    storage: Decimal | None = None
    recovery: Decimal | None = None
    backup: Decimal | None = None
    write_hour: Decimal | None = None
    read_hour: Decimal | None = None


FIGURES = tuple(field.name for field in fields(Prices) if field.name not in ("region", "dated", "source"))


@dataclass(frozen=True)
class PriceList:
    """The prices of some regions, by region and table class. `free_storage`: GB of an account in a region."""

    dated: date
    source: str
    free_storage: Decimal
    classes: dict[tuple[str, str], Prices]
    seed: Prices

    def of(self, region: str, table_class: str = STANDARD) -> Prices:
        """The region's prices for that table class; without any figure where the file has none."""
        return self.classes.get((region, table_class), Prices(region, self.dated, self.source))

    def warning(self, today: date, regions: Iterable[str] = ()) -> str:
        """That the prices of one of the regions, or by default the file's, are old; or ""."""
        known = [self.classes[region, STANDARD] for region in regions if (region, STANDARD) in self.classes]
        dated = min((prices.dated for prices in known), default=self.dated)
        days = (today - dated).days
        if days <= OLD_DAYS:
            return ""
        before = " Those on demand were halved on 1 November 2024." if dated < HALVED else ""
        return (
            f"These prices are of {dated:%d %B %Y}, {days} days old: compare them with {self.source} "
            f"and set DYNAMO_PRICES_FILE to a newer file.{before}"
        )


def without_price(region: str, figures: Iterable[str] = (), table_class: str = STANDARD) -> str:
    """What is said of figures, or of a whole region, that the file does not have, and how to give them."""
    named = ", ".join(figures)
    what = f"No price {named} for {region}" if named else f"No prices for {region}"
    block = f"[{region}]"
    if table_class != STANDARD:
        what, block = f"{what}, class {table_class}", f"{block} infrequent"
    path = settings.DYNAMO_PRICES_FILE or BUILT_IN.name
    return f"{what} in {path}: copy that file, add {named or 'them'} under {block}, and set DYNAMO_PRICES_FILE to the copy."


def price_list() -> PriceList:
    """The file's prices. Raises ImproperlyConfigured where it can't be read."""
    return _read(Path(settings.DYNAMO_PRICES_FILE or BUILT_IN))


@functools.lru_cache(maxsize=4)
def _read(path: Path) -> PriceList:
    try:
        text = tomllib.loads(path.read_text())
        seed = text.pop(SEED, None) or tomllib.loads(BUILT_IN.read_text())[SEED]
        dated, source = _date(text["dated"]), str(text["source"])
        classes: dict[tuple[str, str], Prices] = {}
        for region, block in text.items():
            if not isinstance(block, dict):
                continue
            infrequent = block.pop("infrequent", None)
            classes[region, STANDARD] = _prices(region, {"dated": dated, "source": source} | block)
            if infrequent is not None:
                whole = {"dated": dated, "source": source} | block | infrequent
                classes[region, INFREQUENT] = _prices(region, whole)
        return PriceList(
            dated=dated,
            source=source,
            free_storage=Decimal(str(text["free_storage"])),
            classes=classes,
            seed=_prices(SEED, {"dated": dated, "source": source} | seed),
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ImproperlyConfigured(f"The price file {path} can't be read: {error}") from error
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ImproperlyConfigured(
            f"The price file {path} is not as {BUILT_IN.name} is: {error!r}"
        ) from error


def _date(value: Any) -> date:
    if not isinstance(value, date):
        raise TypeError(f"dated is no date: {value!r}")
    return value


def _prices(region: str, block: dict[str, Any]) -> Prices:
    dated, source = _date(block.pop("dated")), str(block.pop("source"))
    figures = {name: Decimal(str(value)) for name, value in block.items()}
    for name, value in figures.items():
        if not value.is_finite() or value < 0:
            raise ValueError(f"{name} of {region} is {value}")
    return Prices(region, dated, source, **figures)
