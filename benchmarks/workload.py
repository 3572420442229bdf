"""What the customers of the benchmark do: events as a website sends them, the same for the same seed.

70 % are visits, 20 % product views, 10 % orders. The known people are drawn evenly, which is the worst case for
caches; 5 % of the events come from visitors who were never seen before, and 1 % are log-ins, each joining one of those
visitors with a known person. An event has 500 to 600 bytes.
"""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

NEW, LOG_IN = 0.05, 0.01  # shares of events: a new visitor, a log-in that joins one
VISIT, VIEW = 0.70, 0.90  # cumulative shares of the others: visits, product views; the rest are orders

_CONTEXT = (
    b'"context":{"library":{"name":"analytics.js","version":"4.1.0"},"page":{"path":"/p/%d","referrer":'
    b'"https://www.search.example/","title":"Records and sheet music","url":"https://shop.example/p/%d?from=home"},'
    b'"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"},'
    b'"messageId":"bench-%b-%d","timestamp":"%b"}'
)
_VISIT = (
    b'{"type":"page","name":"Home","properties":{"url":"https://shop.example/p/%d","section":"records"},%b,' + _CONTEXT
)
_VIEW = (
    b'{"type":"track","event":"Product Viewed","properties":{"product_id":"p-%d","name":"Record","price":17.5},%b,'
    + _CONTEXT
)
_ORDER = (
    b'{"type":"track","event":"Order Completed","properties":{"order_id":"o-%d","total":19.99,"quantity":2},%b,'
    + _CONTEXT
)
_LOG_IN = b'{"type":"identify","traits":{"plan":"free","visits":%d},%b,' + _CONTEXT


class Call(NamedTuple):
    """One call of the tracking API: its kind (the route) and its body."""

    kind: str
    body: bytes


class Workload:
    """Draws events for ever. `instant` gives the ISO time that they say they happened at; `run` makes ids unique."""

    def __init__(self, people: int, instant: Callable[[], str], run: str = "1", seed: int = 1):
        self._people, self._instant, self._run = people, instant, run.encode()
        self._random = random.Random(seed).random
        self._count = self._visitors = self._joined = 0

    def introductions(self, first: int = 0) -> Iterator[Call]:
        """Every known person from this one on once, with one to three identifiers."""
        for person in range(first, self._people):
            self._count += 1
            ids = b'"userId":"u%d"' % person
            if person % 3:
                ids += b',"traits":{"email":"u%d@mail.example"}' % person
            if person % 3 == 2:
                ids += b',"anonymousId":"a%d"' % person
            rest = (self._run, self._count, self._now())
            yield Call("identify", b'{"type":"identify",%b,"messageId":"bench-%b-%d","timestamp":"%b"}' % (ids, *rest))

    def event(self) -> Call:
        """The next event."""
        self._count += 1
        number, chance = self._count, self._random()
        if chance < LOG_IN and self._joined < self._visitors:
            kind, template = "identify", _LOG_IN
            ids = b'"userId":"u%d","anonymousId":"v%b-%d"' % (self._person(), self._run, self._joined)
            self._joined += 1
        else:
            ids = self._visitor() if chance < LOG_IN + NEW else self._known()
            does = self._random()
            kind = "page" if does < VISIT else "track"
            template = _VISIT if does < VISIT else _VIEW if does < VIEW else _ORDER
        page = number % 5_000
        return Call(kind, template % (number, ids, page, page, self._run, number, self._now()))

    def visit(self, person: int) -> Call:
        """A visit of this known person."""
        self._count += 1
        page, rest = self._count % 5_000, (self._run, self._count, self._now())
        return Call("page", _VISIT % (self._count, b'"userId":"u%d"' % person, page, page, *rest))

    def batch(self, size: int) -> bytes:
        """The body of a batch of the next events."""
        return b'{"batch":[%b]}' % b",".join([self.event().body for _ in range(size)])

    def _visitor(self) -> bytes:
        self._visitors += 1
        return b'"anonymousId":"v%b-%d"' % (self._run, self._visitors - 1)

    def _known(self) -> bytes:
        person = self._person()
        return (
            b'"userId":"u%d","anonymousId":"a%d"' % (person, person) if person % 3 == 2 else b'"userId":"u%d"' % person
        )

    def _person(self) -> int:
        return int(self._random() * self._people)

    def _now(self) -> bytes:
        return self._instant().encode()
