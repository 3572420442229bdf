"""What providers tell becomes named touchpoints with identifiers, the provider's time and id, and trust."""

from typing import Any

import pytest

from services.ingest.sources import Limits
from tests.ingest.ingest_platform import NOW
from tests.ingest.webhooks.webhook_platform import (
    SECONDS,
    WebhookPlatform,
    call,
    meta,
    sendgrid,
    wecom,
)

WM = "wmAJ2GCAAAXtWyujaWJHDDGi0mACAAAA"


@pytest.fixture
def platform() -> WebhookPlatform:
    return WebhookPlatform()


def mail(event: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "Ann@Example.com",
        "timestamp": SECONDS - 7_000_000,
        "event": event,
        "sg_event_id": f"id-{event}",
        "sg_message_id": "m.filter-1",
        **more,
    }


def test_an_opened_mail_is_a_touchpoint_of_its_reader(platform: WebhookPlatform) -> None:
    (told,) = platform.told("mails", sendgrid(mail("open", useragent="Mozilla", campaign="spring")))
    assert told["event"] == "Email Opened"
    assert told["identifiers"] == ["email:ann@example.com"]
    assert (told["source"], told["channel"], told["trust"]) == ("mails", "email", "signed")
    assert told["message_id"] == "sendgrid:id-open"
    assert told["timestamp"] == told["evidence_at"] == (SECONDS - 7_000_000) * 1000
    assert told["properties"]["email"] == "Ann@Example.com"
    assert told["properties"]["campaign"] == "spring"
    assert told["properties"]["useragent"] == "Mozilla"


@pytest.mark.parametrize(
    ("event", "more", "name"),
    [
        ("processed", {}, "Email Processed"),
        ("deferred", {}, "Email Deferred"),
        ("delivered", {}, "Email Delivered"),
        ("dropped", {}, "Email Dropped"),
        ("open", {}, "Email Opened"),
        ("click", {"url": "https://shop.example/"}, "Email Link Clicked"),
        ("spamreport", {}, "Email Marked as Spam"),
        ("unsubscribe", {}, "Email Unsubscribed"),
        ("group_unsubscribe", {"asm_group_id": 7}, "Email Unsubscribed"),
        ("group_resubscribe", {"asm_group_id": 7}, "Email Resubscribed"),
        ("bounce", {"type": "bounce"}, "Email Bounced"),
        ("something_new", {}, "Email Event"),
    ],
)
def test_every_event_of_sendgrid_has_a_name(
    platform: WebhookPlatform, event: str, more: dict[str, Any], name: str
) -> None:
    (told,) = platform.told("mails", sendgrid(mail(event, **more)))
    assert told["event"] == name
    assert told["properties"].items() >= {"event": event, **more}.items()


@pytest.mark.parametrize(("kind", "permanent"), [("bounce", True), ("blocked", False), ("expired", False)])
def test_only_a_hard_bounce_is_permanent(platform: WebhookPlatform, kind: str, permanent: bool) -> None:
    (told,) = platform.told("mails", sendgrid(mail("bounce", type=kind, reason="550")))
    assert told["properties"]["permanent"] is permanent


def test_a_thousand_events_come_in_one_post_and_again_are_duplicates(platform: WebhookPlatform) -> None:
    batch = sendgrid(*(mail("open", sg_event_id=f"e{n}") for n in range(1_000)))
    assert len(platform.told("mails", batch)) == 1_000
    platform.told("mails", batch)
    counted = platform.request("GET", "/metrics").text
    assert 'rapport_ingest_items_total{source="mails",verdict="accepted"} 1000.0' in counted
    assert 'rapport_ingest_items_total{source="mails",verdict="duplicate"} 1000.0' in counted


def test_a_batch_of_more_events_than_are_allowed_is_refused_whole() -> None:
    platform = WebhookPlatform(Limits(batch_events=3))
    answer = platform.called("mails", sendgrid(*(mail("open", sg_event_id=f"e{n}") for n in range(4))))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_events")
    assert not platform.touchpoints


