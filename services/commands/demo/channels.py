"""The demo's part of the providers: Mei opens an e-mail (SendGrid), calls (Twilio) and writes by WeCom.

The platform runs with a copy of the configuration to which a source for each is added. Their secrets are made for this
run and stand in the environment only. The callbacks have the shape and the signatures of the real ones.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import httpx

from services.commands.demo.callbacks import Callback, SendGridKey, WeComKeys, twilio
from services.commands.demo.story import CONTACT, EMAIL, PHONE
from services.commands.reach import said
from services.configuration import load_config
from services.errors import RapportError

MAILS, CALLS, CHATS = "demo-sendgrid", "demo-twilio", "demo-wecom"  # sources
SENT = 4  # touchpoints: an e-mail delivered and opened, a call, a message
_URL = f"https://records.example/v1/webhooks/{CALLS}"  # as it would be at Twilio, behind a proxy
_CORP = "ww0123456789demo"
_SOURCES = f"""\
sources:
  - {{name: {MAILS}, channel: email, webhook: {{provider: sendgrid, secret_env: DEMO_SENDGRID_KEY}}}}
  - {{name: {CALLS}, channel: call, webhook: {{provider: twilio, secret_env: DEMO_TWILIO_TOKEN, url: "{_URL}"}}}}
  - name: {CHATS}
    channel: social
    webhook: {{provider: wecom, token_env: DEMO_WECOM_TOKEN, aes_key_env: DEMO_WECOM_AES_KEY, corp_id: {_CORP}}}
"""


class Channels:
    """The three providers, with their secrets."""

    def __init__(self) -> None:
        self._sendgrid, self._wecom, self._twilio = SendGridKey(), WeComKeys.made(_CORP), secrets.token_hex(16)

    def configured(self, config: Path, copy: Path) -> Path:
        """Make `copy` a copy of the configuration that knows the three, and the secrets part of the environment.

        Raises ConfigError when something is wrong with the configuration itself.
        """
        load_config(config)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(config, copy)
        sources = copy / "sources"
        sources.mkdir(exist_ok=True)
        if (single := copy / "sources.yaml").exists():
            single.rename(sources / "sources.yaml")
        (sources / "demo.yaml").write_text(_SOURCES, encoding="utf-8")
        os.environ |= {
            "DEMO_SENDGRID_KEY": self._sendgrid.public,
            "DEMO_TWILIO_TOKEN": self._twilio,
            "DEMO_WECOM_TOKEN": self._wecom.token,
            "DEMO_WECOM_AES_KEY": self._wecom.aes_key,
        }
        return copy

    def tell(self, http: httpx.Client) -> None:
        """Everything once, and everything once more. Raises RapportError when it is not taken."""
        now = int(time.time()) + 1  # whole seconds: the collector lets nothing happen after it arrived
        for source, callback in (*self._callbacks(now), *self._callbacks(now)):
            query = f"?{callback.query}" if callback.query else ""
            answer = http.post(f"/v1/webhooks/{source}{query}", headers=callback.headers, content=callback.body)
            if answer.status_code != 200:
                raise RapportError(f"the webhook of {source} was not taken: {said(answer)}")

    def _callbacks(self, now: int) -> Iterator[tuple[str, Callback]]:
        common = {
            "email": EMAIL,
            "timestamp": now,
            "sg_message_id": "demo.recvd-0-1",
            "smtp-id": "<demo@records.example>",
        }
        events = ({"event": event, "sg_event_id": f"demo-mail-{event}"} for event in ("delivered", "open"))
        yield MAILS, self._sendgrid.posted([common | event for event in events], now)
        call = {
            "CallSid": "CAdemo0mei", "AccountSid": "ACdemo", "From": PHONE, "To": "+14155550100",
            "Direction": "inbound", "CallStatus": "completed", "CallDuration": "42", "SequenceNumber": "3",
            "Timestamp": formatdate(now),
        }  # fmt: skip
        yield CALLS, twilio(self._twilio, _URL, call)
        message = (
            f"<xml><ToUserName><![CDATA[{_CORP}]]></ToUserName><FromUserName><![CDATA[{CONTACT}]]></FromUserName>"
            f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            "<Content><![CDATA[唱片到了]]></Content><MsgId>7345012</MsgId><AgentID>1000002</AgentID></xml>"
        )
        yield CHATS, self._wecom.posted(message, now)
