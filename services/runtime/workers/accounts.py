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

from schemas.fast import Profile
from services.automation.rules import Known
from services.errors import Retry
from services.runtime.disk import Trouble
from services.runtime.kafka.reading import TopicReader
from services.runtime.redis.connection import AsyncClient
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings

AT_ONCE = 1_000  # messages of a partition taken at once
IDLE = 0.1  # seconds between two looks when there is nothing new
_profile = msgspec.json.Decoder(Profile).decode


class AccountsTable:
    """Follows the topic in a thread. `changed(keys)` is called on the event loop with the accounts that are others now.

    `load` returns when everything has been read that was there when it was called.
    """

    def __init__(self, settings: Settings, changed: Callable[[Sequence[str]], None]):
        self._settings, self._changed = settings, changed
        self._known: dict[str, Known] = {}
        self._stop, self._trouble = threading.Event(), Trouble("accounts table")

    async def load(self) -> None:
        """Read everything, and follow from then on."""
        self._loop, self._loaded = asyncio.get_running_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._follow, name="accounts-table", daemon=True)
        self._thread.start()
        await self._loaded.wait()

    def find(self, key: str) -> Known | None:
        """The account of this profile id."""
        return self._known.get(key)

    def close(self) -> None:
        """Follow no longer."""
        self._stop.set()

    def _follow(self) -> None:
        reader = TopicReader(self._settings, "accounts", "accounts-table")
        at, ends = reader.beginnings(), reader.ends()
        while not self._stop.is_set():
            try:
                read = sum([self._read(reader, partition, at) for partition in at])
                self._trouble.over()
            except Retry as away:
                self._stop.wait(self._trouble.met(away))
                continue
            if not read:
                self._stop.wait(IDLE)
            if all(at[partition] >= end for partition, end in ends.items()):
                self._loop.call_soon_threadsafe(self._loaded.set)
        reader.close()

    def _read(self, reader: TopicReader, partition: int, at: dict[int, int]) -> int:
        chunk = reader.read(partition, at[partition], AT_ONCE)
        changed = [key for frame in chunk.frames if frame.body for key in self._keep(frame.body)]
        if changed:
            self._loop.call_soon_threadsafe(self._changed, changed)
        at[partition] = chunk.next
        return len(chunk.frames)

    def _keep(self, line: bytes) -> list[str]:
        account = _profile(line)
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
        """Accounts from memory, everything else from the state."""
        here: dict[str, msgspec.Struct | None] = {
            key: known for key in keys if (known := self._accounts.find(key)) is not None
        }
        rest = [key for key in keys if key not in here]
        here |= zip(rest, await super().get(token, rest), strict=True)
        return [here[key] for key in keys]
