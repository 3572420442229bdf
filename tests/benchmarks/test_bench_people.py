"""What the benchmark looks up and judges: answers are told apart, and a difference between the engines is an error."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.audiences import AUDIENCES, compare, definitions
from benchmarks.client import Load, accepted, connect, found, look_up
from benchmarks.posts import meanwhile
from services.conditions.tree import OfAudience, OfConsent, OfEvent, OfSequence, OfTrait, nodes
from services.errors import RapportError

memberships = st.dictionaries(st.text(max_size=3), st.lists(st.sampled_from(sorted(AUDIENCES)), max_size=3))


def answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("said", "events", "people"),
    [
        (answer("200 OK", '{"accepted":3,"rejected":0}'), 3, -1),
        (answer("200 OK", '{"v":1,"profile_id":"p1"}'), -1, 1),
        (answer("404 Not Found", '{"code":"not_found","message":"no profile has or had the id"}'), -1, -1),
        (answer("503 Service Unavailable", '{"accepted":3,"profile_id":"p1"}'), -1, -1),
        (b"", -1, -1),
    ],
)
def test_only_what_was_asked_for_counts(said: bytes, events: int, people: int) -> None:
    assert (accepted(said), found(said)) == (events, people)


class Answering:
    """A connection whose other side says the same to everything."""

    def __init__(self, said: bytes):
        self._said = said

    def send(self, message: bytes, done: Any) -> None:
        asyncio.get_running_loop().call_soon(done, self._said)


def test_a_load_that_is_refused_says_what_the_platform_said() -> None:
    async def ask() -> None:
        connection: Any = Answering(answer("401 Unauthorized", "only programs on this machine"))
        load = Load([connection], lambda: b"GET", 1, count=found)
        load.allow(1)
        await load.finish()

    with pytest.raises(RapportError, match="only programs on this machine"):
        asyncio.run(ask())


def test_a_connection_that_the_platform_has_closed_is_opened_again() -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("200 OK", '{"profile_id":"p1"}'))
        await writer.drain()
        writer.close()

    async def ask_twice() -> int:
        server = await asyncio.start_server(answer_once, "127.0.0.1")
        load = Load(await connect(server.sockets[0].getsockname()[1], 1), lambda: look_up("/"), 1, count=found)
        for asked in (1, 2):
            load.allow(asked)
            while load.counted < asked:
                load.allow(asked)
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # until it is closed
        server.close()
        return load.counted

    assert asyncio.run(ask_twice()) == 2


def test_what_fails_meanwhile_is_heard() -> None:
    async def fail() -> None:
        raise RapportError("the events were refused")

    async def both() -> None:
        async with meanwhile(fail()):
            await asyncio.sleep(0.01)

    with pytest.raises(RapportError, match="refused"):
        asyncio.run(both())


def test_audiences_of_every_kind_are_judged() -> None:
    kinds = {type(node) for audience in definitions().audiences for node in nodes(audience.who)}
    assert kinds >= {OfTrait, OfEvent, OfSequence, OfConsent, OfAudience}


@given(memberships, st.data())
def test_a_difference_between_the_engines_is_an_error(stream: dict[str, list[str]], data: st.DataObject) -> None:
    compare(stream, stream | {"somebody who was not folded": []})
    if stream:
        one = data.draw(st.sampled_from(sorted(stream)))
        with pytest.raises(RapportError, match="1 of"):
            compare(stream, stream | {one: [*stream[one], "another"]})
