"""The state of one stage and partition in Redis: records, wake-ups and watermarks, written in one atomic step.

Every load and every write sets a new random token, never used again. So whoever has lost the partition to another
worker is fenced; and so is an owner whose writes Redis has lost since, because the older token is back: it loads again
and reads on from the older watermark.
"""

import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any, NamedTuple

import msgspec
from redis import exceptions

from services.errors import Fenced
from services.processor import Wakeup
from services.runtime.ports import Loaded, Write
from services.runtime.redis import layout
from services.runtime.redis.connection import AsyncClient, explained
from services.runtime.redis.layout import AT, NOW, PREFIX, TOKEN

NOBODY = -1  # the token before `load`
_BITS = 53  # of a token: as many as a JSON reader's double keeps


class Script(NamedTuple):
    """Something that Redis does in one atomic step, and the name it knows it by."""

    text: str
    sha: str


def script(text: str) -> Script:
    """A script by its text."""
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


# ARGV: the present token, the new one, how many arguments each of the five calls takes, and those. The new token goes
# first: should memory be full, that is refused, and nothing has been written. Lua's stack takes some 8,000 at once. A
# write that comes a second time, because its answer was lost on the way, finds its own token: it has been done.
_WRITE = script("""
local token = redis.call('HGET', KEYS[1], 'token')
if token == ARGV[2] then return 1 end
if token ~= ARGV[1] then return 0 end
local at = 8
local function call(name, key, count)
  local last = at + count - 1
  while at <= last do
    local till = math.min(at + 3999, last)
    redis.call(name, key, unpack(ARGV, at, till))
    at = till + 1
  end
end
call('HSET', KEYS[1], ARGV[3])
call('HDEL', KEYS[2], ARGV[4])
call('HSET', KEYS[2], ARGV[5])
call('ZREM', KEYS[3], ARGV[6])
call('ZADD', KEYS[3], ARGV[7])
return 1
""")
_TOUCH = script("""
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
""")


class RedisState:
    """The state port (services/runtime/ports.py). What Redis cannot do now raises Retry: then load again."""

    def __init__(self, client: AsyncClient, stage: str, partition: int, record: Any, prefix: str = PREFIX):
        self.stage, self.partition = stage, partition
        self.keys = layout.keys(prefix, stage, partition)
        self.held = self.coming = NOBODY  # our token, and while it is being set the one after it
        self._client = client
        self._decode = msgspec.msgpack.Decoder(record).decode
        self._encode = msgspec.msgpack.Encoder().encode

    async def load(self) -> Loaded:
        """Take the partition over: whoever had it is fenced from now on."""
        self.coming = secrets.randbits(_BITS)
        with explained():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hset(self.keys.meta, TOKEN, str(self.coming))
                pipe.hgetall(self.keys.meta)
                meta: Mapping[bytes, bytes] = (await pipe.execute())[1]
        self.held = self.coming
        at = AT.encode()
        return Loaded(self.held, {k.removeprefix(at).decode(): int(v) for k, v in meta.items() if k.startswith(at)})

    async def get(self, token: int, keys: Sequence[str]) -> list[msgspec.Struct | None]:
        if not keys:
            return []
        with explained():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hget(self.keys.meta, TOKEN)
                pipe.hmget(self.keys.records, keys)
                present, values = await pipe.execute()
        if present is None or int(present) != token:
            raise self._fenced()
        return [None if value is None else self._decode(value) for value in values]

    async def due(self, until: int, limit: int) -> list[Wakeup]:
        """Raises Fenced like `get`: a former owner would tell what fires, by what it remembers, before it writes."""
        with explained():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hget(self.keys.meta, TOKEN)
                pipe.zrangebyscore(self.keys.wakeups, "-inf", until, start=0, num=limit)
                present, found = await pipe.execute()
        if int(present or NOBODY) != self.held:
            raise self._fenced()
        return [layout.wakeup(member) for member in found]

    async def write(self, token: int, write: Write) -> int:
        self.coming = secrets.randbits(_BITS)
        meta: list[Any] = [TOKEN, self.coming]
        for topic, offset in write.watermarks.items():
            meta += (AT + topic, offset)
        gone, kept = [], list[Any]()
        for key, record in write.records.items():
            if record is None:
                gone.append(key)
            else:
                kept += (key, self._encode(record))
        fired, wakeups = [layout.member(one) for one in write.fired], list[Any]()
        for one in write.wakeups:
            wakeups += (one.due, layout.member(one))
        parts = (meta, gone, kept, fired, wakeups)
        if not await self._run(_WRITE, token, self.coming, *map(len, parts), *meta, *gone, *kept, *fired, *wakeups):
            raise self._fenced()
        self.held = self.coming
        return self.held

    async def touch(self, now: int) -> None:
        """Say, with nothing else to write, that this partition has come to `now` (epoch ms). The token stays. Raises
        Fenced like `write`."""
        if not await self._run(_TOUCH, self.held, AT + NOW, now):
            raise self._fenced()

    async def _run(self, script: Script, *arguments: Any) -> Any:
        """Run a script by its name; a server that does not know it (yet, or any more) is told it."""
        with explained():
            try:
                return await self._client.evalsha(script.sha, len(self.keys), *self.keys, *arguments)
            except exceptions.NoScriptError:
                return await self._client.eval(script.text, len(self.keys), *self.keys, *arguments)

    def _fenced(self) -> Fenced:
        return Fenced(
            f"{self.stage}/{self.partition}: another worker has taken it over, or Redis has lost its last writes"
        )
