"""How many people the profile API looks up, by an identifier and by profile id, while events arrive all the time.

The person is another one each time, drawn evenly from all who are known: the worst case for caches.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from benchmarks.client import Load, close, connect, found, look_up
from benchmarks.posts import meanwhile, most, pace, singles, steady
from benchmarks.subject import Subject
from benchmarks.workload import Workload
from schemas.identifiers import identifier, profile_id

CONNECTIONS = 16
SENDERS = 8  # connections that events arrive by
EVENTS = 500  # events a second that arrive meanwhile


def by_identifier(person: int) -> bytes:
    """A request for the person with this number, by the id that the website gave them."""
    return look_up(f"/v1/profiles/by/user_id/u{person}")


def by_id(person: int) -> bytes:
    """The same by a profile id, which the API follows through all merges."""
    return look_up(f"/v1/profiles/{profile_id('main', identifier('user_id', f'u{person}'))}")


WAYS: dict[str, Callable[[int], bytes]] = {"by identifier": by_identifier, "by profile id": by_id}


async def both_ways(subject: Subject, workload: Workload, people: int, seconds: float) -> dict[str, Any]:
    """Each way for `seconds` as many as it takes, and for as long at half of that rate."""
    draw, measured = random.Random(2).randrange, {}
    async with arriving(subject, singles(subject, workload), EVENTS) as load:
        began, before = perf_counter(), load.counted
        for way, ask in WAYS.items():

            def make(ask: Callable[[int], bytes] = ask) -> bytes:
                return ask(draw(people))

            full = await most(subject, make, 1, CONNECTIONS, seconds, found)
            rate = max(1.0, full["per_second"] / 2)
            measured[way] = {"full": full, "half": await steady(subject, make, rate, CONNECTIONS, seconds, found)}
        events = (load.counted - before) / (perf_counter() - began)
    return {"ways": measured, "events_per_second": events}


@asynccontextmanager
async def arriving(subject: Subject, make: Callable[[], bytes], rate: float) -> AsyncIterator[Load]:
    """Events keep arriving at this rate."""
    opened, began = await connect(subject.port, SENDERS), perf_counter()
    load = Load(opened, make, 1, lambda n: began + n / rate)
    async with meanwhile(pace(load, began, rate)):
        yield load
    await load.finish()
    close(opened)
