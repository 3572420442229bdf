"""Purposes, caps, quiet hours, holdouts and bounced addresses hold a follow-up back or delay it, and say why."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import fast
from services.automation.holdout import HELD
from services.automation.sending import Sending
from services.runtime.followups.desk import export, may_be_sent_again, restore, send_again
from services.runtime.followups.ledger import Ledger, Send
from tests.automation.causes import ANN, HOUR, NOON, calling, cause, person, rule, touchpoint
from tests.runtime.delivering import DAY, World, every, settled

NIGHT = {"quiet": {"from": "21:00", "to": "08:00", "time_zone": "UTC"}}  # NOON is 22:13:20 UTC
THREE = {"caps": {"email": {"most": 3, "per": "7d"}}}
BOB = "email:bob@example.com"


@pytest.fixture
def life(shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path) -> Any:
    """Run one life of the platform over this test's ledger; gives its rows by key."""

    def run(**more: Any) -> dict[str, Send]:
        return {send.key: send for send in shared[1].run(world.run(tmp_path / "ledger.db", **more))}

    return run


def email(**more: Any) -> dict[str, Any]:
    return {"email": {"from": "a@b.example", "subject": "s", "text": "t", **more}}


def orders(*numbers: int, **more: Any) -> list[Any]:
    return [cause(touchpoint(f"m{number}", **more)) for number in numbers]


def statuses(rows: dict[str, Send]) -> list[str]:
    return [send.status for send in rows.values()]


def test_a_message_is_held_when_its_own_purpose_was_denied_since(world: World, life: Any) -> None:
    world.rules = [rule(then=[email(purpose="newsletter")])]
    world.decide(cause())
    consent = {"email": "granted", "email/newsletter": "denied"}
    world.person = msgspec.structs.replace(person(), consent=fast.raw(consent))
    (row,) = life().values()
    assert (row.status, row.reason) == ("held", "the person does not consent to e-mail for newsletter")


def test_an_address_that_bounced_for_good_is_not_written_to_and_another_is(world: World, life: Any) -> None:
    world.rules, world.bounced = [rule()], {("main", "ann@example.com")}
    world.decide(cause())
    (row,) = life().values()
    assert row.status == "held" and "refused e-mail for good" in row.reason
    world.person = person(email="ann@work.example")
    world.decide(*orders(2))
    assert life()["main/thanks/0//m2"].status == "sent"
    assert [message["To"] for message in world.mail.messages] == ["ann@work.example"]


def test_over_the_cap_of_the_channel_it_is_held_until_a_time_that_it_names(world: World, life: Any) -> None:
    world.rules = [rule(), rule(name="other"), rule(name="told", then=[calling(world.url())])]
    world.sending = Sending.model_validate(THREE)
    for number in range(3):
        world.decide(*orders(number))
        rows = life()
        world.now += HOUR
    emails = [row for row in rows.values() if row.kind == "email"]
    assert [row.status for row in emails] == ["sent", "sent", "sent", "held", "held", "held"]
    free = datetime.fromtimestamp(NOON // 1000, UTC).replace(day=21)
    assert emails[-1].reason == f"the cap of 3 email messages in 7d is reached; free again {free:%Y-%m-%d %H:%M:%SZ}"
    assert len(world.web.calls) == 3, "a webhook is no message to the person"
    world.now = NOON + 7 * DAY
    world.decide(*orders(7))
    assert [life()[f"main/{name}/0//m7"].status for name in ("thanks", "other")] == ["sent", "sent"], (
        "two of the three have left the seven days"
    )


def test_a_rules_cap_counts_how_often_it_acts_and_not_its_steps(world: World, life: Any) -> None:
    both = [email(), calling(world.url())]
    world.rules = [rule(cap={"most": 1, "per": "1d"}, then=both), rule(name="free", then=both)]
    world.decide(*orders(1, 2))
    found = {key.split("/", 1)[1]: send.status for key, send in life().items()}
    acted = [[found[f"thanks/{step}//m{n}"] for step in (0, 1)] for n in (1, 2)]
    assert acted == [["sent", "sent"], ["held", "held"]] and {found[f"free/{s}//m2"] for s in (0, 1)} == {"sent"}
    assert len(world.web.calls) == 3


def test_what_may_have_arrived_counts_and_what_failed_does_not(world: World, life: Any) -> None:
    world.rules, world.sending = [rule()], Sending.model_validate({"caps": {"email": {"most": 1, "per": "1d"}}})
    world.mail.answer = "550 no such user"
    world.decide(*orders(1))
    assert statuses(life()) == ["failed"]
    world.mail.answer, world.mail.breaks_off = "", True
    world.decide(*orders(2))
    assert statuses(life()) == ["failed", "uncertain"]
    world.mail.breaks_off = False
    world.decide(*orders(3))
    assert statuses(life()) == ["failed", "uncertain", "held"]


def test_a_merge_brings_together_what_both_were_sent(world: World, life: Any) -> None:
    world.rules, world.sending = [rule()], Sending.model_validate(THREE)
    world.decide(*orders(1, 2))
    life()
    bob = orders(3, 4, anchor=BOB, identifiers=(BOB,))
    world.person = msgspec.structs.replace(person(), identifiers=(BOB,))
    world.decide(*bob[:1])
    assert statuses(life()) == ["sent"] * 3
    world.person = msgspec.structs.replace(person(), identifiers=(ANN, BOB))
    world.decide(*bob[1:])
    assert statuses(life()) == ["sent", "sent", "sent", "held"]


def test_another_person_and_another_workspace_do_not_count(world: World, life: Any) -> None:
    world.rules = [rule(), rule(workspace="other")]
    world.sending = Sending.model_validate({"caps": {"email": {"most": 1, "per": "1d"}}})
    world.decide(cause(touchpoint("m1")), cause(touchpoint("m1", workspace="other")))
    life()
    world.person = msgspec.structs.replace(person(), identifiers=(BOB,))
    world.decide(cause(touchpoint("m2", anchor=BOB)))
    assert statuses(life()) == ["sent"] * 3


def test_a_restored_ledger_counts(shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path) -> None:
    world.rules, world.sending = [rule()], Sending.model_validate(THREE)
    world.decide(*orders(1, 2, 3))
    shared[1].run(world.run(tmp_path / "old.db"))
    ledger = Ledger(tmp_path / "new.db")
    restore(ledger, export(tmp_path / "old.db"), world.now)
    ledger.close()
    world.decide(*orders(4))
    found = {send.key: send.status for send in shared[1].run(world.run(tmp_path / "new.db"))}
    assert found["main/thanks/0//m4"] == "held"


steps = st.lists(st.sampled_from([0, HOUR, 12 * HOUR, DAY]), min_size=1, max_size=6)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 3), steps, st.integers(1, 4))
def test_however_many_are_sent_at_once_no_time_of_the_caps_length_has_more(
    shared: tuple[World, asyncio.Runner], most: int, pauses: list[int], each: int
) -> None:
    world, runner = shared
    world.reset()
    world.rules = [rule(), rule(name="second")]
    world.sending = Sending.model_validate({"caps": {"email": {"most": most, "per": "1d"}}})
    sent, number = [], 0
    with TemporaryDirectory() as folder:
        for after in pauses:
            world.now += after
            world.decide(*orders(*range(number, number := number + each)))
            rows = runner.run(world.run(Path(folder) / "ledger.db"))
            sent = [row.at for row in rows if row.status == "sent"]
    assert {row.status for row in rows} <= {"sent", "held"}, "nobody waits for ever"
    assert len(world.mail.messages) == len(sent) >= min(most, 2 * each)
    for at in sent:
        assert sum(at - DAY < one <= at for one in sent) <= most


