"""Two workspaces on one platform: the same people, message ids and rules, and nothing of one is seen in the other."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from schemas.topics import TOPICS
from tests.e2e.running import Platform, eventually, platform
from tests.runtime.sinks import MailSink, WebSink, mail_sink, web_sink

WORKSPACES = ("main", "brand-b")
PUBLIC = sorted(name for name, topic in TOPICS.items() if topic.public)
CONFIG = {
    "sources.yaml": """
sources:
  - {name: shop, write_key: key-main, channel: server, trusted: true}
  - {name: shop-b, write_key: key-brand-b, channel: server, trusted: true, workspace: brand-b}
""",
    "traits.yaml": "traits:\n  - {name: spent, event: Order Completed, sum: total}\n",
    "audiences.yaml": "audiences:\n  - {name: big, who: {trait: spent, gte: 100}}\n",
}
THANKS = """
name: thanks
workspace: {workspace}
when: {{event: Order Completed}}
then:
  - email:
      from: "Shop <shop@example.com>"
      subject: "{workspace} {{{{ profile.computed.spent }}}}"
      text: Hello
      consent: unless_denied
  - webhook: {{url_env: HOOK_URL, secret_env: HOOK_SECRET}}
"""
ONLY_MAIN = """
name: big_one
when: {enters: big}
then:
  - webhook: {url_env: HOOK_URL, secret_env: HOOK_SECRET}
"""
BROKEN = """
name: broken
workspace: {workspace}
when: {{event: Broken}}
then:
  - webhook: {{url_env: NO_SUCH_URL, secret_env: HOOK_SECRET}}
