"""The engine and time: however the log is cut into turns and whenever the engine is started again, everybody is moved,
and written to, at the same instants; what a rebuild or a restore brings back starts nothing."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Action, AudienceChange, Touchpoint
from schemas.identifiers import profile_id
from services.configuration import Config, load_config
from services.identifiers import DEFAULT_RULES
from services.pipeline import STAGES, processors
from services.runtime import frames, in_force, rebuild
from services.runtime.engine import QUIET, Engine
from services.runtime.profiles import ProfileReader
from services.runtime.sqlite_records import SqliteRecords
from services.runtime.sqlite_state import StateFile

NOON, MINUTE, HOUR, DAY = 1_700_000_000_000, 60_000, 3_600_000, 86_400_000
FILES = {
    "sources.yaml": "sources:\n- {name: web, channel: web, write_key: wk_web_1234567890}\n",
    "traits.yaml": "traits:\n- {name: today, event: Checkout, count: true, within: 1d}\n",
    "audiences.yaml": """
audiences:
- {name: abandoned, who: {did: Checkout, then_not: Order, within: 1h}}
- {name: busy, who: {trait: today, gte: 2}}
- {name: idle, who: {not: {event: Checkout, within: 2h}}}
""",
    "rules/come_back.yaml": """
name: come_back
when: {enters: abandoned}
if: {all: [{trait: today, gte: 1}, {event: Checkout, within: 2h}, {audience: abandoned}]}
then: [{webhook: {url: https://x.example/, secret_env: SECRET}}]
""",
}


class Folder:
    """A log and a state file, and engines that come and go over them."""

    def __init__(self, path: Path):
        path.mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            (path / "config" / name).parent.mkdir(parents=True, exist_ok=True)
            (path / "config" / name).write_text(text)
        self.config: Config = load_config(path / "config")
        self.log, self.file = frames.open_file(path / "log.db"), StateFile(path / "state.db", STAGES)
        self.path, self.offset, self.now, self.live = path, 0, NOON, 0

    def append(self, touchpoints: Sequence[Touchpoint], at: int | None = None) -> "Folder":
        """One frame of the log."""
        lines = [fast.dumps(one) for one in touchpoints]
        frames.append(self.log, "touchpoints", self.offset, at or touchpoints[-1].received_at, lines)
        self.offset += 1
        return self

    def run(self, until: int, turn: int = 1_000, turns: int = 10**6) -> "Folder":
        """An engine that works until there is nothing to do at that time, or for so many turns."""
        self.now = until + QUIET
        asyncio.run(self._work(turn, turns))
        return self

    async def _work(self, turn: int, turns: int) -> None:
        db, live = self.file.db, {("main", "come_back"): self.live}
        since = in_force.since(db, self.config.definitions.fingerprint, self.now)
        stages = processors(self.config, rebuild.generation(db), live, 7, rebuild.dealt_with(db), since)
        before = rebuild.restored_before(db)
        engine = Engine(self.file, stages, self._read, lambda: self.now, turn, 100, restored_before=before)
        await engine.load()
        while turns and await engine.turn():
            turns -= 1

    def _read(self, start: int, limit: int) -> list[frames.StoredFrame]:
        return frames.read(self.log, "touchpoints", start, limit)

    def lines(self, topic: str) -> list[bytes]:
        return [line for frame in frames.read(self.file.db, topic, 0, 10**6) for line in frame.body.split(b"\n")]

    def changes(self) -> dict[str, list[tuple[str, str, str, str, int]]]:
        """What every person was told, in its order."""
        found: dict[str, list[tuple[str, str, str, str, int]]] = {}
        for line in self.lines("audience-changes"):
            one = msgspec.json.decode(line, type=AudienceChange)
            found.setdefault(one.profile_id, []).append((one.audience, one.change, one.reason, one.cause, one.at))
        return found

    def actions(self) -> list[Action]:
        return [msgspec.json.decode(line, type=Action) for line in self.lines("actions")]


def touchpoint(number: int, person: int, event: str = "Checkout", at: int = NOON, **more: bool) -> Touchpoint:
    anchor = f"user_id:u{person}"
    return Touchpoint(
        workspace="main", source="web", channel="web", type="track", event=event, message_id=f"m{number}",
        anchor=anchor, identifiers=(anchor,), timestamp=at, received_at=at, evidence_at=at,
        properties=fast.EMPTY, traits=fast.EMPTY, context=fast.EMPTY, **more,
    )  # fmt: skip


steps = st.tuples(
    st.sampled_from(["Checkout", "Checkout", "Order", "Seen"]), st.integers(1, 2), st.sampled_from([0, 1, 30, 60, 90])
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(steps, min_size=2, max_size=10), st.data())
def test_turns_and_restarts_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, given: list, data: st.DataObject
) -> None:
    at, touchpoints = NOON, []
    for number, (event, person, minutes) in enumerate(given):
        at += minutes * MINUTE
        touchpoints.append(touchpoint(number, person, event, at))
    calm, rough = (Folder(tmp_path_factory.mktemp("engine")) for _ in range(2))
    calm.append(touchpoints).run(at + 3 * DAY)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(touchpoints)))) | {len(touchpoints)})
    for start, end in zip([0, *cuts], cuts, strict=False):
        rough.append(touchpoints[start:end])
        if data.draw(st.booleans()):  # the engine is there at once, goes after a turn, or sleeps until later
            rough.run(
                touchpoints[end - 1].received_at,
                turn=data.draw(st.sampled_from([1, 1_000])),
                turns=data.draw(st.sampled_from([1, 9])),
            )
    rough.run(at + HOUR).run(at + 3 * DAY)
    assert rough.changes() == calm.changes()
    assert sorted(one.key for one in rough.actions()) == sorted(one.key for one in calm.actions())
    assert rough.file.db.execute("SELECT count(*) FROM wakeups").fetchone() == (0,)


def test_who_logs_in_and_buys_in_the_course_of_a_backlog_has_abandoned_nothing(tmp_path: Path) -> None:
    visitor, user = ("anonymous_id:a",), ("user_id:u", "anonymous_id:a")
    done = [
        ("Seen", visitor, 0), ("Checkout", visitor, 1), ("Login", user, 2), ("Order", user[:1], 20),
        ("Checkout", user, 200), ("Seen", visitor, 210), ("Order", user[:1], 215), ("Seen", visitor, 600),
    ]  # fmt: skip
    folder = Folder(tmp_path)
    for number, (event, names, minutes) in enumerate(done):
        one = touchpoint(number, 1, event, NOON + minutes * MINUTE)
        folder.append([msgspec.structs.replace(one, anchor=names[0], identifiers=names)])
    assert not folder.run(NOON + DAY).actions()
    assert "abandoned" not in {audience for changes in folder.changes().values() for audience, *_ in changes}


def test_the_engine_notices_an_abandoned_checkout_while_nothing_happens_and_acts_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path).append([touchpoint(1, 1)]).run(NOON + HOUR - 1)
    assert not folder.actions()
    (action,) = folder.run(NOON + HOUR).actions()
    assert action.key == f"main/come_back/0/abandoned/m1@{NOON + HOUR}"
    assert (action.anchor, action.decided_at, action.touchpoint.source) == ("user_id:u1", NOON + HOUR, "rapport")
    assert folder.run(NOON + 3 * DAY).actions() == [action]
    assert folder.file.db.execute("SELECT count(*) FROM wakeups").fetchone() == (0,)


def test_whoever_reads_sees_the_present_though_nothing_happened(tmp_path: Path) -> None:
    folder = Folder(tmp_path).append([touchpoint(1, 1), touchpoint(2, 1)]).run(NOON)
    people = ProfileReader(
        SqliteRecords(tmp_path / "state.db"), DEFAULT_RULES, folder.config.definitions, lambda: folder.now
    )
    found = []
    for now in (NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + DAY):
        folder.now = now
        profile = people.get("main", profile_id("main", "user_id:u1"))
        assert profile is not None
        found.append((fast.loads(profile.computed)["today"], profile.audiences))
    assert found == [
        (2, ("busy",)),
        (2, ("abandoned", "busy")),
        (2, ("abandoned", "busy", "idle")),
        (0, ("abandoned", "idle")),
    ]


def test_a_rebuild_acts_on_nothing_that_was_due_before_and_on_what_falls_due_later(tmp_path: Path) -> None:
    folder = Folder(tmp_path).append([touchpoint(1, 1), touchpoint(2, 2, at=NOON + 50 * MINUTE)])
    (before,) = folder.run(NOON + 70 * MINUTE).actions()
    shorter = FILES["audiences.yaml"].replace("1h", "30m")  # m1's other instant is past, and so is m1's first
    (tmp_path / "config" / "audiences.yaml").write_text(shorter)
    folder.config = load_config(tmp_path / "config")
    rebuild.begin(folder.file.db, STAGES, folder.offset, folder.now)
    folder.run(NOON + 75 * MINUTE)
    assert [c for c in folder.changes()[profile_id("main", "user_id:u1")] if c[4] == NOON + 30 * MINUTE]
    assert folder.actions() == [before]
    folder.run(NOON + 3 * DAY)
    assert [one.key.rpartition("/")[2] for one in folder.actions()] == [before.cause, f"m2@{NOON + 80 * MINUTE}"]


def test_a_restore_into_a_platform_that_lives_acts_on_nothing_past_and_on_what_falls_due_later(tmp_path: Path) -> None:
    now = NOON + 30 * DAY
    old, young = touchpoint(1, 1, restored=True), touchpoint(2, 2, at=now - 30 * MINUTE, restored=True)
    folder = Folder(tmp_path).append([old, young], at=now).run(now + 3 * DAY)
    assert [one.cause for one in folder.actions()] == [f"m2@{now + 30 * MINUTE}"]
    assert len(folder.changes()) == 2


def test_what_was_due_before_the_rule_was_live_starts_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.live = NOON + HOUR + 1
    assert not folder.append([touchpoint(1, 1)]).run(NOON + 3 * DAY).actions()


def edited(folder: Folder, name: str, text: str) -> Folder:
    """The next engine starts with another file."""
    (folder.path / "config" / name).write_text(text)
    folder.config = load_config(folder.path / "config")
    return folder


def test_an_edit_of_definitions_loses_no_alarm(tmp_path: Path) -> None:
    folder = Folder(tmp_path).append([touchpoint(1, 1)]).run(NOON + 10 * MINUTE)
    edited(folder, "traits.yaml", FILES["traits.yaml"] + "- {name: seen, event: Seen, count: true}\n")
    folder.run(NOON + 20 * MINUTE).append([touchpoint(2, 1, "Seen", NOON + 30 * MINUTE)]).run(NOON + 30 * MINUTE)
    edited(folder, "traits.yaml", FILES["traits.yaml"])
    (action,) = folder.run(NOON + 3 * HOUR).actions()  # it was down at the hour, and starts with an edited file
    assert action.key == f"main/come_back/0/abandoned/m1@{NOON + HOUR}"


def test_an_audience_that_is_edited_is_entered_silently_by_what_time_did_before(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    edited(folder, "audiences.yaml", FILES["audiences.yaml"].replace("within: 1h", "within: 30d"))
    folder.append([touchpoint(1, 1), touchpoint(2, 2, at=NOON + 2 * HOUR)]).run(NOON + 2 * HOUR + MINUTE)
    edited(folder, "audiences.yaml", FILES["audiences.yaml"]).run(NOON + 2 * HOUR + 2 * MINUTE)
    folder.append([touchpoint(3, 1, "Seen", NOON + 150 * MINUTE), touchpoint(4, 2, "Seen", NOON + 150 * MINUTE)])
    assert [action.cause for action in folder.run(NOON + DAY).actions()] == [f"m2@{NOON + 3 * HOUR}"]


def test_what_is_handed_over_between_two_turns_is_not_ahead_of_the_log(tmp_path: Path) -> None:
    folder = Folder(tmp_path).append([touchpoint(1, 1)]).append([touchpoint(2, 1, at=NOON + HOUR)])
    folder.now = NOON + DAY

    async def instants() -> list[int]:
        stages = processors(folder.config, 0, {("main", "come_back"): 0}, 7)
        engine = Engine(folder.file, stages, folder._read, lambda: folder.now, 1, 100)
        await engine.load()
        return [engine.now for _ in range(3) if await engine.turn()]

    assert asyncio.run(instants()) == [NOON, NOON + HOUR, NOON + DAY - QUIET]