def test_quiet_hours_delay_until_the_morning_where_the_person_is(world: World, life: Any) -> None:
    world.rules = [rule(), rule(name="now", quiet_hours="ignore"), rule(name="told", then=[calling(world.url())])]
    world.sending = Sending.model_validate(NIGHT)
    world.decide(cause())
    rows = life()
    assert [rows[f"main/{name}/0//m1"].status for name in ("thanks", "now", "told")] == ["waiting", "sent", "sent"]
    assert rows["main/thanks/0//m1"].reason == "quiet hours until 2023-11-15 08:00 (UTC)"
    world.now = rows["main/thanks/0//m1"].next_at - 1
    assert statuses(life())[0] == "waiting"
    world.now += 1
    row = life()["main/thanks/0//m1"]
    assert (row.status, row.attempt) == ("sent", 1)


def test_in_the_morning_everything_is_asked_again(world: World, life: Any) -> None:
    world.rules, world.sending = [rule()], Sending.model_validate(NIGHT)
    world.decide(cause())
    life()
    world.person, world.now = person("denied"), NOON + DAY // 2
    (row,) = life().values()
    assert row.status == "held" and "consent" in row.reason and not world.mail.messages


@pytest.mark.parametrize(
    ("traits", "context", "status"),
    [
        ({"timezone": "America/New_York"}, {}, "sent"),
        ({"time_zone": "America/New_York"}, {"timezone": "UTC"}, "sent"),
        ({}, {"timezone": "America/New_York"}, "sent"),
        ({"timezone": "Europe/Berlin"}, {"timezone": "America/New_York"}, "waiting"),
        ({"timezone": "Nowhere/Else"}, {"timezone": "../../etc/passwd"}, "waiting"),
        ({"timezone": 7}, {"timezone": ["x"]}, "waiting"),
        ({"timezone": "Europe"}, {"timezone": "\x00"}, "waiting"),
        ({"timezone": "x" * 10_000}, {"timezone": {"a": 1}}, "waiting"),
    ],
)
def test_the_clock_is_the_persons_and_a_bad_name_is_passed_over(
    world: World, life: Any, traits: dict[str, Any], context: dict[str, Any], status: str
) -> None:
    world.rules, world.sending, world.person = [rule()], Sending.model_validate(NIGHT), person(**traits)
    world.decide(cause(touchpoint(context=fast.raw(context))))
    assert statuses(life()) == [status]


def test_while_the_people_are_computed_anew_nothing_is_judged_by_what_is_half_known(
    shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path
) -> None:
    world.rules = [rule()]
    world.decide(cause())
    world.person, world.paused = None, True

    async def turns() -> list[Send]:
        ledger = Ledger(tmp_path / "ledger.db")
        delivery = world.delivery(ledger)
        for _ in range(20):
            delivery.turn()
            await asyncio.sleep(0.001)
        found = every(ledger)
        world.person, world.paused = person(), False
        await settled(delivery, ledger, world)
        ledger.close()
        return found

    assert [row.status for row in shared[1].run(turns())] == ["waiting"]
    assert len(world.mail.messages) == 1


def test_a_holdout_is_in_the_ledger_as_held_and_nothing_is_ever_sent(world: World, life: Any, tmp_path: Path) -> None:
    world.rules = [rule(holdout="99.99%", then=[email(), calling(world.url()), {"message": {"data": {"a": 1}}}])]
    world.decide(cause())
    rows = life()
    assert [(row.status, row.reason) for row in rows.values()] == [("held", HELD)] * 3
    assert not any(map(may_be_sent_again, rows.values()))
    ledger = Ledger(tmp_path / "ledger.db")
    assert send_again(ledger, list(rows), world.now) == []
    ledger.close()
    life()
    assert not world.mail.messages and not world.web.calls
