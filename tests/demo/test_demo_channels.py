"""The demo's callbacks are taken by sources that are added to a copy of the configuration, and to that only."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.commands.demo.channels import CALLS, CHATS, MAILS, SENT, Channels
from services.commands.demo.story import CONTACT, EMAIL, PHONE
from services.configuration import load_config
from services.ingest.webhooks import receive
from tests.ingest.webhooks.webhook_platform import WebhookPlatform

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_the_copy_knows_the_three_with_their_secrets_and_every_run_has_others(tmp_path: Path) -> None:
    folder = Channels().configured(CONFIG, tmp_path / "copy")
    first = receive.addresses(load_config(folder).sources, os.environ)
    assert {name: address.lacks for name, address in first.items()} == {MAILS: "", CALLS: "", CHATS: ""}
    second = receive.addresses(load_config(Channels().configured(CONFIG, folder)).sources, os.environ)
    assert all(first[name].secrets != second[name].secrets for name in first)
    written = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.yaml"))
    assert not [secret for address in second.values() for secret in address.secrets.values() if secret in written]


def test_what_is_told_is_taken_once_of_one_person(tmp_path: Path) -> None:
    channels = Channels()
    config = load_config(channels.configured(CONFIG, tmp_path / "copy"))
    platform = WebhookPlatform()
    platform.receiving(receive.addresses(config.sources, os.environ))

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        found = platform.request(request.method, path, headers=dict(request.headers), content=request.content)
        return httpx.Response(found.status_code, content=found.content)

    platform.now = int(time.time() * 1000)
    channels.tell(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://rapport"))
    told = {one["message_id"]: (one["event"], one["anchor"]) for one in platform.touchpoints}
    assert len(platform.touchpoints) == 2 * len(told) == 2 * SENT
    assert sorted(told.values()) == [
        ("Call Completed", f"phone:{PHONE}"),
        ("Email Delivered", f"email:{EMAIL}"),
        ("Email Opened", f"email:{EMAIL}"),
        ("WeCom Message Received", f"wecom_external_userid:{CONTACT}"),
    ]
