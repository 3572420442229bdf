"""Accounts on a real platform: told by posts and by Segment's client, asked by rules at the trigger and at sending."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import segment.analytics

from tests.e2e.running import Platform, eventually, platform
from tests.runtime.sinks import MailSink, mail_sink

CONFIG = {
    "sources.yaml": """
sources:
  - {name: app, write_key: key-server, channel: server, trusted: true}
  - {name: app-b, write_key: key-b, channel: server, trusted: true, workspace: brand-b}
""",
    "traits.yaml": """
traits:
  - {name: invited, event: Invite Sent, count: true}
  - {name: seats_used, event: Seat Used, distinct: seat, of: account}
""",
}
RULE = """
name: {name}
when: {{event: Invite Sent}}
if: {{all: [{{account: plan, is: pro}}, {{account: seats_used, gte: 2}}, {{trait: role, is: admin}}]}}
wait: {wait}
then:
  - email:
      from: "App <app@example.com>"
      subject: "{name} {{{{ account.id }}}} {{{{ account.computed.seats_used }}}} {{{{ touchpoint.message_id }}}}"
      text: Hello
      consent: unless_denied
"""
ANN = {"email": "ann@example.com", "role": "admin"}


class Told(NamedTuple):
    """A platform that was told of two workspaces' accounts of the same name, and the mail it sends."""

    up: Platform
    mail: MailSink


def tell(up: Platform, call: str, key: str = "key-server", **body: Any) -> None:
    assert up.post(call, body, key)["accepted"] == 1


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    config = tmp_path_factory.mktemp("config")
    (config / "rules").mkdir()
    for name, text in CONFIG.items():
        (config / name).write_text(text)
    for name, wait in (("at_once", "0s"), ("later", "3s")):
        (config / "rules" / f"{name}.yaml").write_text(RULE.format(name=name, wait=wait))
    data = tmp_path_factory.mktemp("data")
    with mail_sink() as (mail, port), platform(data, config, RAPPORT_SMTP_PORT=str(port), COLUMNS="200") as up:
        tell(up, "identify", userId="ann", traits=ANN)
        tell(up, "group", userId="ann", groupId="acme", traits={"plan": "pro", "employees": 40})
        by_segment(up)
        tell(up, "group", "key-b", userId="ann", groupId="acme", traits={"plan": "free"})
        eventually(lambda: account(up)["touchpoints"] == 4)
        yield Told(up, mail)


def by_segment(up: Platform) -> None:
    """Two of acme's people, as its back end tells of them."""
    failures: list[Any] = []
    client = segment.analytics.Client(
        "key-server", host=up.running.url, on_error=lambda error, _: failures.append(error)
    )
    client.group("bob", "acme", {"employees": 41})
    for who in ("ann", "bob"):
        client.track(who, "Seat Used", {"seat": who}, context={"groupId": "acme"})
    client.flush()
    client.shutdown()
    assert not failures


def get(up: Platform, path: str, workspace: str = "main") -> httpx.Response:
    return httpx.get(f"{up.running.url}{path}", params={"workspace": workspace}, timeout=30)


def account(up: Platform, workspace: str = "main") -> dict[str, Any]:
    answer = get(up, "/v1/accounts/acme", workspace)
    return dict(answer.json()) if answer.status_code == 200 else {"touchpoints": 0}


def told_traits(found: dict[str, Any]) -> dict[str, Any]:
    return {name: said["value"] for name, said in found["traits"].items()}


def plain(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "version": 0}


def test_an_account_has_what_group_calls_told_and_what_its_people_did(told: Told) -> None:
    found = account(told.up)
    assert (told_traits(found), found["computed"]) == ({"plan": "pro", "employees": 41}, {"seats_used": 2})
    assert (found["kind"], found["identifiers"]) == ("account", ["account:acme"])
    ann = told.up.profile("user_id", "ann")
    assert ann is not None and (ann["accounts"], told_traits(ann)) == (["acme"], ANN)
    assert get(told.up, "/v1/accounts/globex").status_code == 404


