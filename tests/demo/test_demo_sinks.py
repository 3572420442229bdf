"""The demo's mail server and webhook receiver keep what really came over SMTP and HTTP, and check signatures."""

import os
import smtplib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from services.automation.actions.webhook import WebhookCall, signed
from services.commands.demo.mail_sink import MailSink, mails
from services.commands.demo.webhook_sink import WebhookSink, secret, webhooks


@pytest.fixture
def mail_sink(tmp_path: Path) -> Iterator[MailSink]:
    sink = MailSink(tmp_path / "mailbox")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
def webhook_sink(tmp_path: Path) -> Iterator[WebhookSink]:
    sink = WebhookSink(tmp_path / "webhooks.jsonl", secret(tmp_path / "secret"))
    sink.start()
    yield sink
    sink.stop()


def test_an_e_mail_is_on_disk_when_the_sender_hears_so_and_survives_the_sink(mail_sink: MailSink) -> None:
    with smtplib.SMTP("127.0.0.1", mail_sink.port, timeout=10) as client:
        for subject in ("Grüße, Mei", "Once more"):
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "shop@shop.example", "mei@mail.example", subject
            message.set_content("你好\n")
            client.send_message(message)
            assert [mail["Subject"] for mail in mails(mail_sink.folder)][-1] == subject
    again = MailSink(mail_sink.folder)
    assert [mail["Subject"] for mail in mails(again.folder)] == ["Grüße, Mei", "Once more"]
    assert [mail.get_content().strip() for mail in mails(again.folder)] == ["你好", "你好"]


def call(sink: WebhookSink, key: str, at: int, body: bytes = b'{"type":"x"}') -> int:
    made = WebhookCall(sink.url, "msg_1", b'{"type":"x"}', "SECRET")
    request = urllib.request.Request(sink.url, body, signed(made, key, at))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_signed_webhook_is_verified_and_kept(webhook_sink: WebhookSink, tmp_path: Path) -> None:
    key, now = secret(tmp_path / "secret"), int(time.time() * 1000)
    assert call(webhook_sink, key, now) == 204
    (kept,) = webhooks(webhook_sink.file)
    assert (kept["id"], kept["verified"], kept["body"]) == ("msg_1", True, {"type": "x"})


@pytest.mark.parametrize("wrong", ["secret", "body", "time"])
def test_a_webhook_whose_signature_does_not_fit_is_refused(
    webhook_sink: WebhookSink, tmp_path: Path, wrong: str
) -> None:
    key = secret(tmp_path / ("other" if wrong == "secret" else "secret"))
    at = int(time.time() * 1000) - (600_000 if wrong == "time" else 0)
    assert call(webhook_sink, key, at, b'{"type":"y"}' if wrong == "body" else b'{"type":"x"}') == 401
    assert [kept["verified"] for kept in webhooks(webhook_sink.file)] == [False]


def test_the_secret_is_made_once_at_random_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    first = secret(tmp_path / "demo" / "one")
    assert secret(tmp_path / "demo" / "one") == first != secret(tmp_path / "demo" / "two")
    assert os.stat(tmp_path / "demo" / "one").st_mode & 0o777 == 0o600
