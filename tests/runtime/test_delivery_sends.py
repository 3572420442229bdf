"""Follow-ups leave through a real mail server and a real HTTP endpoint, once, and are held when they should not."""

import asyncio
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from services.automation.actions.webhook import webhook_id
from services.errors import Rejected, Retry
from services.runtime import frames
from services.runtime.followups.addresses import is_public, resolve
from services.runtime.followups.desk import send_again
from services.runtime.followups.ledger import Ledger
from services.runtime.followups.mail import MailServer
from services.runtime.followups.sending import LONGEST, pause
from tests.automation.causes import NOON, calling, cause, person, rule, touchpoint
from tests.runtime.delivering import DAY, SECRET, World


@pytest.fixture
def life(shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path) -> Any:
    """Run one life of the platform over this test's ledger; gives its rows as {key: (status, reason)}."""

    def run(**more: Any) -> dict[str, tuple[str, str]]:
        found = shared[1].run(world.run(tmp_path / "ledger.db", **more))
        return {send.key: (send.status, send.reason) for send in found}

    return run


def test_an_email_and_a_signed_webhook_arrive_once_however_often_they_are_decided(world: World, life: Any) -> None:
    world.rules = [rule(), rule(name="told", then=[calling(world.url())])]
    for _ in range(3):
        world.decide(cause(), cause())
        assert {status for status, _ in life().values()} == {"sent"}
    assert [m.get_content() for m in world.mail.messages] == ["Dear Ann\r\n"]
    (call,) = world.web.calls
    assert call.path == "/hook" and call.headers["webhook-id"] == webhook_id("main/told/0//m1")
    assert json.loads(call.body)["data"]["touchpoint"]["message_id"] == "m1"


def test_every_change_is_told_on_the_topic_deliveries(world: World, life: Any, tmp_path: Path) -> None:
    world.rules = [rule()]
    world.decide(cause())
    life()
    reader = frames.open_reader(tmp_path / "ledger.db")
    lines = [line for frame in frames.read(reader, "deliveries", 0, 100) for line in frame.body.split(b"\n")]
    told = [json.loads(line) for line in lines]
    assert [(d["status"], d["attempt"]) for d in told] == [("waiting", 0), ("sent", 1)]
    assert told[-1]["to"] == "ann@example.com" and told[-1]["key"] == "main/thanks/0//m1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: setattr(w, "rules", []), "the rule is not there any more"),
        (lambda w: setattr(w, "rules", [rule(enabled=False)]), "the rule is switched off"),
        (lambda w: setattr(w, "rules", [rule(then=[calling()])]), "the rule has no such step any more"),
        (lambda w: setattr(w, "rules", [rule(**{"if": {"trait": "plan", "is": "pro"}})]), "conditions do not hold"),
        (lambda w: setattr(w, "person", None), "the person is not there any more"),
        (lambda w: setattr(w, "person", person("denied")), "does not consent"),
        (lambda w: setattr(w, "person", person("")), "does not consent"),
    ],
)
def test_what_changed_since_the_trigger_holds_it(world: World, life: Any, change: Any, reason: str) -> None:
    world.rules = [rule()]
    world.decide(cause())
    change(world)
    ((status, told),) = life().values()
    assert status == "held" and reason in told
    world.rules, world.person = [rule()], person()
    assert life()["main/thanks/0//m1"][0] == "held", "held is for good"
    assert not world.mail.messages


def test_an_edited_rule_sends_nothing_more_for_the_same_cause(world: World, life: Any) -> None:
    world.rules = [rule()]
    world.decide(cause())
    life()
    world.rules = [rule(then=[{"email": {"from": "a@b.example", "subject": "New", "text": "New"}}])]
    world.decide(cause())
    life()
    assert [m["Subject"] for m in world.mail.messages] == ["Thank you"]


def test_a_template_that_fails_or_hangs_or_eats_memory_fails_with_a_clear_reason(world: World, life: Any) -> None:
    bombs = {
        "slow": "{% for i in (1..10000) limit: 1 offset: 9999999999 %}{% endfor %}"
        "{% for i in (1..9999999999) limit: 1 offset: 9999999998 %}{% endfor %}",
        "large": "{% for i in (1..9999999999) reversed %}{% endfor %}",
        "grown": "{{ 'aaaaaaaaaa' " + "| replace: 'a', 'aaaaaaaaaa' " * 12 + "}}",
        "wrong": "{{ 1 | divided_by: 0 }}",
    }  # fmt: skip
    steps = {name: [{"email": {"from": "a@b.example", "subject": "s", "text": t}}] for name, t in bombs.items()}
    world.rules = [rule(name=name, then=then) for name, then in steps.items()] + [rule()]
    world.decide(cause())
    found = life()
    told = {key.split("/")[1]: told for key, told in found.items()}
    assert told["slow"] == ("failed", "the templates took more than 1.0 seconds of computing")
    for name in ("large", "grown"):
        assert told[name][0] == "failed" and ("memory" in told[name][1].lower() or "seconds" in told[name][1])
    assert told["wrong"][0] == "failed" and "line 1: divided_by: can't divide by 0" in told["wrong"][1]
    assert told["thanks"][0] == "sent", "the others go on"


