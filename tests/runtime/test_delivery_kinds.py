"""SMS, Slack messages, tasks and messages on the topic reach real servers, once, and say what became of them."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from schemas import fast
from services.automation.actions.webhook import webhook_id
from services.runtime.followups.calling import Caller
from services.runtime.followups.ledger import Send
from services.runtime.followups.slack import SlackSender
from services.runtime.followups.twilio import TwilioSender
from tests.automation.causes import cause, person, rule
from tests.runtime.delivering import DAY, SID, World
from tests.runtime.sinks import Call

PHONE = "+4915123456789"
SMS = {"sms": {"account_env": "TWILIO_SID", "token_env": "TWILIO_TOKEN", "from": "Rapport", "text": "您好 {{ rule }}"}}
SLACK = {"slack": {"url_env": "SLACK_URL", "text": "New order of {{ profile.traits.name }}"}}


@pytest.fixture
def world(world: World) -> World:
    world.person = phoned()
    return world


@pytest.fixture
def life(shared: tuple[World, asyncio.Runner], world: World, tmp_path: Path) -> Any:
    """Run one life of the platform over this test's ledger; gives its one row."""

    def run(**more: Any) -> Send:
        (found,) = shared[1].run(world.run(tmp_path / "ledger.db", **more))
        return found

    return run


def phoned(consent: str = "granted", **traits: Any) -> Any:
    """Ann, with a phone."""
    ann = person(**({"name": "Ann", "phone": PHONE} | traits))
    return msgspec.structs.replace(ann, consent=fast.raw({"sms": consent}))


def sms(**more: Any) -> dict[str, Any]:
    return {"sms": SMS["sms"] | more}


def decided(world: World, step: dict[str, Any]) -> None:
    """The rule's step is decided for Ann."""
    world.rules = [rule(then=[step])]
    world.decide(cause(profile=world.person))


def test_an_sms_is_handed_to_twilio_once(world: World, life: Any) -> None:
    decided(world, sms(status_callback="https://shop.example/v1/hooks/twilio"))
    row = life()
    assert (row.status, row.recipient) == ("sent", PHONE)
    (call,) = world.web.calls
    assert call.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert call.headers["authorization"] == "Basic " + base64.b64encode(f"{SID}:t0ken".encode()).decode()
    assert {name: value for name, (value,) in parse_qs(call.body.decode()).items()} == {
        "To": PHONE, "From": "Rapport", "Body": "您好 thanks",
        "StatusCallback": "https://shop.example/v1/hooks/twilio",
    }  # fmt: skip


@pytest.mark.parametrize("consent", ["denied", "unknown"])
def test_an_sms_asks_for_consent_to_sms_and_not_to_email(world: World, life: Any, consent: str) -> None:
    decided(world, SMS)
    world.person = msgspec.structs.replace(
        phoned(), consent=fast.raw({"email": "granted"} | ({"sms": "denied"} if consent == "denied" else {}))
    )
    row = life()
    assert (row.status, row.reason) == ("held", "the person does not consent to SMS")


@pytest.mark.parametrize(
    ("traits", "identifiers", "to"),
    [
        ({"phone": "+49 (151) 234-567 89"}, (), PHONE),
        ({"phone": "0151 23456789"}, (f"phone:{PHONE}",), PHONE),
        ({"phone": None}, (f"phone:{PHONE}",), PHONE),
        ({"phone": "0151 23456789"}, (), ""),
        ({"phone": "+49151234567890123"}, (), ""),
        ({"phone": {"a": 1}}, ("phone:12345",), ""),
    ],
)
def test_it_goes_to_a_number_with_its_countrys_code_or_nowhere(
    world: World, life: Any, traits: dict[str, Any], identifiers: tuple[str, ...], to: str
) -> None:
    world.person = msgspec.structs.replace(phoned(**traits), identifiers=identifiers)
    decided(world, SMS)
    row = life()
    assert (row.status, row.recipient) == ("sent" if to else "failed", to)


@pytest.mark.parametrize("step", [SMS, SLACK])
@pytest.mark.parametrize(
    ("status", "headers", "became"),
    [(400, {}, "failed"), (404, {}, "failed"), (302, {"location": "/x"}, "failed"), (500, {}, "uncertain"),
     (503, {}, "uncertain"), (429, {"retry-after": "7200"}, "waiting")],
)  # fmt: skip
def test_an_answer_that_leaves_a_doubt_is_never_followed_by_a_second_call(
    world: World, life: Any, step: dict[str, Any], status: int, headers: dict[str, str], became: str
) -> None:
    world.web.answer = lambda call: (status, headers)
    decided(world, step)
    row = life()
    assert row.status == became and f"answered {status}" in row.reason
    world.now += 7_199_000
    life()
    assert len(world.web.calls) == 1
    world.web.answer = lambda call: (200, {})
    world.now += DAY
    assert life().status == ("sent" if became == "waiting" else became)
    assert len(world.web.calls) == (2 if became == "waiting" else 1)


@pytest.mark.parametrize("step", [SMS, SLACK])
def test_nobody_there_is_tried_again_and_an_end_without_an_answer_is_not(
    shared: tuple[World, asyncio.Runner], world: World, life: Any, step: dict[str, Any]
) -> None:
    environment = world.environment | {"SLACK_URL": "http://127.0.0.1:1/slack"}
    caller = Caller(frozenset({"127.0.0.1"}))
    away = {
        **world.senders(),
        "sms": TwilioSender(caller, environment, lambda: world.now, "http://127.0.0.1:1"),
        "slack": SlackSender(caller, environment, lambda: world.now),
    }
    decided(world, step)
    row = life(senders=away)
    assert row.status == "waiting" and "no connection" in row.reason

    def breaks(call: Call) -> Any:
        raise ConnectionAbortedError

    world.web.answer, world.now = breaks, world.now + DAY
    row = life()
    assert row.status == "uncertain" and "not answered" in row.reason
    world.web.answer, world.now = lambda call: (200, {}), world.now + DAY
    assert life().status == "uncertain" and len(world.web.calls) == 1


