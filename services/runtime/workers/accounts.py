"""What rules know of accounts, distributed: the whole topic `accounts` in memory, in every worker that runs rules.

A person's causes and an account's document lie in different partitions, so no partition's state can have both. The
topic is compacted and its documents are small; it is only read where some rule's condition asks for accounts. A
condition therefore sees an account as it is about now, and never as of the very touchpoint.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from schemas.fast import Profile
from services.automation.rules import Known
from services.errors import Retry
from services.runtime.disk import Trouble
from services.runtime.kafka.reading import TopicReader
from services.runtime.redis.connection import AsyncClient
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings
from services.runtime.workers.lines import UNREADABLE

AT_ONCE = 1_000  # messages of a partition taken at once
IDLE = 0.1  # seconds between two looks when there is nothing new
_log = structlog.get_logger()
_profile = msgspec.json.Decoder(Profile).decode


class AccountsTable:
    """Follows the topic in a thread. `changed(keys)` is called on the event loop with the accounts that are others now.

    `load` returns when everything has been read that was there when it was called. `ended` is done when the topic is
    followed no longer: after `close`, or with the error that was the reason.
    """

    def __init__(self, settings: Settings, changed: Callable[[Sequence[str]], None]):
        self._settings, self._changed = settings, changed
        self._known: dict[str, Known] = {}
        self._stop, self._trouble = threading.Event(), Trouble("accounts table")

    async def load(self) -> None:
        """Read everything, and follow from then on. Returns early after `close`; raises what ends the following."""
        self._loop, self._loaded = asyncio.get_running_loop(), asyncio.Event()
        self.ended = asyncio.create_task(asyncio.to_thread(self._follow))
        loaded = asyncio.create_task(self._loaded.wait())
        either: list[asyncio.Task[Any]] = [loaded, self.ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        loaded.cancel()
        if self.ended.done():
            self.ended.result()

    def find(self, key: str) -> Known | None:
        """The account of this profile id."""
        return self._known.get(key)

    def close(self) -> None:
        """Follow no longer."""
        self._stop.set()

    def _follow(self) -> None:
        opened = None
        while not self._stop.is_set():
            try:
                reader, at, ends = opened = opened or self._open()
                read = sum([self._read(reader, partition, at) for partition in at])
                self._trouble.over()
            except Retry as away:
                self._stop.wait(self._trouble.met(away))
                continue
            if not read:
                self._stop.wait(IDLE)
            if all(at[partition] >= end for partition, end in ends.items()):
                self._loop.call_soon_threadsafe(self._loaded.set)
        if opened is not None:
            opened[0].close()

    def _open(self) -> tuple[TopicReader, dict[int, int], dict[int, int]]:
        """The topic, where its partitions begin, and where they end now."""
        reader = TopicReader(self._settings, "accounts", "accounts-table")
        try:
            return reader, reader.beginnings(), reader.ends()
        except Retry:
            reader.close()
            raise

    def _read(self, reader: TopicReader, partition: int, at: dict[int, int]) -> int:
        chunk = reader.read(partition, at[partition], AT_ONCE)
        changed = [key for frame in chunk.frames if frame.body for key in self._keep(frame.body)]
        if changed:
            self._loop.call_soon_threadsafe(self._changed, changed)
        at[partition] = chunk.next
        return len(chunk.frames)

    def _keep(self, line: bytes) -> list[str]:
        try:
            account = _profile(line)
        except UNREADABLE as error:  # others can write on a public topic, too
            _log.error("a message on `accounts` is no account", reason=str(error)[:500])
            return []
        known = self._known.get(account.profile_id)
        if known is not None and known.version >= account.version:
            return []
        self._known[account.profile_id] = Known(account.version, line)
        return [account.profile_id]


class RulesState(RedisState):
    """The state of the rules in one partition, with the accounts beside it."""

    def __init__(self, accounts: AccountsTable, client: AsyncClient, stage: str, partition: int, record: Any):
        super().__init__(client, stage, partition, record)
        self._accounts = accounts

    async def get(self, token: int, keys: Sequence[str]) -> list[msgspec.Struct | None]:
        """Accounts from memory, everything else from the state. Memory is asked last: an account that has changed while
        Redis answered would else be kept by the handler as it was, and nobody would tell it again to forget it."""
        rest = [key for key in keys if self._accounts.find(key) is None]
        found = dict(zip(rest, await super().get(token, rest), strict=True))
        return [self._accounts.find(key) or found[key] for key in keys]