def test_a_webhook_is_tried_again_with_the_same_id_and_a_new_signature(world: World, life: Any) -> None:
    world.rules = [rule(then=[calling(world.url())])]
    world.decide(cause())
    world.web.answer = lambda call: (503, {})
    for _ in range(2):
        ((status, told),) = life().values()
        assert (status, told) == ("waiting", "answered 503")
        assert life() and len(world.web.calls) in (1, 2), "not before it is due"
        world.now += DAY
    world.web.answer = lambda call: (200, {})
    assert life()["main/thanks/0//m1"][0] == "sent"
    calls = world.web.calls
    assert len({call.headers["webhook-id"] for call in calls}) == 1 and len(calls) == 3
    assert len({call.headers["webhook-timestamp"] for call in calls}) == 3
    assert len({call.headers["webhook-signature"] for call in calls}) == 3


def test_it_is_dead_after_the_last_try_or_when_the_receiver_is_gone(world: World, life: Any) -> None:
    world.rules = [rule(then=[calling(world.url("/down")), calling(world.url("/gone"))])]
    world.decide(cause())
    world.web.answer = lambda call: (410, {}) if call.path == "/gone" else (500, {})
    for _ in range(5):
        found = life()
        world.now += DAY
    assert found["main/thanks/0//m1"] == ("dead", "answered 500")
    assert found["main/thanks/1//m1"][0] == "dead" and "410" in found["main/thanks/1//m1"][1]
    assert [call.path for call in world.web.calls].count("/down") == 3
    assert [call.path for call in world.web.calls].count("/gone") == 1


