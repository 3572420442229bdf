"""The lines of frames as messages, and the instant that each is about: time is an input, so it comes from them.

A line that cannot be read was not written by us, or was damaged. It is kept as a rejected item with its place, and the
rest of its frame goes on.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from schemas import fast
from schemas.topics import TOPICS
from services.processor import Emit
from services.runtime.ports import Publisher

KEPT = 4_096  # characters of an unreadable line that are kept
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last: lists in lists in lists

_INSTANT: dict[str, Callable[[Any], int]] = {
    "touchpoints": lambda message: int(message.received_at),
    "evidence": lambda message: int(message.received_at),
    "membership": lambda message: int(message.at),
    "cells": lambda message: int(message.at),
    "contributions": lambda message: int(message.touchpoint.received_at),
    "causes": lambda message: int(message.touchpoint.received_at),
}


class Message(Protocol):
    """One message of a topic: newline-delimited JSON, its place, and its time in the log (epoch ms)."""

    @property
    def offset(self) -> int: ...
    @property
    def at(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class Lines:
    """Reads frames of the topics of a stage. What cannot be read goes to `rejected` through the publisher."""

    def __init__(self, topics: Iterable[str], publisher: Publisher, workspace: str = "main"):
        self._publisher, self._workspace = publisher, workspace
        self._decoders = {topic: msgspec.json.Decoder(_model(topic)) for topic in topics}

    async def read(
        self, topic: str, partition: int, some: Sequence[Message], now: int
    ) -> tuple[list[Any], list[tuple[int, int]], int]:
        """The messages of these frames with their places (offset, index), and how late it is by them (epoch ms): `now`
        or later. What was restored keeps the stamps of long ago, and comes when the log got it."""
        messages: list[Any] = []
        positions: list[tuple[int, int]] = []
        instant = _INSTANT[topic]
        for one in some:
            try:
                found = self._decoders[topic].decode_lines(one.body)
            except UNREADABLE:
                found = []
            places = [(one.offset, index) for index in range(len(found))]
            if len(found) <= one.body.count(b"\n"):  # blank lines, which decode_lines leaves out, have places, too
                found, places = await self._one_by_one(topic, partition, one)
            messages += found
            positions += places
            now = max([now, *map(instant, found)])
            if topic == "touchpoints" and any(message.restored for message in found):
                now = max(now, one.at)
        return messages, positions, now

    async def _one_by_one(self, topic: str, partition: int, one: Message) -> tuple[list[Any], list[tuple[int, int]]]:
        found, places, refused = [], [], []
        for index, line in enumerate(one.body.split(b"\n")):
            try:
                found.append(self._decoders[topic].decode(line))
                places.append((one.offset, index))
            except UNREADABLE as error:
                where = f"{topic}/{partition} at offset {one.offset}, line {index + 1}"
                refused.append(self._refused(where, line, one.at, str(error)))
        await self._publisher.publish(refused)
        return found, places

    def _refused(self, where: str, line: bytes, at: int, why: str) -> Emit:
        item = fast.RejectedItem(
            workspace=self._workspace,
            source="log",
            received_at=at,
            code="unreadable",
            reason=f"a line of the log cannot be read ({where}): {why}",
            hint="only Rapport's own processes write this topic: look who else does",
            raw=line.decode(errors="replace")[:KEPT],
        )
        return Emit("rejected", "log", item)


def _model(topic: str) -> Any:
    return getattr(fast, TOPICS[topic].model.__name__)
