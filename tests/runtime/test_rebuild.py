"""A rebuild reads everything again: the same people, higher versions, and a tombstone for whoever is none any more."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Duplicate, Membership, Profile, Touchpoint
from schemas.identifiers import profile_id
from services.automation.definitions import Rule
from services.configuration import Config
from services.errors import RapportError
from services.identifiers import DEFAULT_RULES, IdentityRules
from services.ingest.sources import Limits
from services.pipeline import STAGES, processors
from services.processor import GENERATION
from services.profile.definitions import Definitions
from services.runtime import archive, dedup_window, frames, rebuild
from services.runtime.engine import Engine
from services.runtime.frames import StoredFrame
from services.runtime.settings import Settings
from services.runtime.sqlite_state import StateFile


class FromArchive(archive.Archive):
    """The archive's answer, held in memory: what the log had before it was trimmed."""

    def __init__(self, stored: Sequence[StoredFrame]):
        super().__init__(Settings(), "")
        self._stored = stored

    def read(self, start: int, end: int, limit: int) -> list[StoredFrame]:
        return [frame for frame in self._stored if start <= frame.offset < end][:2]


def owners(file: StateFile) -> dict[str, str]:
    """Whose every identifier is that was ever spoken of, as the topic tells it: the highest version counts."""
    newest: dict[str, Membership] = {}
    for frame in frames.read(file.db, "membership", 0, 10**6):
        for line in frame.body.split(b"\n"):
            found = msgspec.json.decode(line, type=Membership)
            if found.identifier not in newest or found.version > newest[found.identifier].version:
                newest[found.identifier] = found
    return {identifier: found.owner for identifier, found in newest.items()}


def touchpoint(number: int, *identifiers: str) -> bytes:
    return fast.dumps(
        Touchpoint(
            workspace="main", source="s", channel="web", type="track", event="Seen", message_id=f"m{number}",
            anchor=identifiers[0], identifiers=identifiers, timestamp=number, received_at=1_000 + number,
            evidence_at=number, properties=fast.EMPTY, traits=fast.EMPTY, context=fast.EMPTY,
        )
    )  # fmt: skip


def config(identity: IdentityRules, rules: tuple[Rule, ...] = ()) -> Config:
    return Config((), Limits(), identity, (), (), rules, Definitions())


def carry(
    file: StateFile, log_path: Path, identity: IdentityRules, archived: Sequence[StoredFrame] = (),
    rules: tuple[Rule, ...] = (), now: int = 5_000,
) -> None:  # fmt: skip
    """Everything that is on the log, through the stages of the present generation."""

    async def work() -> None:
        log, db = frames.open_reader(log_path), file.db
        stages = processors(
            config(identity, rules), rebuild.generation(db), {("main", one.name): 0 for one in rules}, 7
        )
        read = archive.read_all(log, FromArchive(archived))
        engine = Engine(file, stages, read, lambda: now, 2, 100, restored_before=rebuild.restored_before(db))
        await engine.load()
        while await engine.turn():
            pass

    asyncio.run(work())


def published(file: StateFile) -> dict[str, Profile]:
    """The newest profile of every id, as the topic tells it."""
    newest: dict[str, Profile] = {}
    for frame in frames.read(file.db, "profiles", 0, 10**6):
        for line in frame.body.split(b"\n"):
            found = msgspec.json.decode(line, type=Profile)
            if found.profile_id not in newest or found.version > newest[found.profile_id].version:
                newest[found.profile_id] = found
    return newest


def test_a_rebuild_under_other_rules_ends_with_tombstones_and_reads_what_was_trimmed_from_the_archive(
    tmp_path: Path,
) -> None:
    log = frames.open_file(tmp_path / "log.db")
    lines = [touchpoint(n, f"user_id:u{n % 3}", f"anonymous_id:a{n % 3}") for n in range(12)]
    lines += [touchpoint(20, "anonymous_id:a0"), touchpoint(21, "email:x@x.io", "anonymous_id:a1")]
    for offset, line in enumerate(lines):
        frames.append(log, "touchpoints", offset, 0, [line])
    file = StateFile(tmp_path / "state.db", STAGES)
    carry(file, tmp_path / "log.db", DEFAULT_RULES)
    before = published(file)
    assert sum(profile.touchpoints for profile in before.values() if not profile.deleted) == len(lines)

    archived = frames.read(log, "touchpoints", 0, 10**6)
    frames.trim(log, "touchpoints", 9, 10**15)
    alone = {name: rule.model_copy(update={"limit": 1}) for name, rule in DEFAULT_RULES.types.items()}
    alone["anonymous_id"] = alone["anonymous_id"].model_copy(update={"on_conflict": "nobody"})
    strict = IdentityRules(types=alone)
    rebuild.begin(file.db, STAGES, frames.end(log, "touchpoints"), now=5_000)
    carry(file, tmp_path / "log.db", strict, archived)
    rebuild.end(file.db, 6_000)
    after = published(file)
    living = {key: profile for key, profile in after.items() if not profile.deleted}
    owned = {identifier: key for key, profile in living.items() for identifier in profile.identifiers}
    told = owners(file)
    assert {identifier: told.get(identifier, profile_id("main", identifier)) for identifier in owned} == owned
    assert sum(profile.touchpoints for profile in living.values()) == len(lines)
    assert all(profile.version >= GENERATION for profile in after.values())
    assert set(before) <= set(after)

    fresh = StateFile(tmp_path / "fresh.db", STAGES)
    everything = frames.open_file(tmp_path / "everything.db")
    for frame in archived:
        frames.append(everything, "touchpoints", frame.offset, 0, frame.body.split(b"\n"))
    carry(fresh, tmp_path / "everything.db", strict)
    expected = {key: profile for key, profile in published(fresh).items() if not profile.deleted}
    assert {key: _but_version(p) for key, p in living.items()} == {k: _but_version(p) for k, p in expected.items()}
    assert rebuild.end(file.db, 7_000) == 0


