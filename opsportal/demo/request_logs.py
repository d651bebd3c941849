"""The lines of the demo's requests, as items: kept for a day, and for longer of what failed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from opsportal.demo.place import Item
from opsportal.demo.requests import Made
from opsportal.demo.stamps import naive

KEPT = timedelta(hours=26)


def entry(
    key: str, ident: str, request: str, moment: datetime, level: str, stage: str, message: str, worker: str
) -> Item:
    """One line of a request's log (seed 002 of docs/data.md)."""
    return {
        key: ident,
        "request_id": request,
        "timestamp": naive(moment),
        "log_level": level,
        "message": message,
        "stage": stage,
        "metadata": {"worker_id": worker, "processing_node": f"node-{worker[-1:]}"},
    }


def build(key: str, request_key: str, requests: Sequence[Made], now: datetime) -> list[Item]:
    """``log_<epoch ms of the request>_<nnn>``, oldest first within a request."""
    return [
        entry(
            key,
            f"log_{made.item[request_key].split('_')[1]}_{number:03d}",
            made.item[request_key],
            line.at,
            line.level,
            line.stage,
            line.message,
            made.item["processing_metadata"]["worker_id"],
        )
        for made in requests
        if made.lines and (made.item["status"] == "failed" or now - made.lines[0].at < KEPT)
        for number, line in enumerate(made.lines, 1)
    ]
