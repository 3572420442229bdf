"""People list what ended badly, send it again, and take the ledger along to another installation."""

import asyncio
from pathlib import Path

import pytest

from services.errors import Rejected
from services.runtime import frames
from services.runtime.followups.desk import AGAIN, export, restore, send_again
from services.runtime.followups.ledger import Ledger, rows
from tests.automation.causes import cause, person, rule, touchpoint
from tests.runtime.delivering import World, every


@pytest.fixture
def world(world: World) -> World:
    world.rules = [rule()]
    return world


def test_dead_letters_are_listed_by_any_process_and_sent_again_on_command(
    shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    world.decide(cause(), cause(touchpoint("m2")))
    world.mail.answer = "550 no such user"
    shared[1].run(world.run(path))
    reader = frames.open_reader(path)
    assert [(s.key, s.status) for s in rows(reader, AGAIN, 10)] == [
        ("main/thanks/0//m1", "failed"), ("main/thanks/0//m2", "failed"),
    ]  # fmt: skip
    world.mail.answer = ""
    ledger = Ledger(path)
    assert send_again(ledger, ["main/thanks/0//m1", "unknown"], world.now) == ["main/thanks/0//m1"]
    ledger.close()
    assert [s.status for s in shared[1].run(world.run(path))] == ["sent", "failed"]
    assert len(world.mail.messages) == 1
    ledger = Ledger(path)
    assert send_again(ledger, ["main/thanks/0//m1"], world.now) == [], "what was sent is not sent again"
    ledger.close()


def test_sending_again_asks_conditions_and_consent_once_more(
    shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    world.decide(cause())
    world.mail.answer = "550 no such user"
    shared[1].run(world.run(path))
    world.mail.answer, world.person = "", person("denied")
    ledger = Ledger(path)
    send_again(ledger, ["main/thanks/0//m1"], world.now)
    ledger.close()
    assert [s.status for s in shared[1].run(world.run(path))] == ["held"]
    assert not world.mail.messages


def test_a_restored_ledger_absorbs_everything_that_the_old_one_knew(
    shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path
) -> None:
    world.decide(cause(), cause(touchpoint("m2")))
    shared[1].run(world.run(tmp_path / "old.db"))
    old = Ledger(tmp_path / "old.db")
    waiting = world.topic.lines[0]
    world.decide(cause(touchpoint("m3")))
    old.take({"first": 3}, world.topic.lines[2:], world.now)
    lines = list(export(tmp_path / "old.db"))
    assert len(lines) == 3 and waiting.key.encode() in lines[0]

    new = Ledger(tmp_path / "new.db")
    assert restore(new, lines, world.now) == 3 and restore(new, lines, world.now) == 0
    assert [s.status for s in every(new)] == ["sent", "sent", "uncertain"], "what waited may have been sent since"
    assert [s.action for s in every(new)] == [s.action for s in every(old)]
    old.close()
    new.close()
    world.topic.incarnation = "new"
    shared[1].run(world.run(tmp_path / "new.db"))
    assert len(world.mail.messages) == 2, "the sinks receive nothing more"


@pytest.mark.parametrize("line", [b"{}", b"nonsense", b'{"v": 2}', b'{"v": 1, "key": 1}'])
def test_a_line_that_is_none_is_told_and_nothing_is_restored(
    shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path, line: bytes
) -> None:
    world.decide(cause())
    shared[1].run(world.run(tmp_path / "old.db"))
    new = Ledger(tmp_path / "new.db")
    with pytest.raises(Rejected, match="line 2 is not a row"):
        restore(new, [*export(tmp_path / "old.db"), line], world.now)
    assert every(new) == []
    new.close()
