"""What DynamoDB costs, from a dated file: `prices.toml` beside this module, or DYNAMO_PRICES_FILE."""

import functools
import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

BUILT_IN = Path(__file__).with_name("prices.toml")
# Prices change without notice: older ones are shown with a warning.
OLD_DAYS = 365
SEED = "seed_000"


@dataclass(frozen=True)
class Prices:
    """US dollars: a million request units, a capacity unit for an hour, a GB (2^30 bytes) for a month."""

    write_million: Decimal
    read_million: Decimal
    storage: Decimal
    recovery: Decimal = Decimal(0)
    backup: Decimal = Decimal(0)
    write_hour: Decimal = Decimal(0)
    read_hour: Decimal = Decimal(0)


@dataclass(frozen=True)
class PriceList:
    """The prices of some regions, as they were on a day. `free_storage`: GB of an account in a region."""

    dated: date
    source: str
    free_storage: Decimal
    regions: dict[str, Prices]
    seed: Prices

    def of(self, region: str) -> Prices | None:
        """The region's prices; None where the file has none."""
        return self.regions.get(region)

    def warning(self, today: date) -> str:
        """That the prices are old, or ""."""
        days = (today - self.dated).days
        if days <= OLD_DAYS:
            return ""
        return (
            f"These prices are of {self.dated:%d %B %Y}, {days} days old: compare them with {self.source} "
            "and set DYNAMO_PRICES_FILE to a newer file."
        )


def without_price(region: str) -> str:
    """What is said of a region that the file does not have."""
    return f"No prices for {region}: add it to a price file of your own and set DYNAMO_PRICES_FILE."


def price_list() -> PriceList:
    """The file's prices. Raises ImproperlyConfigured where it can't be read."""
    return _read(Path(settings.DYNAMO_PRICES_FILE or BUILT_IN))


@functools.lru_cache(maxsize=4)
def _read(path: Path) -> PriceList:
    try:
        text = tomllib.loads(path.read_text())
        seed = text.pop(SEED, None) or tomllib.loads(BUILT_IN.read_text())[SEED]
        if not isinstance(text["dated"], date):
            raise TypeError("dated is no date")
        regions = {name: value for name, value in text.items() if isinstance(value, dict)}
        return PriceList(
            dated=text["dated"],
            source=str(text["source"]),
            free_storage=Decimal(str(text["free_storage"])),
            regions={name: _prices(value) for name, value in regions.items()},
            seed=_prices(seed),
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ImproperlyConfigured(f"The price file {path} can't be read: {error}") from error
    except (KeyError, TypeError, InvalidOperation) as error:
        raise ImproperlyConfigured(
            f"The price file {path} is not as {BUILT_IN.name} is: {error!r}"
        ) from error


def _prices(block: dict[str, Any]) -> Prices:
    return Prices(**{name: Decimal(str(value)) for name, value in block.items()})
