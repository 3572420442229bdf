"""What the routes answer: lines that wait for what is new, positions that cannot be gone on from, limits, keys."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import fast
from schemas.topics import TOPICS
from services.runtime import frames
from services.runtime.settings import Settings
from services.runtime.streams import documents, following
from tests.streams.stream_platform import World, client, reader, records, touchpoint

PUBLIC = sorted(name for name, topic in TOPICS.items() if topic.public)
LATER = 10**15


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three people, of whom two turn out to be one, in main; one in brand-b."""
    it = World(tmp_path)
    it.receive(touchpoint(1, "anonymous_id:a1"), touchpoint(2, "user_id:u1"), touchpoint(3, "user_id:u2"))
    it.receive(touchpoint(4, "user_id:u1", "anonymous_id:a1"), touchpoint(5, "user_id:u1", workspace="brand-b"))
    yield it
    it.close()


@pytest.mark.parametrize("topic", PUBLIC)
def test_every_public_topic_has_a_route_that_is_described(world: World, topic: str) -> None:
    there = client(world.path)
    assert [bytes(line.value) for line in there.lines(topic)] or topic in ("accounts", "actions", "identity-changes")
    described = there.app.openapi()["paths"][f"/v1/streams/{topic}"]["get"]
    assert {"200", "400", "401", "410", "503"} <= described["responses"].keys()
    assert "Compacted" in described["description"] or "retained" in described["description"]


def test_every_compacted_topic_has_its_snapshot() -> None:
    compacted = {topic.producers[0] for topic in TOPICS.values() if topic.public and topic.retention is None}
    assert compacted <= documents.MAKERS.keys(), "services/runtime/streams/documents.py says what makes a document"


def test_what_is_not_public_has_none(world: World) -> None:
    for topic in TOPICS.keys() - PUBLIC:
        assert client(world.path).get(topic).status_code == 404


@pytest.mark.parametrize("position", ["x", "", "0" * 16, "-1-2-3", "f" * 16 + "-9-9", "é", "f" * 16 + f"-{10**30}-0-0"])
def test_what_is_no_position_is_refused(world: World, position: str) -> None:
    answer = client(world.path).get(f"profiles?from={position}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_position")


def test_a_position_of_another_topic_or_workspace_or_life_is_gone(world: World, tmp_path: Path) -> None:
    there = client(world.path)
    position = there.lines("profiles")[-1].position
    (tmp_path / "new").mkdir()
    other = World(tmp_path / "new")
    other.receive(touchpoint(1, "user_id:u1"))
    wrong = [f"audience-changes?from={position}", f"profiles?workspace=brand-b&from={position}"]
    answers = [*(there.get(path) for path in wrong), client(other.path).get(f"profiles?from={position}")]
    other.close()
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (410, "position_gone")
        assert "from=beginning" in answer.json()["message"]
    assert there.get(f"profiles?follow=false&from={position}").status_code == 200


def trim(world: World, topic: str, before: int) -> None:
    frames.trim(world.file.db, topic, before, LATER)


def test_a_position_is_good_until_what_follows_it_has_left_the_log(world: World) -> None:
    there, topic = client(world.path), "audience-changes"
    world.receive(*(touchpoint(number, "user_id:u3") for number in range(10, 14)))
    lines = there.lines(topic)
    end = frames.end(world.file.db, topic)
    assert end > 1 and len(lines) > 1
    trim(world, topic, end)
    assert there.lines(f"{topic}?from={lines[-1].position}") == []
    assert there.get(f"{topic}?from={lines[0].position}").status_code == 410
    assert there.lines(topic) == []


def test_a_log_that_was_set_back_is_noticed(world: World, tmp_path: Path) -> None:
    there = client(world.path)
    copy = tmp_path / "copy.db"
    with sqlite3.connect(copy) as target:
        world.file.db.backup(target)
    world.receive(touchpoint(30, "user_id:u9"))
    newest = there.lines("profiles?from=" + there.get("profiles?from=now&follow=false").headers["rapport-position"])
    position = there.get("profiles?from=now&follow=false").headers["rapport-position"]
    assert newest == []
    assert client(copy).get(f"profiles?from={position}").status_code == 410, "beyond its end"
    with sqlite3.connect(copy) as target:
        frames.append(target, "profiles", frames.end(target, "profiles"), 77, [world.published("profiles")[-1][1]])
    assert client(copy).get(f"profiles?from={position}").status_code == 410, "it has gone another way since"


def test_before_the_engine_has_a_file_the_answer_is_later(tmp_path: Path) -> None:
    answer = client(tmp_path / "state.db").get("profiles")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    (tmp_path / "state.db").touch()
    assert client(tmp_path / "state.db").get("profiles").status_code == 503


