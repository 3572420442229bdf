"""An engine's file with people in it, and the streams out of it, without processes around them."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
from fastapi import FastAPI

from schemas import fast
from schemas.fast import Touchpoint
from schemas.topics import TOPICS
from services.configuration import Config
from services.identifiers import DEFAULT_RULES
from services.ingest.sources import Limits
from services.ingest.weberrors import explain_errors
from services.pipeline import STAGES, processors
from services.profile.definitions import Audience, Definitions, Trait
from services.runtime import archive, frames, guard, rebuild
from services.runtime.engine import Engine
from services.runtime.frames import StoredFrame
from services.runtime.settings import Settings
from services.runtime.sqlite_state import StateFile
from services.runtime.streams import api
from services.runtime.streams.documents import documents_of
from services.runtime.streams.following import Following
from services.runtime.streams.reader import StreamReader

DEFINITIONS = Definitions(
    traits=[Trait(name="seen", event="Seen", count=True)],
    audiences=[Audience(name="often", who={"trait": "seen", "gte": 2})],
)


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """A line as its reader sees it, the value byte for byte."""

    position: str
    key: str
    value: msgspec.Raw


def records(lines: bytes) -> list[Record]:
    """The records of an answer, without the lines that only say that it lives."""
    return [msgspec.json.decode(line, type=Record) for line in lines.split(b"\n") if line]


class NoArchive(archive.Archive):
    """Nothing has left the log."""

    def read(self, start: int, end: int, limit: int) -> list[StoredFrame]:
        raise AssertionError("the log has everything")


def touchpoint(number: int, *identifiers: str, workspace: str = "main", group: str = "") -> bytes:
    """Somebody with these identifiers, the first of them the anchor, was seen."""
    return fast.dumps(
        Touchpoint(
            workspace=workspace, source="s", channel="web", type="track", event="Seen", message_id=f"m{number}",
            anchor=identifiers[0], identifiers=identifiers, timestamp=number, received_at=1_000 + number,
            evidence_at=number, group_id=group, properties=fast.EMPTY, traits=fast.EMPTY, context=fast.EMPTY,
        )
    )  # fmt: skip


class World:
    """A log, the engine's file, and an engine that is called by hand. The clock goes on by a second at each turn."""

    def __init__(self, folder: Path, turn: int = 3):
        self.path, self._turn, self.now = folder / "state.db", turn, 5_000
        self.log, self.file = frames.open_file(folder / "log.db"), StateFile(self.path, STAGES)
        self.engine = self._engine()

    def _engine(self) -> Engine:
        config = Config((), Limits(), DEFAULT_RULES, (), (), (), DEFINITIONS)
        stages = processors(config, rebuild.generation(self.file.db), {}, 7, events=True)
        read = archive.read_all(self.log, NoArchive(Settings(), ""))
        engine = Engine(
            self.file, stages, read, self._clock, self._turn, 100, restored_before=rebuild.restored_before(self.file.db)
        )
        asyncio.run(engine.load())
        return engine

    def _clock(self) -> int:
        self.now += 1_000
        return self.now

    def receive(self, *lines: bytes, turns: int = 100) -> None:
        """Put touchpoints onto the log, and let the engine take so many turns at most."""
        for line in lines:
            frames.append(self.log, "touchpoints", frames.end(self.log, "touchpoints"), 0, [line])
        self.work(turns)

    def work(self, turns: int = 100) -> None:
        """Turns of the engine, until it has nothing to do."""

        async def some() -> None:
            for _ in range(turns):
                if not await self.engine.turn():
                    return

        asyncio.run(some())

    def rebuild(self) -> None:
        """Throw the records away; `work` then reads everything again, and `take_back` ends it."""
        rebuild.begin(self.file.db, STAGES, frames.end(self.log, "touchpoints"), now=self._clock())
        self.engine = self._engine()

    def take_back(self) -> None:
        """What the old generation published and the new one does not."""
        rebuild.end(self.file.db, self._clock())

    def published(self, topic: str, workspace: str = "main") -> list[tuple[str, bytes]]:
        """(key, value) of every message of the topic that is there, in order."""
        found = []
        for frame in frames.read(self.file.db, topic, 0, 10**9):
            for value in frame.body.split(b"\n"):
                message = msgspec.json.decode(value)
                if message["workspace"] == workspace:
                    found.append((str(message[TOPICS[topic].key]), value))
        return found

    def close(self) -> None:
        """Close both files."""
        self.log.close()
        self.file.close()


class Client(NamedTuple):
    """The routes of the streams, spoken to as ASGI servers do."""

    app: FastAPI
    following: Following

    def get(self, path: str, **headers: str) -> httpx.Response:
        """An answer that ends by itself."""

        async def talk() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.get(f"/v1/streams/{path}", headers=headers)

        return asyncio.run(talk())

    def lines(self, path: str) -> list[Record]:
        """The records up to the present end."""
        answer = self.get(f"{path}{'&' if '?' in path else '?'}follow=false")
        assert answer.status_code == 200, answer.text
        return records(answer.content)


def client(path: Path, heartbeat: float = 15.0, settings: Settings | None = None) -> Client:
    """The streams out of this file."""
    app, following = FastAPI(), Following(path, heartbeat)
    explain_errors(app)
    app.include_router(api.router(following, DEFINITIONS, guard.reader(settings or Settings())))
    return Client(app, following)


def reader(topic: str, workspace: str = "main") -> StreamReader:
    """A reader by itself."""
    return StreamReader(TOPICS[topic], workspace, documents_of(TOPICS[topic], DEFINITIONS))
