"""CDNOW's purchases through POST /v1/import, as any client sends its history: whole batches, some in flight."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx

from schemas import fast
from services.commands.demo.cdnow import Purchase, call
from services.commands.imports.sending import ENVELOPE, Tally, post
from services.ingest.imports.row import Row, batches
from services.ingest.sources import Limits

IN_FLIGHT = 4  # requests at a time


class Loaded(NamedTuple):
    """What became of the calls, and when (seconds of the monotonic clock) the first was sent and the last answered."""

    tally: Tally
    began: float
    ended: float


def load(
    http: httpx.Client, write_key: str, limits: Limits, purchases: Sequence[Purchase], advance: Callable[[int], None]
) -> Loaded:
    """Send every purchase; `advance` hears how many more were answered. Raises RapportError when that cannot be done.

    An import never doubles: what the platform has already is answered `duplicate`.
    """
    calls = [Row(purchase.row, fast.dumps(call(purchase))) for purchase in purchases]
    cut = list(batches(calls, limits.batch_events, limits.batch_bytes - ENVELOPE))
    tally, began = Tally(), time.monotonic()
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="cdnow") as pool:
        verdicts = pool.map(lambda batch: post(http, batch, write_key), cut)
        for batch, found in zip(cut, verdicts, strict=True):
            tally.add("CDNOW", batch, found)
            advance(len(batch))
    return Loaded(tally, began, time.monotonic())
