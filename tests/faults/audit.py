"""The final audit: what the platform has told, against what the embedded engine makes of the very same log.

Which of several people's touchpoints came first, across partitions, is arrival's to decide, so entries into audiences
are compared by who is in what in the end. Everything else must be the same, and nothing is there twice.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, TopicPartition

from schemas.fast import Touchpoint
from schemas.identifiers import profile_id
from services.configuration import load_config
from services.runtime.kafka import topics
from services.runtime.kafka.connection import topic_name
from services.runtime.settings import Settings
from tests.cluster.engines import Embedded
from tests.faults.history import EVERY_TIME

_touchpoint = msgspec.json.Decoder(Touchpoint).decode


class Found(NamedTuple):
    """A message as it lies on a topic, in the order of its partition; `at` is epoch ms."""

    partition: int
    offset: int
    at: int
    key: str
    body: bytes


def on_topic(settings: Settings, topic: str) -> list[Found]:
    """Everything on the topic that readers of what is committed see."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka, "group.id": "audit", "isolation.level": "read_committed",
         "enable.auto.commit": False, "enable.partition.eof": True}
    )  # fmt: skip
    left = set(range(topics.partitions(topic, settings)))
    consumer.assign([TopicPartition(topic_name(settings, topic), number, 0) for number in left])
    found = []
    while left:
        message: Any = consumer.poll(30)
        assert message is not None, f"{topic} cannot be read to its end"
        if message.error():
            left.discard(message.partition())
        else:
            at, key = message.timestamp()[1], (message.key() or b"").decode()
            found.append(Found(message.partition(), message.offset(), at, key, message.value() or b""))
    consumer.close()
    return found


def messages(some: Iterable[Found]) -> list[dict[str, Any]]:
    """The lines of these, read."""
    return [json.loads(line) for one in some for line in one.body.split(b"\n") if line]


def accepted(settings: Settings) -> list[list[Touchpoint]]:
    """The touchpoints that are on the log, frame by frame, in the order in which they came to it. A line that is none
    is left out."""
    frames = sorted(on_topic(settings, "touchpoints"), key=lambda one: (one.at, one.partition, one.offset))
    return [some for one in frames if (some := [read for line in one.body.split(b"\n") if (read := _read(line))])]


def _read(line: bytes) -> Touchpoint | None:
    try:
        return _touchpoint(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Told(NamedTuple):
    """What an engine has told, in a form that may be compared."""

    profiles: Mapping[str, str]
    accounts: Mapping[str, str]
    owners: Mapping[str, str]
    duplicates: set[tuple[str, str]]
    actions: set[tuple[str, str]]


def audit(settings: Settings, folder: Path, live: Mapping[tuple[str, str], int], replayed: bool) -> Told:
    """Compare, and return what was told. `live` is when each rule went live (epoch ms); `replayed` whether a store has
    forgotten something. AssertionError with the first differences."""
    rounds, config = accepted(settings), load_config(settings.config)
    embedded = Embedded(folder, config, dict(live), settings.dedup_days)
    asyncio.run(embedded.run(rounds))
    assert rounds, "nothing has been accepted"
    read = {name: on_topic(settings, name) for name in ("profiles", "accounts", "audience-changes", "actions")}
    grows(read["profiles"], replayed)
    grows(read["accounts"], replayed)
    once(messages(read["actions"]))
    inner = {name: messages(on_topic(settings, name)) for name in ("membership", "duplicates")}
    theirs = _told({name: messages(found) for name, found in read.items()} | inner)
    ours = _told({name: embedded.published(name) for name in (*read, *inner)})
    for name in Told._fields:
        same(name, getattr(ours, name), getattr(theirs, name))
    leads_to_somebody(messages(read["profiles"]))
    nobody_is_inside_in_vain(messages(read["audience-changes"]), theirs.profiles)
    return theirs


def _told(found: Mapping[str, list[dict[str, Any]]]) -> Told:
    actions = {(one["rule"], one["cause"]) for one in found["actions"] if one["rule"] in EVERY_TIME}
    return Told(
        _newest(found["profiles"]), _newest(found["accounts"]), _owners(found["membership"]),
        {(one["message_id"], one["anchor"]) for one in found["duplicates"]}, actions,
    )  # fmt: skip


def _newest(documents: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Of each living profile the last document, without its version: that says how the log was cut. Ids that lived only
    until the next touchpoint was heard are arrival's."""
    last = {one["profile_id"]: one | {"version": 0} for one in documents}
    return {key: json.dumps(one, sort_keys=True, ensure_ascii=False) for key, one in last.items() if not one["deleted"]}


def leads_to_somebody(documents: Iterable[dict[str, Any]]) -> None:
    """An id that is another person's now says whose, in one step."""
    last = {one["profile_id"]: one for one in documents}
    for key, one in last.items():
        assert one["redirect"] is None or not last[one["redirect"]]["deleted"], f"{key} leads to nobody: {one}"


def _owners(told: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Whose each identifier is that is somebody else's than its own."""
    newest: dict[str, tuple[int, str]] = {}
    for one in told:
        here = one["version"], one["owner"]
        newest[one["identifier"]] = max(newest.get(one["identifier"], here), here)
    return {who: owner for who, (_, owner) in newest.items() if owner != profile_id("main", who)}


def nobody_is_inside_in_vain(changes: Iterable[dict[str, Any]], profiles: Mapping[str, str]) -> None:
    """Whoever has entered an audience by the last change that was told is in it by the last document. (Not the other
    way round: an entry that two joined histories have only together is told with the next touchpoint.)"""
    last = {(one["audience"], one["profile_id"]): one for one in changes}
    for (audience, person), one in last.items():
        if one["change"] == "entered":
            assert audience in json.loads(profiles.get(person, '{"audiences": []}'))["audiences"], one


def grows(documents: Iterable[Found], replayed: bool) -> None:
    """One version of a key is one document, and the last one is the newest. Only a store that has forgotten its last
    writes makes a stage tell older ones again, in their order."""
    known: dict[tuple[str, int], dict[str, Any]] = {}
    newest: dict[str, int] = {}
    last: dict[str, int] = {}
    for one in documents:
        read = json.loads(one.body)
        version = read["version"]
        assert one.key == read["profile_id"]
        before = known.setdefault((one.key, version), read)
        assert read == before, f"{one.key} is two things in version {version}: {before} and {read}"
        assert replayed or version >= newest.get(one.key, 0), f"{one.key} goes back from {newest[one.key]} to {read}"
        newest[one.key], last[one.key] = max(version, newest.get(one.key, 0)), version
    assert last == newest, "an older document is the last one"


def once(actions: Iterable[dict[str, Any]]) -> None:
    """An action that is there again is the same action. (The same id under another anchor is another touchpoint, and
    whose entry a moment is, when two become one at that moment, is arrival's: the ledger sends one of each key.)"""
    known: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in actions:
        before = known.setdefault((one["key"], one["anchor"], one["profile_id"] if one["audience"] else ""), one)
        assert before == one, f"{one['key']} is two things: {before} and {one}"


def same(what: str, ours: Any, theirs: Any) -> None:
    """AssertionError with the first differences."""
    if ours == theirs:
        return
    if isinstance(ours, Mapping):
        ours, theirs = set(ours.items()), set(theirs.items())
    lost, more = sorted(ours - theirs), sorted(theirs - ours)
    raise AssertionError(
        f"{what}: {len(lost)} are missing and {len(more)} too many of {len(ours)}\n"
        + "\n".join([*(f"- {one}" for one in lost[:5]), *(f"+ {one}" for one in more[:5])])
    )
