"""What happens while things fail: touchpoints of households that share identifiers, from one seed, and the rules that
act on them. Everything that time makes due is due within seconds."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

from schemas.fast import Touchpoint
from services.configuration import load_config
from services.identifiers import IdentityRules
from services.runtime.clock import wall
from tests.cluster.engines import Log
from tests.cluster.rounds import CONFIG, Planned, planned, stamped

AGO = (50_000, 54_000, 58_000, 60_000, 40 * 86_400_000)  # ms that a touchpoint is late: what falls due in a minute does
KNOWN = 10  # rounds until there are other households
DUE = 11_000  # ms until all of it has
RULES = {
    "rules/each_order.yaml": """
name: each_order
when: {event: Order Completed}
then: [{message: {data: {what: order}}}]
""",
    "rules/second_order.yaml": """
name: second_order
when: {event: Order Completed}
if: {trait: orders, gte: 2}
then: [{message: {data: {what: again}}}]
""",
    "rules/after_a_while.yaml": """
name: after_a_while
when: {event: Order Completed}
wait: 2s
then: [{message: {data: {what: waited}}}]
""",
}
EVERY_TIME = ("each_order", "after_a_while")  # the rules that act on each order, whatever is known by then


def configured(folder: Path) -> Path:
    """The configuration folder: identifiers whose limits bite, traits and audiences of every kind, rules."""
    for name, text in (CONFIG | RULES).items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "config"


class Feed:
    """Writes one round after the other, `every` so many seconds, until it is stopped or there is no more."""

    def __init__(self, log: Log, config: Path, people: int, rounds: int, every: float, seed: int = 1):
        self._log, self._every = log, every
        self._rounds = _soon_due(load_config(config).identity, people, rounds, seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.written = 0

    def __enter__(self) -> "Feed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more; what has been written is in the log."""
        self._stop.set()
        self._thread.join(60)

    def wait(self) -> None:
        """Until everything has been written."""
        self._thread.join()

    def now(self) -> int:
        """Write the next round at once, from here. Returns how many touchpoints it has."""
        found = self.round()
        self._log.write(found)
        self.written += len(found)
        return len(found)

    def _run(self) -> None:
        while not self._stop.is_set() and self.now():
            self._stop.wait(self._every)

    def round(self) -> list[Touchpoint]:
        """The next round, not written."""
        some = next(self._rounds, None)
        return list(stamped(some, wall())) if some is not None else []


def _soon_due(rules: IdentityRules, people: int, rounds: int, seed: int) -> Iterator[list[Planned]]:
    """Other households every few rounds, so that there is always something new about who is who."""
    r = random.Random(seed)
    for number in range(rounds):
        if number % KNOWN == 0:
            several = iter(planned(seed + number, people, KNOWN, rules))
        yield [_of(one, number // KNOWN)._replace(ago=r.choice(AGO)) for one in next(several)]


def _of(one: Planned, generation: int) -> Planned:
    """The same of other people."""
    names = tuple(name.replace(":", f":{generation}x", 1) for name in one.names)
    return one._replace(message_id=f"{generation}x{one.message_id}", names=names)
