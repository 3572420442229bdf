"""Everything that keeps a stage's state, for the suite of the State port."""

import asyncio
import subprocess
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from services.runtime.cluster.addresses import free_ports
from services.runtime.cluster.programs import redis_server
from services.runtime.memory import MemoryState
from services.runtime.ports import State, Write
from services.runtime.redis import layout
from services.runtime.redis.connection import AsyncClient
from services.runtime.redis.state import RedisState
from services.runtime.sqlite_state import SqliteState, StateFile


class Note(msgspec.Struct, tag=True):
    text: str


class Tally(msgspec.Struct, tag=True):
    count: int


Record = Note | Tally


class Store:
    """Somewhere that a state is kept: `open` gives it as it was last made durable, to one more owner."""

    def open(self) -> State:
        raise NotImplementedError

    def commit(self) -> None:
        """Make what was written durable."""

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        """Run a story to its end."""
        asyncio.run(self._told(story))

    async def _told(self, story: Coroutine[Any, Any, None]) -> None:
        try:
            await story
        finally:
            await self.close()

    async def close(self) -> None:
        """Give back what the story opened."""

    async def note(self) -> None:
        """Remember how everything is now, for `lose`."""

    async def lose(self, writes: int) -> None:
        """Lose the last `writes` writes: those since `note`."""
        raise NotImplementedError


class InMemory(Store):
    def __init__(self) -> None:
        self.state = MemoryState(Record)

    def open(self) -> State:
        return self.state

    async def lose(self, writes: int) -> None:
        self.state.forget(writes)


class InTurns(SqliteState):
    """Each write is a transaction, for the sake of speed; records are flushed by `InSqlite.commit`."""

    def __init__(self, file: StateFile):
        super().__init__(file, "stage", Record)
        self.file = file

    async def write(self, token: int, write: Write) -> int:
        self.file.begin()
        try:
            return await super().write(token, write)
        finally:
            self.file.db.execute("COMMIT")


class InSqlite(Store):
    def __init__(self, folder: Path):
        self.path, self.states = folder / f"{uuid.uuid4().hex}.db", list[InTurns]()

    def open(self) -> State:
        self.states.append(InTurns(StateFile(self.path, ["stage"])))
        return self.states[-1]

    def commit(self) -> None:
        state = self.states[-1]
        state.file.begin()
        state.flush()
        state.file.db.execute("COMMIT")

    async def close(self) -> None:
        for state in self.states:
            state.file.close()


class InRedis(Store):
    """Keys of its own in a server that others use, too. `lose` puts older keys back, as an older file would."""

    def __init__(self, connect: Callable[[], AsyncClient]):
        self._connect, self.prefix = connect, f"test-{uuid.uuid4().hex[:12]}"
        self.keys = layout.keys(self.prefix, "stage", 3)
        self.clients: list[AsyncClient] = []
        self.noted: dict[str, bytes | None] = {}

    def open(self) -> State:
        self.clients.append(self._connect())
        return RedisState(self.clients[-1], "stage", 3, Record, self.prefix)

    async def note(self) -> None:
        self.noted = {key: await self.clients[0].dump(key) for key in self.keys}

    async def lose(self, writes: int) -> None:
        for key, value in self.noted.items():
            await self.clients[0].delete(key)
            if value is not None:
                await self.clients[0].restore(key, 0, value)

    async def close(self) -> None:
        await self.clients[0].delete(*self.keys)
        for client in self.clients:
            await client.aclose()


class ClusterNode:
    """A Redis Cluster of one node: it refuses whatever touches two slots."""

    def __init__(self, folder: Path):
        [port] = free_ports(1)
        options = f"--port {port} --bind 127.0.0.1 --cluster-enabled yes --appendonly no --save".split()
        self.process = subprocess.Popen([str(redis_server()), *options, ""], cwd=folder, stdout=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{port}/0"
        with Redis.from_url(self.url, retry=Retry(ConstantBackoff(0.05), 200)) as client:
            client.ping()
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            deadline = time.monotonic() + 20
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
