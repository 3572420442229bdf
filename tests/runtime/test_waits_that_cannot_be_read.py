"""What an earlier version kept of a wait, and nobody can read, is given up by name; every other wait stays."""

import asyncio
from pathlib import Path

import msgspec

from schemas import fast
from schemas.fast import Action, Touchpoint
from services.automation.rules import Rules, Waiting
from services.pipeline import STAGES
from services.processor import Wakeup
from services.runtime.ports import Write
from services.runtime.sqlite_state import SqliteState, StateFile
from services.runtime.waits import give_up_unreadable


class _Former(msgspec.Struct, tag="waiting"):
    """A wait as it was once kept: JSON, byte for byte, in the middle of MessagePack."""

    actions: tuple[Action, ...]


def _action() -> Action:
    touchpoint = Touchpoint(
        workspace="main", source="s", channel="web", type="track", event="Seen", message_id="m", anchor="user_id:1",
        identifiers=("user_id:1",), timestamp=1, received_at=1, evidence_at=1,
        properties=fast.raw({"total": 5}), traits=fast.EMPTY, context=fast.EMPTY,
    )  # fmt: skip
    return Action(
        workspace="main", key="main/r/0//m", rule="r", step=0, kind="webhook", anchor="user_id:1", profile_id="p",
        cause="m", decided_at=9, touchpoint=touchpoint,
    )  # fmt: skip


def test_only_what_cannot_be_read_is_given_up(tmp_path: Path) -> None:
    async def keep() -> None:
        state = SqliteState(file, "rules", Rules.record)
        token = (await state.load()).token
        kept = {"main/r//old": _Former((_action(),)), "main/r//new": Waiting((fast.dumps(_action()),))}
        await state.write(token, Write(kept, {}, [Wakeup(9, "main/r//old"), Wakeup(9, "main/r//new")], ()))
        state.flush()

    async def read() -> Waiting:
        state = SqliteState(file, "rules", Rules.record)
        token, due = (await state.load()).token, await state.due(9, 10)
        (found,) = await state.get(token, [wakeup.key for wakeup in due])
        assert isinstance(found, Waiting)
        return found

    file = StateFile(tmp_path / "state.db", STAGES)
    asyncio.run(keep())
    assert give_up_unreadable(file.db) == ["main/r//old"]
    assert give_up_unreadable(file.db) == []
    assert asyncio.run(read()).actions == (fast.dumps(_action()),)