INCOMING = {"CallSid": "CA1", "From": "+14158675309", "To": "+18005551212", "Direction": "inbound"}
OUTGOING = {"CallSid": "CA2", "From": "+18005551212", "To": "+14158675309", "Direction": "outbound-api"}


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (INCOMING | {"CallStatus": "ringing"}, "Call Started"),
        (INCOMING | {"CallStatus": "completed", "CallDuration": "31"}, "Call Completed"),
        (OUTGOING | {"CallStatus": "no-answer"}, "Call Missed"),
        (OUTGOING | {"CallStatus": "busy"}, "Call Missed"),
        (OUTGOING | {"CallStatus": "in-progress"}, "Call Answered"),
        (OUTGOING | {"CallStatus": "beamed-up"}, "Call Status Changed"),
    ],
)
def test_a_call_is_told_of_the_customer_whoever_called(
    platform: WebhookPlatform, form: dict[str, str], name: str
) -> None:
    (told,) = platform.told("calls", call(**form, Timestamp="Sun, 01 Feb 2026 10:00:00 +0000"))
    assert (told["event"], told["identifiers"]) == (name, ["phone:+14158675309"])
    assert told["message_id"] == f"twilio:{form['CallSid']}:{form['CallStatus']}"
    assert told["timestamp"] == 1_769_940_000_000
    assert told["properties"].items() >= form.items()
    assert (told["channel"], told["trust"]) == ("call", "signed")


@pytest.mark.parametrize(
    ("form", "name", "identifiers"),
    [
        (
            {"MessageSid": "SM1", "SmsStatus": "received", "From": "+14158675309", "To": "+18005551212", "Body": "hi"},
            "SMS Received",
            ["phone:+14158675309"],
        ),
        (
            {"MessageSid": "SM2", "MessageStatus": "delivered", "From": "+18005551212", "To": "+14158675309"},
            "SMS Delivered",
            ["phone:+14158675309"],
        ),
        (
            {"MessageSid": "SM2", "MessageStatus": "undelivered", "ErrorCode": "30003", "To": "+14158675309"},
            "SMS Failed",
            ["phone:+14158675309"],
        ),
        (
            {"MessageSid": "SM3", "SmsStatus": "received", "From": "whatsapp:+14158675309", "Body": ""},
            "WhatsApp Message Received",
            ["phone:+14158675309", "whatsapp_id:14158675309"],
        ),
    ],
)
def test_a_message_through_twilio_is_told_of_the_customer(
    platform: WebhookPlatform, form: dict[str, str], name: str, identifiers: list[str]
) -> None:
    (told,) = platform.told("calls", call(**form))
    assert (told["event"], told["identifiers"]) == (name, identifiers)
    assert told["properties"] == form
    assert told["timestamp"] == NOW


def test_twilio_is_answered_with_empty_twiml(platform: WebhookPlatform) -> None:
    answer = platform.called("calls", call(**INCOMING, CallStatus="ringing"))
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")


@pytest.mark.parametrize("number", ["anonymous", "+266696687", "+7378742833", "client:ann", "sip:a@b.example", ""])
def test_callers_without_a_number_are_nobody_and_not_all_the_same_person(
    platform: WebhookPlatform, number: str
) -> None:
    assert not platform.told("calls", call(**(INCOMING | {"From": number, "CallStatus": "ringing"})))
    (refused,) = platform.rejected
    assert (refused["code"], refused["kind"], refused["message_id"]) == (
        "no_identifier",
        "webhook",
        "twilio:CA1:ringing",
    )


def whatsapp(**value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "18005551212", "phone_number_id": "1061"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "8856", "changes": [{"field": "messages", "value": value}]}],
    }


TEXT = {
    "from": "14158675309",
    "id": "wamid.1",
    "timestamp": str(SECONDS - 60),
    "type": "text",
    "text": {"body": "你好"},
}


def test_a_whatsapp_message_is_told_of_its_sender(platform: WebhookPlatform) -> None:
    contact = {"wa_id": "14158675309", "profile": {"name": "Ann"}}
    (told,) = platform.told("chats", meta(whatsapp(messages=[TEXT], contacts=[contact])))
    assert told["event"] == "WhatsApp Message Received"
    assert told["identifiers"] == ["phone:+14158675309", "whatsapp_id:14158675309"]
    assert told["message_id"] == "whatsapp:wamid.1"
    assert told["timestamp"] == NOW - 60_000
    assert told["properties"]["text"] == {"body": "你好"}
    assert (told["properties"]["profile_name"], told["properties"]["phone_number_id"]) == ("Ann", "1061")


