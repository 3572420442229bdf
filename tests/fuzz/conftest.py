"""A real platform with every kind of source, somebody in it, and nobody who looks after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.commands.demo.callbacks import SendGridKey, WeComKeys
from tests.e2e.running import Platform, eventually, platform

SOURCES = """
sources:
  - {name: web, write_key: key-web}
  - {name: shop, write_key: key-server, trusted: true, channel: server}
  - {name: slow, write_key: key-slow, rate: {per_second: 2, burst: 10}}
  - {name: mails, channel: email, webhook: {provider: sendgrid, secret_env: SENDGRID_KEY}}
  - {name: calls, channel: call, webhook: {provider: twilio, secret_env: TWILIO_TOKEN, url: "https://a.example/calls"}}
  - {name: chats, channel: social, webhook: {provider: meta, secret_env: META_SECRET, verify_token_env: META_TOKEN}}
  - name: wecom
    channel: social
    webhook: {provider: wecom, token_env: WECOM_TOKEN, aes_key_env: WECOM_AES, corp_id: ww1234567890abcdef}
  - {name: silent, channel: email, webhook: {provider: sendgrid, secret_env: NOT_SET}}
"""
PLAN = """
events:
  - event: Planned
    on_violation: block
    properties: {required: [id], properties: {id: {type: string, pattern: "^(a+)+$"}, child: {$ref: "#"}}}
"""
LINKS = "a secret of more than 24 characters"


@pytest.fixture(scope="session")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, with ann in it, who belongs to acme."""
    folder: Path = tmp_path_factory.mktemp("fuzzed")
    config, wecom = folder / "config", WeComKeys.made("ww1234567890abcdef")
    config.mkdir()
    for name, text in (("sources", SOURCES), ("plan", PLAN)):
        (config / f"{name}.yaml").write_text(text)
    secrets = {
        "SENDGRID_KEY": SendGridKey().public, "TWILIO_TOKEN": "t", "META_SECRET": "s", "META_TOKEN": "v",
        "WECOM_TOKEN": wecom.token, "WECOM_AES": wecom.aes_key,
        "RAPPORT_LINK_SECRET": LINKS, "RAPPORT_PUBLIC_URL": "http://127.0.0.1",
    }  # fmt: skip
    with platform(folder / "data", config, **secrets) as up:
        up.post("group", {"userId": "ann", "groupId": "acme", "traits": {"name": "Acme"}})
        up.post("track", {"userId": "ann", "event": "Called", "properties": {"total": 1}})
        eventually(lambda: (found := up.profile("user_id", "ann")) and found["touchpoints"] == 2)
        eventually(lambda: up.select("SELECT count() FROM touchpoints")[0][0] == 2)
        yield up
