"""What a worker asks of many partitions at once, in one round trip: which of them it has lost, and how far they are."""

from collections.abc import Sequence

from services.runtime.redis import layout
from services.runtime.redis.connection import AsyncClient, explained
from services.runtime.redis.layout import AT, NOW, PREFIX, TOKEN
from services.runtime.redis.state import NOBODY, RedisState


async def lost(client: AsyncClient, states: Sequence[RedisState]) -> list[RedisState]:
    """Those of these that are no longer the ones that were loaded: another worker has taken them over, or Redis has
    lost its last writes. Each must be loaded again. For partitions on which nothing happens: others notice it by
    themselves, and one that is writing just now is not among those returned."""
    before = [state.held for state in states]
    with explained():
        async with client.pipeline(transaction=False) as pipe:
            for state in states:
                pipe.hget(state.keys.meta, TOKEN)
            found = await pipe.execute()
    return [
        state
        for state, had, present in zip(states, before, found, strict=True)
        if NOBODY != had == state.held and int(present or NOBODY) not in (state.held, state.coming)
    ]


async def slowest(client: AsyncClient, stage: str, partitions: int, prefix: str = PREFIX) -> int | None:
    """The instant (epoch ms) that all partitions of a stage have come to, by what they wrote as their watermark NOW;
    None when one of them has never said."""
    with explained():
        async with client.pipeline(transaction=False) as pipe:
            for partition in range(partitions):
                pipe.hget(layout.keys(prefix, stage, partition).meta, AT + NOW)
            found = await pipe.execute()
    return min(map(int, found)) if None not in found else None
