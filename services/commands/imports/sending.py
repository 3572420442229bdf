"""Batches of rows to the collector and their verdicts back, whatever the network does."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any, NamedTuple

import httpx

from services.commands.reach import said
from services.commands.send import reason
from services.errors import RapportError
from services.ingest.imports.row import Row

NAMED_AS_JSON = 10_000  # refused rows that are named one by one
TRIES = 8  # of one batch, when the platform is busy or away for a moment
ENVELOPE = 100  # bytes of a batch around its items

Verdicts = list[dict[str, Any]]  # of the rows that have an item


class Refused(NamedTuple):
    """One row that was refused, where it stands and why."""

    file: str
    line: int
    code: str
    field: str
    reason: str


class Bad(NamedTuple):
    """A refused row with why, for the file of refused rows."""

    row: Row
    why: Refused


class Tally:
    """What became of the rows of one command. `unsent` are those refused that never reached the platform."""

    def __init__(self) -> None:
        self.rows = self.accepted = self.duplicates = self.rejected = self.unsent = 0
        self.refused: list[Refused] = []

    def counts(self) -> dict[str, int]:
        """The numbers."""
        names = ("rows", "accepted", "duplicates", "rejected", "unsent")
        return {name: getattr(self, name) for name in names}

    def resume(self, counts: Mapping[str, int]) -> None:
        """Begin with these numbers: those of an import that was interrupted."""
        for name in self.counts():
            setattr(self, name, counts.get(name, 0))

    def join(self, other: "Tally") -> None:
        """Add those of another file."""
        for name, count in other.counts().items():
            setattr(self, name, getattr(self, name) + count)
        self.refused += other.refused

    def add(self, file: str, batch: Sequence[Row], verdicts: Verdicts) -> list[Bad]:
        """Book a batch with the verdicts on what was sent of it; the rows that were refused."""
        told = iter(verdicts)
        bad = [Bad(row, why) for row in batch if (why := self._book(file, row, next(told) if row.item else None))]
        assert next(told, None) is None, "there are more verdicts than items"
        self.rows += len(batch)
        self.rejected += len(bad)
        self.refused += [one.why for one in bad][: max(0, NAMED_AS_JSON - len(self.refused))]
        return bad

    def _book(self, file: str, row: Row, verdict: dict[str, Any] | None) -> Refused | None:
        if verdict is None:
            self.unsent += 1
            return Refused(file, row.number, row.code, row.field, row.problem)
        self.accepted += verdict["status"] == "accepted"
        self.duplicates += verdict["status"] == "duplicate"
        if verdict["status"] != "rejected":
            return None
        return Refused(file, row.number, verdict["code"], verdict.get("field", ""), row.problem or reason(verdict))


def content(batch: Iterable[Row]) -> bytes:
    """The body of a request with the items of these rows."""
    return b'{"batch":[' + b",".join(row.item for row in batch if row.item) + b"]}"


def post(
    client: httpx.Client, batch: Sequence[Row], key: str, wait: Callable[[float], object] = time.sleep
) -> Verdicts:
    """Send a batch until it is answered, and return the verdicts. Sending it again is harmless: its rows have ids."""
    if not any(row.item for row in batch):
        return []
    where = f"the rows from line {batch[0].number:,} to {batch[-1].number:,}"
    for attempt in range(1, TRIES + 1):
        try:
            response = client.post("/v1/import", content=content(batch), auth=(key, ""))
        except httpx.TransportError as error:
            problem, after = str(error) or type(error).__name__, 0.5 * attempt
        else:
            if response.status_code == 200:
                verdicts: Verdicts = response.json()["items"]
                return verdicts
            problem, after = said(response), float(response.headers.get("retry-after", 0.5))
            if response.status_code not in (429, 503):
                break
        if attempt < TRIES:
            wait(min(after, 30.0))
    raise RapportError(
        f"{where} could not be sent: {problem}. Those before them were. Run the same command again: it goes on there,"
        " and nothing is doubled"
    )


def answered(client: httpx.Client, found: Iterable[list[Row]], key: str) -> Iterator[tuple[list[Row], Verdicts]]:
    """Every batch with its verdicts, in order; while one is on its way, the next is made."""
    stop = Event()
    pool = ThreadPoolExecutor(1, thread_name_prefix="import")
    under_way: tuple[list[Row], Future[Verdicts]] | None = None
    try:
        for batch in found:
            ahead = batch, pool.submit(post, client, batch, key, stop.wait)
            if under_way:
                yield under_way[0], under_way[1].result()
            under_way = ahead
        if under_way:
            yield under_way[0], under_way[1].result()
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