def test_twilios_own_words_are_told(world: World) -> None:
    class Answering:
        async def post_once(self, *args: Any) -> Any:
            from services.runtime.followups.calling import Answer

            said = {"code": 21211, "message": "The 'To' number is not a valid phone number.", "status": 400}
            return Answer(400, {}, json.dumps(said).encode())

    from services.automation.actions.sms import Sms

    sender = TwilioSender(Answering(), world.environment, lambda: 0)  # type: ignore[arg-type]
    result = asyncio.run(sender.send(Sms(PHONE, {}, "TWILIO_SID", "TWILIO_TOKEN")))
    assert result.status == "failed"
    assert result.reason == "answered 400 (Twilio's error 21211: The 'To' number is not a valid phone number.)"


@pytest.mark.parametrize("sid", ["", "../../x", "AC1/Messages.json?", "AC é"])
def test_an_account_that_is_none_is_named_by_its_variable(world: World, life: Any, sid: str) -> None:
    decided(world, SMS)
    world.environment["TWILIO_SID"] = sid
    row = life()
    assert row.status == ("failed" if sid else "held") and "TWILIO_SID" in row.reason and not world.web.calls


def test_a_slack_message_arrives_with_what_customers_said_escaped(world: World, life: Any) -> None:
    world.person = phoned(name="<!channel> & <https://evil.example|Ann>")
    decided(world, SLACK)
    assert life().recipient == "SLACK_URL"
    (call,) = world.web.calls
    escaped = "&lt;!channel&gt; &amp; &lt;https://evil.example|Ann&gt;"
    assert (call.path, json.loads(call.body)) == ("/slack", {"text": f"New order of {escaped}"})


def test_slack_gets_about_one_message_a_second_in_each_channel(world: World) -> None:
    from services.automation.actions.slack import SlackMessage

    environment = {"ONE": world.url("/one"), "TWO": world.url("/two")}

    async def three() -> float:
        loop = asyncio.get_running_loop()
        sender = SlackSender(Caller(frozenset({"127.0.0.1"})), environment, lambda: 0, apart=0.2)
        began = loop.time()
        await asyncio.gather(*(sender.send(SlackMessage(where, b"{}")) for where in ("ONE", "TWO", "ONE", "ONE")))
        await sender.close()
        return loop.time() - began

    assert asyncio.run(three()) >= 0.4 and len(world.web.calls) == 4


def test_a_task_is_a_signed_webhook_with_title_note_due_and_owner(world: World, life: Any) -> None:
    task = {
        "title": "Call {{ profile.traits.name }}", "note": "{{ touchpoint.properties.total }} spent", "due": "2d",
        "owner": "sales@shop.example", "url": world.url("/tasks"), "secret_env": "CRM_SECRET",
    }  # fmt: skip
    decided(world, {"task": task})
    assert life().status == "sent"
    (call,) = world.web.calls
    body = json.loads(call.body)
    assert call.headers["webhook-id"] == webhook_id("main/thanks/0//m1") and call.headers["webhook-signature"]
    assert (body["type"], body["timestamp"]) == ("task.created", "2023-11-14T22:13:20.000Z")
    told = body["data"]
    assert [told[name] for name in ("title", "note", "due_at", "owner", "rule")] == [
        "Call Ann", "12.5 spent", "2023-11-16T22:13:20.000Z", "sales@shop.example", "thanks",
    ]  # fmt: skip
    assert told["profile"]["phone"] == PHONE and told["touchpoint"]["message_id"] == "m1"


def test_a_task_is_told_again_with_the_same_id_until_it_is_taken(world: World, life: Any) -> None:
    world.web.answer = lambda call: (500, {})
    decided(world, {"task": {"title": "t", "url": world.url(), "secret_env": "CRM_SECRET"}})
    assert life().status == "waiting"
    world.web.answer, world.now = lambda call: (204, {}), world.now + DAY
    assert life().status == "sent"
    assert len({call.headers["webhook-id"] for call in world.web.calls}) == 1
    assert json.loads(world.web.calls[0].body)["data"]["due_at"] is None


def test_a_message_is_on_the_topic_with_its_data_and_settled_at_once(world: World, life: Any) -> None:
    decided(world, {"message": {"data": {"list": "vip", "score": 7.5}}})
    (action,) = world.topic.lines
    assert (action.kind, fast.loads(action.data), action.held) == ("message", {"list": "vip", "score": 7.5}, "")
    row = life()
    assert (row.status, row.attempt, row.recipient) == ("sent", 1, "the topic actions") and not world.web.calls


@pytest.mark.parametrize(
    "step", [SMS, SLACK, {"task": {"title": "t", "url_env": "SLACK_URL", "secret_env": "CRM_SECRET"}}]
)
def test_every_kind_is_kept_out_of_our_own_network(world: World, life: Any, step: dict[str, Any]) -> None:
    decided(world, step)
    row = life(senders=world.senders(private=frozenset()))
    assert row.status == "failed" and "private address" in row.reason and not world.web.calls


def test_an_answer_whose_words_never_come_to_an_end_is_known_by_its_status(
    shared: tuple[World, asyncio.Runner],
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nok")
        await asyncio.sleep(1)
        writer.close()

    async def posted() -> Any:
        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        caller = Caller(frozenset({"127.0.0.1"}))
        answer = await caller.post_once(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", b"", {})
        await caller.close()
        server.close()
        return answer

    answer = shared[1].run(posted())
    assert (answer.status, answer.body) == (200, b"ok")