def test_each_status_of_a_whatsapp_message_is_a_touchpoint(platform: WebhookPlatform) -> None:
    names = ("sent", "delivered", "read", "failed")
    statuses = [
        {"id": "wamid.2", "status": name, "timestamp": str(SECONDS), "recipient_id": "14158675309"} for name in names
    ]
    told = platform.told("chats", meta(whatsapp(statuses=statuses)))
    assert [one["event"] for one in told] == [f"WhatsApp Message {name.title()}" for name in names]
    assert {one["anchor"] for one in told} == {"whatsapp_id:14158675309"}
    assert len({one["message_id"] for one in told}) == 4


def test_messages_to_a_page_are_told_of_the_other_side(platform: WebhookPlatform) -> None:
    def direct(sender: str, recipient: str, **message: Any) -> dict[str, Any]:
        return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": NOW, "message": message}

    messaging = [direct("555", "page", mid="m_1", text="hello"), direct("page", "555", mid="m_2", is_echo=True)]
    told = platform.told("chats", meta({"object": "page", "entry": [{"id": "page", "messaging": messaging}]}))
    assert [(one["event"], one["anchor"]) for one in told] == [
        ("Messenger Message Received", "facebook_psid:555"),
        ("Messenger Message Sent", "facebook_psid:555"),
    ]


def test_a_change_that_is_not_read_is_rejected_with_what_to_subscribe_to(platform: WebhookPlatform) -> None:
    post = whatsapp(messages=[TEXT])
    post["entry"][0]["changes"].append({"field": "feed", "value": {"item": "comment"}})
    post["entry"][0]["changes"].append({"field": "messages", "value": {"errors": [{"code": 131051}]}})
    assert len(platform.told("chats", meta(post))) == 1
    assert [(one["code"], one["kind"]) for one in platform.rejected] == [("unreadable", "webhook")] * 2
    assert all("subscribe to those only" in one["reason"] for one in platform.rejected)
    assert ["comment" in one["raw"] for one in platform.rejected] == [True, False]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("add_external_contact", "WeCom Contact Added"),
        ("add_half_external_contact", "WeCom Contact Added"),
        ("del_follow_user", "WeCom Contact Left"),
        ("something_new", "WeCom Event"),
    ],
)
def test_what_happens_with_an_external_contact_is_told_of_them(
    platform: WebhookPlatform, change: str, name: str
) -> None:
    elements = {
        "ToUserName": "ww1", "FromUserName": "sys", "CreateTime": str(SECONDS - 5), "MsgType": "event",
        "Event": "change_external_contact", "ChangeType": change, "UserID": "zhangsan", "ExternalUserID": WM,
        "State": "qr-7",
    }  # fmt: skip
    (told,) = platform.told("wecom", wecom(**elements))
    assert (told["event"], told["identifiers"]) == (name, [f"wecom_external_userid:{WM}"])
    assert told["message_id"] == f"wecom:zhangsan:{WM}:{SECONDS - 5}:{change}"
    assert told["timestamp"] == NOW - 5_000
    assert told["properties"] == elements


def test_a_message_over_wecom_is_told_of_its_sender_unless_that_is_staff(platform: WebhookPlatform) -> None:
    message = {"CreateTime": str(SECONDS), "MsgType": "text", "Content": "在吗", "MsgId": "45612", "AgentID": "218"}
    (told,) = platform.told("wecom", wecom(FromUserName=WM, **message))
    assert (told["event"], told["anchor"]) == ("WeCom Message Received", f"wecom_external_userid:{WM}")
    assert (told["message_id"], told["properties"]["Content"]) == ("wecom:45612", "在吗")
    assert not platform.told("wecom", wecom(FromUserName="woody", **message))
    assert [one["code"] for one in platform.rejected] == ["no_identifier"]


def test_wecom_is_answered_with_success(platform: WebhookPlatform) -> None:
    message = {"CreateTime": str(SECONDS), "MsgType": "text", "MsgId": "1"}
    assert platform.called("wecom", wecom(FromUserName=WM, **message)).text == "success"