def test_a_workspace_sees_only_itself(world: World) -> None:
    there = client(world.path)
    for topic in PUBLIC:
        for workspace in ("main", "brand-b", "nobody"):
            found = [fast.loads(line.value)["workspace"] for line in there.lines(f"{topic}?workspace={workspace}")]
            assert set(found) <= {workspace}


def test_a_read_key_opens_its_own_workspace_only(world: World) -> None:
    keys: Any = {"read_key": "whole", "read_keys": {"brand-b": "b"}}
    there = client(world.path, settings=Settings(**keys))
    assert there.get("profiles?follow=false").status_code == 401

    def status(workspace: str, key: str) -> int:
        path = f"profiles?follow=false&workspace={workspace}"
        return there.get(path, authorization=f"Bearer {key}").status_code

    assert {(w, k): status(w, k) for w in ("main", "brand-b", "other") for k in ("whole", "b", "")} == {
        ("main", "whole"): 200, ("main", "b"): 401, ("main", ""): 401,
        ("brand-b", "whole"): 200, ("brand-b", "b"): 200, ("brand-b", ""): 401,
        ("other", "whole"): 200, ("other", "b"): 401, ("other", ""): 401,
    }  # fmt: skip
    twice = there.get("profiles?follow=false&workspace=main&workspace=brand-b", authorization="Bearer b")
    assert {fast.loads(line.value)["workspace"] for line in records(twice.content)} <= {"brand-b"}


async def opened(world: World, heartbeat: float, wanted: str = "now") -> AsyncIterator[bytes]:
    stream = await following.Following(world.path, heartbeat).start(reader("profiles"), wanted, follow=True)
    return stream.chunks


def test_what_is_new_comes_at_once_and_silence_is_told_from_the_end(world: World) -> None:
    async def follow() -> None:
        chunks = await opened(world, heartbeat=0.2)
        assert await anext(chunks) == b"\n"
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(world_gets_one)
        assert [line.key for line in records(await waiting)] == [world.published("profiles")[-1][0]]

    def world_gets_one() -> None:
        world.receive(touchpoint(50, "user_id:u2"))

    asyncio.run(follow())


def test_a_stream_ends_when_the_collector_does(world: World) -> None:
    async def follow() -> list[bytes]:
        streams = following.Following(world.path, heartbeat=60)
        stream = await streams.start(reader("profiles"), "now", follow=True)
        asyncio.get_running_loop().call_later(0.1, streams.end)
        return [chunk async for chunk in stream.chunks]

    assert asyncio.run(follow()) == []


def test_a_reader_that_is_overtaken_by_the_trimming_is_not_led_past_the_gap(world: World) -> None:
    async def follow() -> list[bytes]:
        chunks = await opened(world, heartbeat=60)
        await asyncio.to_thread(world.receive, *(touchpoint(n, "user_id:u1") for n in range(60, 70)))
        await asyncio.to_thread(trim, world, "profiles", frames.end(world.file.db, "profiles") - 1)
        return [chunk async for chunk in chunks]

    assert asyncio.run(follow()) == []


def test_idle_followers_cost_next_to_nothing(world: World) -> None:
    """So many looks are shared: the CPU's time of 60 followers for a second is that of a few."""

    async def follow() -> float:
        streams = following.Following(world.path, heartbeat=60)
        started = [await streams.start(reader("profiles"), "now", follow=True) for _ in range(60)]
        waiting = [asyncio.ensure_future(anext(stream.chunks)) for stream in started]
        await asyncio.sleep(0.3)
        before = time.process_time()
        await asyncio.sleep(1)
        used = time.process_time() - before
        streams.end()
        await asyncio.gather(*waiting, return_exceptions=True)
        return used

    assert asyncio.run(follow()) < 0.2


def test_only_so_many_streams_are_open_and_a_reader_that_hangs_up_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.streams.api.MOST", 2)
    there = client(world.path)

    async def read(hang_up: asyncio.Event, status: list[int]) -> None:
        """As a server runs a request."""

        async def receive() -> dict[str, Any]:
            await hang_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            status.extend([message["status"]] if message["type"] == "http.response.start" else [])

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET", "http_version": "1.1",
            "path": "/v1/streams/profiles", "raw_path": b"", "query_string": b"from=now", "root_path": "",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("localhost", 80),
            "scheme": "http", "state": {},
        }  # fmt: skip
        await there.app(scope, receive, send)

    async def crowd() -> list[int]:
        status: list[int] = []
        hang_up = asyncio.Event()
        open_ones = [asyncio.create_task(read(hang_up, status)) for _ in range(2)]
        while len(status) < 2:
            await asyncio.sleep(0.01)
        await read(asyncio.Event(), status)
        hang_up.set()
        await asyncio.gather(*open_ones)
        return status

    assert asyncio.run(crowd()) == [200, 200, 503]
    assert there.following.open == 0
    assert there.get("profiles?from=nonsense").status_code == 400 and there.following.open == 0
    assert there.get("profiles?follow=false").status_code == 200 and there.following.open == 0