def test_redirects_are_not_followed(world: World, life: Any) -> None:
    world.rules = [rule(then=[calling(world.url())])]
    world.decide(cause())
    world.web.answer = lambda call: (302, {"location": world.url("/elsewhere")})
    assert life()["main/thanks/0//m1"] == ("waiting", "answered 302")
    assert [call.path for call in world.web.calls] == ["/hook"]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(world: World, life: Any, tmp_path: Path, as_date: bool) -> None:
    world.rules = [rule(then=[calling(world.url())])]
    world.decide(cause())
    at = format_datetime(datetime.fromtimestamp(NOON // 1000 + 7200, UTC), usegmt=True)
    world.web.answer = lambda call: (429, {"retry-after": at if as_date else "7200"})
    life()
    world.now += 7_199_000
    life()
    assert len(world.web.calls) == 1
    world.now += 1_001
    life()
    assert len(world.web.calls) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"])
def test_a_private_address_is_not_called_unless_it_is_allowed(world: World, life: Any, host: str) -> None:
    world.rules = [rule(then=[calling(world.url(host=host))])]
    world.decide(cause())
    ((status, told),) = life(senders=world.senders(private=frozenset())).values()
    assert status in ("failed", "waiting") and ("private address" in told or "could not be resolved" in told)
    assert not world.web.calls


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("fe80::1", False), ("fc00::1", False), ("::ffff:93.184.216.34", False),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("::", False), ("fec0::1", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    async def look() -> None:
        assert (await resolve("localhost", 80, frozenset({"localhost"}))).address in ("127.0.0.1", "::1")
        with pytest.raises(Rejected, match="localhost is a private address"):
            await resolve("localhost", 80, frozenset({"127.0.0.1"}))
        with pytest.raises(Retry):
            await resolve("no-such-host.invalid", 80, frozenset())

    asyncio.run(look())


def test_without_its_variables_a_call_is_held_and_says_which_until_it_is_sent_again_with_them(
    world: World, life: Any, tmp_path: Path
) -> None:
    world.rules = [rule(then=[{"webhook": {"url_env": "CRM_URL", "secret_env": "CRM_SECRET"}}])]
    world.environment["CRM_SECRET"] = ""
    world.decide(cause())
    ((status, told),) = life().values()
    assert status == "held" and "without CRM_SECRET and CRM_URL" in told and "rapport resend --rule thanks" in told
    world.environment |= {"CRM_SECRET": SECRET, "CRM_URL": world.url()}
    assert life()["main/thanks/0//m1"][0] == "held" and not world.web.calls
    ledger = Ledger(tmp_path / "ledger.db")
    assert send_again(ledger, ["main/thanks/0//m1"], world.now)
    ledger.close()
    assert life()["main/thanks/0//m1"][0] == "sent" and len(world.web.calls) == 1


def test_a_secret_that_is_none_fails_and_names_the_variable(world: World, life: Any) -> None:
    world.rules = [rule(then=[calling(world.url())])]
    world.environment["CRM_SECRET"] = "whsec_short"
    world.decide(cause())
    ((status, told),) = life().values()
    assert status == "failed" and "CRM_SECRET has to hold" in told and "whsec_short" not in told


@pytest.mark.parametrize(("answer", "status"), [("550 no such user", "failed"), ("451 later", "waiting")])
def test_a_mail_server_that_refuses_for_good_or_for_now(world: World, life: Any, answer: str, status: str) -> None:
    world.rules = [rule()]
    world.decide(cause())
    world.mail.answer = answer
    found = life()["main/thanks/0//m1"]
    assert found[0] == status and answer[:3] in found[1]
    world.mail.answer, world.now = "", NOON + DAY
    assert life()["main/thanks/0//m1"][0] == ("failed" if status == "failed" else "sent")


def test_a_mail_server_that_is_away_is_tried_again(world: World, life: Any) -> None:
    world.rules = [rule()]
    world.decide(cause())
    there, world.server = world.server, MailServer(port=1)
    assert life()["main/thanks/0//m1"][0] == "waiting"
    world.server, world.now = there, NOON + DAY
    assert life()["main/thanks/0//m1"][0] == "sent"


def test_a_connection_that_breaks_after_the_message_leaves_an_email_uncertain_for_good(world: World, life: Any) -> None:
    world.rules = [rule()]
    world.decide(cause())
    world.mail.breaks_off = True
    assert life()["main/thanks/0//m1"][0] == "uncertain"
    world.mail.breaks_off, world.now = False, NOON + DAY
    assert life()["main/thanks/0//m1"][0] == "uncertain"
    assert len(world.mail.messages) == 1


def test_a_log_of_actions_made_anew_is_read_from_its_beginning_and_its_old_keys_are_absorbed(
    world: World, life: Any
) -> None:
    world.rules = [rule()]
    world.decide(cause())
    life()
    world.topic.lines, world.topic.incarnation = [], "second"
    world.decide(cause(), cause(touchpoint("m2")))
    life()
    assert len(world.mail.messages) == 2


def test_chinese_arrives_as_it_was_written(world: World, life: Any) -> None:
    email = {"from": "好商店 <a@b.example>", "subject": "你好 {{ profile.traits.name }}" * 9, "text": "欢迎\n.\n回来"}
    world.rules, world.person = [rule(then=[{"email": email}])], person(name="张三")
    world.decide(cause())
    life()
    assert world.mail.messages[0]["Subject"] == "你好 张三" * 9
    assert world.mail.messages[0].get_content() == "欢迎\r\n.\r\n回来\r\n"


def test_the_pauses_grow_have_full_jitter_and_an_end() -> None:
    assert [pause(n, 0, lambda: 0.999999) // 1000 for n in (1, 2, 3, 4)] == [4, 19, 79, 319]
    assert pause(1, 0, lambda: 0.0) == 0 and pause(99, 0, lambda: 0.999) < LONGEST
    assert pause(1, 60_000, lambda: 0.5) == 60_000 and pause(1, 10**12, lambda: 0.5) == DAY


def test_what_was_told_may_leave_the_file_and_the_keys_stay(world: World, life: Any, tmp_path: Path) -> None:
    world.rules = [rule()]
    world.decide(cause())
    life()
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.trim(99, NOON) == 0, "not before the time"
    assert ledger.trim(1, NOON + DAY) == 1 and ledger.trim(99, NOON + DAY) == 1
    ledger.close()
    reader = frames.open_reader(tmp_path / "ledger.db")
    assert (frames.read(reader, "deliveries", 0, 10), frames.total(reader, "deliveries")) == ([], 2)
    world.decide(cause())
    assert life()["main/thanks/0//m1"][0] == "sent" and len(world.mail.messages) == 1


def test_rules_go_live_when_they_are_first_seen_and_anew_when_they_change(tmp_path: Path) -> None:
    ledger, thanks = Ledger(tmp_path / "ledger.db"), ("main", "thanks")
    assert ledger.go_live({thanks: "a"}, 10) == {thanks: 10}
    assert ledger.go_live({thanks: "a", ("main", "other"): "x"}, 20) == {thanks: 10, ("main", "other"): 20}
    ledger.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.go_live({thanks: "a"}, 30) == {thanks: 10}
    assert ledger.go_live({thanks: "b"}, 40) == {thanks: 40}
    assert ledger.go_live({thanks: "a"}, 50) == {thanks: 50}, "back to what it was is a change too"
    assert ledger.go_live({}, 60) == {}
    assert ledger.go_live({thanks: "a"}, 70) == {thanks: 70}, "taken out and put back"
    ledger.close()