"""
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOTALS = {"main": 10, "brand-b": 1_000}


class Installation(NamedTuple):
    """A platform with both workspaces, and what it sent."""

    up: Platform
    mail: MailSink
    web: WebSink
    environment: dict[str, str]


def story(up: Platform, workspace: str) -> None:
    """Ann looks around, logs in (in main only), orders twice, once more by accident, and something breaks."""
    key = f"key-{workspace}"
    ann = {"userId": "ann", "traits": {"email": "Ann@Example.com", "lives in": workspace}}
    log_in = ann | {"anonymousId": "a1"} if workspace == "main" else ann
    order = {"userId": "ann", "event": "Order Completed", "properties": {"total": TOTALS[workspace]}}
    assert up.post("page", {"anonymousId": "a1", "messageId": "m1"}, key)["accepted"] == 1
    assert up.post("identify", log_in | {"messageId": "m2"}, key)["accepted"] == 1
    assert up.post("track", order | {"messageId": "m3"}, key)["accepted"] == 1
    assert up.post("track", order | {"messageId": "m3"}, key)["duplicates"] == 1
    assert up.post("track", {"userId": "ann", "event": "Broken", "messageId": "m4"}, key)["accepted"] == 1
    assert up.post("track", {"event": "Nobody's", "messageId": "m5"}, key)["rejected"] == 1


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    config = tmp_path_factory.mktemp("config")
    (config / "rules").mkdir()
    for name, text in CONFIG.items():
        (config / name).write_text(text)
    (config / "rules" / "big.yaml").write_text(ONLY_MAIN)
    for workspace in WORKSPACES:
        (config / "rules" / f"thanks-{workspace}.yaml").write_text(THANKS.format(workspace=workspace))
        (config / "rules" / f"broken-{workspace}.yaml").write_text(BROKEN.format(workspace=workspace))
    with ExitStack() as stack:
        mail, smtp = stack.enter_context(mail_sink())
        web, port = stack.enter_context(web_sink())
        environment = {
            "RAPPORT_SMTP_PORT": str(smtp), "HOOK_URL": f"http://127.0.0.1:{port}/", "HOOK_SECRET": SECRET,
            "RAPPORT_PRIVATE_HOSTS": '["127.0.0.1"]',
        }  # fmt: skip
        up = stack.enter_context(platform(tmp_path_factory.mktemp("data"), config, **environment))
        for workspace in WORKSPACES:
            story(up, workspace)
        eventually(lambda: len(mail.messages) >= 2 and len(web.calls) >= 2)
        assert json.loads(up.rapport("audit", "--json"))["balanced"]
        yield Installation(up, mail, web, environment)


def get(up: Platform, path: str, workspace: str, **more: str) -> httpx.Response:
    return httpx.get(f"{up.running.url}{path}", params={"workspace": workspace, **more}, timeout=30)


def ann(up: Platform, workspace: str) -> dict[str, Any]:
    return dict(get(up, "/v1/profiles/by/email/ann@example.com", workspace).json())


def lines(up: Platform, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in up.rapport(*words, "--json").splitlines()]


def test_the_same_address_is_two_people(both: Installation) -> None:
    main, other = (ann(both.up, workspace) for workspace in WORKSPACES)
    assert main["profile_id"] != other["profile_id"]
    assert (main["computed"], other["computed"]) == ({"spent": 10}, {"spent": 1_000})
    assert (main["audiences"], other["audiences"]) == ([], ["big"])
    assert [one["traits"]["lives in"]["value"] for one in (main, other)] == list(WORKSPACES)
    assert ("anonymous_id:a1" in main["identifiers"], "anonymous_id:a1" in other["identifiers"]) == (True, False)


def test_nobody_is_found_from_the_other_workspace(both: Installation) -> None:
    for workspace, other in zip(WORKSPACES, reversed(WORKSPACES), strict=True):
        own = ann(both.up, workspace)["profile_id"]
        assert get(both.up, f"/v1/profiles/{own}", workspace).status_code == 200
        assert get(both.up, f"/v1/profiles/{own}", other).status_code == 404
        assert get(both.up, f"/v1/profiles/{own}/timeline", other).status_code == 404
        done = get(both.up, f"/v1/profiles/{own}/timeline", workspace).json()["touchpoints"]
        assert {one["source"] for one in done} == {"shop" if workspace == "main" else "shop-b"}
        assert {one["message_id"] for one in done} == {"m2", "m3", "m4"} | ({"m1"} if workspace == "main" else set())
    assert json.loads(both.up.rapport("profile", "ann", "--workspace", "brand-b", "--json")) == ann(both.up, "brand-b")


def test_a_stream_and_a_tail_show_one_workspace(both: Installation) -> None:
    for topic in PUBLIC:
        for workspace in WORKSPACES:
            answer = get(both.up, f"/v1/streams/{topic}", workspace, follow="false")
            streamed = [json.loads(line)["value"] for line in answer.text.splitlines()]
            assert {one["workspace"] for one in streamed} <= {workspace}
            if topic in ("profiles", "actions"):
                tailed = lines(both.up, "tail", topic, "--no-follow", "--workspace", workspace)
                assert streamed and sorted(map(str, tailed)) == sorted(map(str, streamed))


def test_every_table_and_view_tells_the_workspaces_apart(both: Installation) -> None:
    up = both.up
    columns = lines(up, "query")
    without = [one["table"] for one in columns if "workspace" not in {column["name"] for column in one["columns"]}]
    ours = ["schema_migrations", "warehouse_watermarks"]  # of the warehouse itself
    assert without == ours, "a table that holds everybody has to say whose each row is"
    for view, main, other in (
        ("touchpoints", 4, 4), ("duplicates", 1, 1), ("profiles", 1, 2), ("rejected", 1, 1), ("conflicts", 0, 0),
        ("audiences", 0, 1), ("audience_changes", 0, 1), ("actions", 3, 3),
    ):  # fmt: skip
        counted = dict(up.select(f"SELECT workspace, count() FROM {view} GROUP BY workspace"))
        assert (counted.get("main", 0), counted.get("brand-b", 0)) == (main, other), view
    people = dict(up.select("SELECT workspace, profile_id FROM touchpoints WHERE message_id = 'm3'"))
    assert people == {workspace: ann(up, workspace)["profile_id"] for workspace in WORKSPACES}


def test_a_rule_acts_in_its_own_workspace(both: Installation) -> None:
    keys = {(row["workspace"], row["key"]) for row in lines(both.up, "deliveries", "--status", "sent,failed,held")}
    assert keys == {
        (workspace, f"{workspace}/{rule}")
        for workspace in WORKSPACES
        for rule in ("thanks/0//m3", "thanks/1//m3", "broken/0//m4")
    }, "the rule that listens to an audience of main has not heard of brand-b"
    assert sorted(str(one["subject"]) for one in both.mail.messages) == ["brand-b 1000", "main 10"]
    assert len({one["message-id"] for one in both.mail.messages}) == 2
    assert len({call.headers["webhook-id"] for call in both.web.calls}) == len(both.web.calls) == 2


def test_commands_can_be_told_the_workspace(both: Installation) -> None:
    for workspace, source in zip(WORKSPACES, ("shop", "shop-b"), strict=True):
        (refused,) = lines(both.up, "rejected", "--workspace", workspace)
        assert source in str(refused)
        held = lines(both.up, "deliveries", "--status", "held", "--workspace", workspace)
        assert [one["key"] for one in held] == [f"{workspace}/broken/0//m4"]
    again = both.up.rapport("resend", "--rule", "broken", "--workspace", "brand-b")
    assert "1 are being sent again" in again


def test_a_backup_brings_both_back_apart(both: Installation, tmp_path: Path) -> None:
    file = tmp_path / "backup.ndjson"
    both.up.rapport("export", str(file))
    sent = len(both.mail.messages), len(both.web.calls)
    with platform(tmp_path / "data", both.up.config, **both.environment) as restored:
        restored.rapport("restore", str(file))
        assert json.loads(restored.rapport("audit", "--json"))["balanced"]
        for workspace in WORKSPACES:
            before, after = ann(both.up, workspace), ann(restored, workspace)
            assert {**before, "version": 0} == {**after, "version": 0}
        sql = "SELECT workspace, source, message_id, profile_id FROM touchpoints ORDER BY 1, 2, 3"
        assert restored.select(sql) == both.up.select(sql)
    assert (len(both.mail.messages), len(both.web.calls)) == sent