def _but_version(profile: Profile) -> bytes:
    return fast.dumps(msgspec.structs.replace(profile, version=0))  # type: ignore[type-var]


def test_an_id_that_is_nobody_after_the_rebuild_gets_a_tombstone(tmp_path: Path) -> None:
    log = frames.open_file(tmp_path / "log.db")
    frames.append(log, "touchpoints", 0, 0, [touchpoint(1, "user_id:u1"), touchpoint(2, "user_id:u2")])
    file = StateFile(tmp_path / "state.db", STAGES)
    carry(file, tmp_path / "log.db", DEFAULT_RULES)
    gone, stays = profile_id("main", "user_id:u1"), profile_id("main", "user_id:u2")
    log.execute("UPDATE frames SET body = ?, count = 1", (touchpoint(2, "user_id:u2"),))
    rebuild.begin(file.db, STAGES, 1, now=5_000)
    carry(file, tmp_path / "log.db", DEFAULT_RULES)
    assert rebuild.end(file.db, 6_000) == 1
    newest = published(file)
    assert newest[gone].deleted and not newest[stays].deleted


def test_a_follow_up_that_waits_is_still_made_after_a_rebuild(tmp_path: Path) -> None:
    """A restored cause starts nothing, so the wait must outlast the records that it came from."""
    welcome = Rule.model_validate(
        {"name": "welcome", "when": {"event": "Seen"}, "wait": "1h", "then": [{"message": {"data": {"say": "hello"}}}]}
    )
    log = frames.open_file(tmp_path / "log.db")
    frames.append(log, "touchpoints", 0, 0, [touchpoint(1, "user_id:u1")])
    file = StateFile(tmp_path / "state.db", STAGES)
    carry(file, tmp_path / "log.db", DEFAULT_RULES, rules=(welcome,))
    assert not frames.end(file.db, "actions")
    rebuild.begin(file.db, STAGES, frames.end(log, "touchpoints"), now=5_000)
    carry(file, tmp_path / "log.db", DEFAULT_RULES, rules=(welcome,), now=5_000 + 3_600_000)
    made = [line for frame in frames.read(file.db, "actions", 0, 10) for line in frame.body.split(b"\n")]
    assert [json.loads(line)["key"] for line in made] == ["main/welcome/0//m1"]


DAY = 24 * 3_600_000
receipts = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 5 * DAY), st.booleans()), min_size=8, max_size=30
)  # message id, anchor, time since the one before, imported


def judged(file: StateFile) -> list[tuple[int, int]]:
    """The places that verdicts on duplicates name, in the order of the topic."""
    stored = frames.read(file.db, "duplicates", 0, 10**6)
    told = [msgspec.json.decode(line, type=Duplicate) for frame in stored for line in frame.body.split(b"\n")]
    return [(one.offset, one.index) for one in told]


@settings(max_examples=25, deadline=None)
@given(receipts)
def test_a_rebuild_comes_to_the_verdicts_of_the_first_time(
    tmp_path_factory: pytest.TempPathFactory, receipts: list[tuple[int, int, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("verdicts")
    log, at = frames.open_file(folder / "log.db"), 0
    for offset, (number, who, later, imported) in enumerate(receipts):
        at += later
        one = msgspec.json.decode(touchpoint(number, f"user_id:u{who}"), type=Touchpoint)
        again = msgspec.structs.replace(one, received_at=at, imported=imported)  # type: ignore[type-var]
        frames.append(log, "touchpoints", offset, 0, [fast.dumps(again), touchpoint(100 + offset, "user_id:u9")])
    file = StateFile(folder / "state.db", STAGES)
    carry(file, folder / "log.db", DEFAULT_RULES)
    first = judged(file)
    archived = frames.read(log, "touchpoints", 0, 10**6)
    frames.trim(log, "touchpoints", len(receipts) // 2, 10**15)
    rebuild.begin(file.db, STAGES, frames.end(log, "touchpoints"), now=5_000)
    carry(file, folder / "log.db", DEFAULT_RULES, archived)
    assert judged(file) == first + first


def test_the_window_is_settled_when_a_folder_is_first_used(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.db", STAGES)
    dedup_window.settle(file.db, 7)
    dedup_window.settle(file.db, 7)
    with pytest.raises(RapportError, match="RAPPORT_DEDUP_DAYS=7"):
        dedup_window.settle(file.db, 3)