def test_workspaces_do_not_meet(told: Told) -> None:
    other = account(told.up, "brand-b")
    assert (told_traits(other), other["touchpoints"]) == ({"plan": "free"}, 1)
    assert other["profile_id"] != account(told.up)["profile_id"]
    assert get(told.up, "/v1/accounts/acme", "nobody").status_code == 404
    for workspace in ("main", "brand-b"):
        answer = httpx.get(
            f"{told.up.running.url}/v1/streams/accounts", params={"workspace": workspace, "follow": "false"}, timeout=30
        )
        (streamed,) = [json.loads(line)["value"] for line in answer.text.splitlines() if line]
        assert streamed == account(told.up, workspace)


def test_analysts_see_accounts_and_who_belongs_to_them(told: Told) -> None:
    up = told.up
    eventually(lambda: up.select("SELECT sum(touchpoints) FROM accounts")[0][0] >= 5)
    what = "traits.plan.value::String, computed.seats_used::UInt64"
    rows = up.select(f"SELECT workspace, account, {what} FROM accounts ORDER BY 1 DESC")
    assert list(rows) == [("main", "acme", "pro", 2), ("brand-b", "acme", "free", 0)]
    people = "account_people JOIN profiles USING (workspace, profile_id)"
    belong = up.select(f"SELECT workspace, account, has(identifiers, 'user_id:ann') FROM {people}")
    assert sorted(belong) == [("brand-b", "acme", 1), ("main", "acme", 0), ("main", "acme", 1)]
    rapport = up.command
    card = rapport("account", "acme").stdout
    assert "seats_used" in card and "people: 2" in card and "user_id:bob" in card
    assert json.loads(rapport("account", "acme", "--json").stdout) == account(up)
    assert "acme" in rapport("profile", "ann").stdout
    assert rapport("account", "nowhere").exit_code == 1


def test_a_rule_asks_person_and_account_and_asks_again_when_its_wait_is_over(told: Told) -> None:
    up, rapport = told.up, told.up.command

    def outcomes() -> dict[str, str]:
        lines = rapport("deliveries", "--status", "waiting,sent,held,failed", "--json").stdout.splitlines()
        return {f"{d['rule']} {d['key'].rpartition('/')[2]}": d["status"] for d in map(json.loads, lines)}

    def invite(who: str, number: str) -> None:
        before = account(up)["touchpoints"]
        tell(up, "track", userId=who, event="Invite Sent", messageId=number, context={"groupId": "acme"})
        eventually(lambda: account(up)["touchpoints"] > before)

    invite("bob", "i0")  # no admin
    invite("ann", "i1")
    tell(up, "track", "key-b", userId="ann", event="Invite Sent", messageId="i2")  # the other acme is on no plan
    eventually(lambda: outcomes() == {"at_once i1": "sent", "later i1": "sent"})
    invite("ann", "i3")
    eventually(lambda: outcomes().get("at_once i3") == "sent")
    tell(up, "group", userId="bob", groupId="acme", traits={"plan": "free"})
    eventually(lambda: outcomes().get("later i3") == "held")
    invite("ann", "i4")
    tell(up, "group", userId="bob", groupId="acme", traits={"plan": "pro"}, messageId="again")
    eventually(lambda: told_traits(account(up))["plan"] == "pro")
    sent = sorted(str(message["Subject"]) for message in told.mail.messages)
    assert sent == ["at_once acme 2 i1", "at_once acme 2 i3", "later acme 2 i1"]
    assert "at_once i4" not in outcomes(), "the account was on another plan when it happened"


def test_a_replay_makes_the_same_accounts_and_the_books_balance(told: Told) -> None:
    up = told.up
    before = {workspace: account(up, workspace) for workspace in ("main", "brand-b")}
    sent = len(told.mail.messages)
    assert json.loads(up.rapport("audit", "--json"))["balanced"]
    up.rapport("replay")
    for workspace, document in before.items():
        after = account(up, workspace)
        assert plain(after) == plain(document) and after["version"] > document["version"]
    assert json.loads(up.rapport("audit", "--json"))["balanced"]
    assert len(told.mail.messages) == sent
