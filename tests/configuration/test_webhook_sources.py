"""A source has a write key or a webhook, never both; what is wrong with a webhook is said in words."""

from pathlib import Path

import pytest

from services.commands.sources import chosen
from services.configuration import load_config
from services.errors import ConfigError, RapportError

SENDGRID = "webhook: {provider: sendgrid, secret_env: SENDGRID_KEY}"


def folder(tmp_path: Path, *sources: str) -> Path:
    text = "sources:\n" + "".join(f"  - {{{source}}}\n" for source in sources)
    (tmp_path / "sources.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("name: a, channel: email", "give either `write_key` or `webhook`"),
        (f"name: a, channel: email, write_key: k, {SENDGRID}", "give either `write_key` or `webhook`"),
        (f"name: a, {SENDGRID}", "a webhook needs its `channel`"),
        ("name: a, channel: email, webhook: {provider: sendgird}", "'sendgird'; there are 'sendgrid', 'twilio'"),
        ("name: a, channel: email, webhook: {secret_env: KEY}", "it must name its 'provider'"),
        ("name: a, channel: email, webhook: {provider: sendgrid}", 'lacks "secret_env"'),
        ("name: a, channel: email, webhook: {provider: sendgrid, secret_env: MFkw+}", "in capitals, such as"),
        (
            'name: a, channel: call, webhook: {provider: twilio, secret_env: KEY, url: "https://a.example/?x=1"}',
            "leave out ? and #",
        ),
        ('name: a, channel: call, webhook: {provider: twilio, secret_env: KEY, url: "a.example"}', "https://"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_told_with_its_line(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(folder(tmp_path, source))
    (problem,) = caught.value.problems
    assert "sources.yaml, line 2" in problem
    assert said in problem


def test_events_of_a_webhook_may_be_as_old_as_the_provider_says_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    free, bound = load_config(
        folder(
            tmp_path, f"name: a, channel: email, {SENDGRID}", f"name: b, channel: email, max_backdate: 2h, {SENDGRID}"
        )
    ).sources
    assert (free.trust, free.backdate) == ("signed", None)
    assert (bound.trust, bound.backdate) == ("signed", 2 * 3_600_000)


def test_commands_send_as_sources_with_a_write_key_only(tmp_path: Path) -> None:
    both = folder(tmp_path, f"name: mails, channel: email, {SENDGRID}", "name: web, write_key: k")
    assert chosen(both, None).name == "web"
    with pytest.raises(RapportError, match=r"no source 'mails' with a write key .* there are: web"):
        chosen(both, "mails")
    with pytest.raises(RapportError, match=r"no source with a write key .* there are: none"):
        chosen(folder(tmp_path, f"name: mails, channel: email, {SENDGRID}"), None)
