"""The commands on a real platform, as people and programs use them."""

import gzip
import json
import re
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.commands.application import app
from tests.commands.using_rapport import Command

ROOT = Path(__file__).parents[2]


def test_an_event_is_sent_and_its_verdict_told(rapport: Command) -> None:
    sent = rapport("send", "track", "--user", "u9", "--event", "Visited", "--message-id", "m9", "--json")
    assert sent.exit_code == 0 and json.loads(sent.stdout) == {"messageId": "m9", "status": "accepted"}
    again = rapport("send", "track", "--user", "u9", "--event", "Visited", "--message-id", "m9")
    assert again.exit_code == 0 and "duplicate" in again.stdout
    refused = rapport("send", "track", "--event", "Visited")
    assert refused.exit_code == 1 and "no_identifier" in refused.stdout and "userId" in refused.stdout


def test_values_of_properties_are_json_or_else_text(rapport: Command) -> None:
    words = ("-p", "total=12.50", "-p", "zip=01234", "-p", "new=true", "-p", 'size="7"')
    assert rapport("send", "track", "--user", "u8", "--event", "Typed", *words).exit_code == 0
    rows = [json.loads(line) for line in rapport("tail", "--no-follow", "--json").stdout.splitlines()]
    properties = next(row["properties"] for row in rows if row["event"] == "Typed")
    assert properties == {"total": 12.5, "zip": "01234", "new": True, "size": "7"}


def test_an_import_names_bad_rows_and_never_doubles(rapport: Command, tmp_path: Path) -> None:
    good = b'{"type":"track","userId":"i1","event":"Imported"}'
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join([good, b"{oops", good, b"", b'{"type":"track","userId":"i1"}'])))
    first = rapport("import", str(file))
    assert first.exit_code == 1 and "4 rows: 2 accepted, 0 known already, 2 refused" in first.stdout
    assert "line 2: the row is not JSON" in first.stderr and "line 5: " in first.stderr and "event" in first.stderr
    second = json.loads(rapport("import", str(file), "--json").stdout)
    assert (second["accepted"], second["duplicates"], second["rejected"]) == (0, 2, 2)
    assert [row["line"] for row in second["refused"]] == [2, 5]
    mended = gzip.decompress(file.read_bytes()).replace(b"{oops", good.replace(b"i1", b"i2"))
    third = json.loads(rapport("import", "-", "--json", stdin=mended).stdout)
    assert (third["accepted"], third["duplicates"], third["rejected"]) == (1, 2, 1)


def test_a_person_is_found_by_whatever_they_are_known_by(rapport: Command) -> None:
    known = [json.loads(rapport("profile", who, "--json").stdout) for who in ("email:ANN@example.com", "u1", "a1")]
    assert known[0] == known[1] == known[2] and known[0]["identifiers"][0] == "anonymous_id:a1"
    assert json.loads(rapport("profile", known[0]["profile_id"], "--json").stdout) == known[0]
    card = rapport("profile", "u1", "--recent", "3")
    assert "ann@example.com" in card.stdout and "regulars" in card.stdout and "Order Completed" in card.stdout
    nobody = rapport("profile", "nobody@example.com")
    assert nobody.exit_code == 1 and "nobody is known by" in nobody.stderr


def test_who_is_in_an_audience_is_shown_before_the_platform_runs_with_it(
    rapport: Command, config_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(config_folder, tmp_path / "config")
    (folder / "audiences.yaml").write_text("audiences: [{name: fans, who: {event: Order Completed, at_least: 7}}]")
    done = rapport("audience", "fans", "--json", "--config", str(folder))
    expected = rapport("query", "SELECT profile_id FROM profiles WHERE computed.orders >= 7", "--json")
    found = {json.loads(line)["profile_id"] for line in done.stdout.splitlines()}
    assert found == {json.loads(line)["profile_id"] for line in expected.stdout.splitlines()} != set()
    assert f"fans: {len(found)} people" in rapport("audience", "fans", "--config", str(folder)).stdout
    unknown = rapport("audience", "fan", "--config", str(folder))
    assert unknown.exit_code == 1 and "there are: fans" in unknown.stderr


def test_the_warehouse_is_asked_in_sql_and_describes_itself(rapport: Command) -> None:
    sql = "SELECT uniqExact(profile_id) AS people, sum(revenue) AS total FROM touchpoints WHERE anchor = 'user_id:u0'"
    assert json.loads(rapport("query", sql, "--json").stdout)["people"] == 1
    assert rapport("query", sql, "--csv").stdout.startswith('"people","total"\n1,')
    assert "people" in rapport("query", sql).stdout
    tables = {one["table"]: one for one in map(json.loads, rapport("query", "--json").stdout.splitlines())}
    assert {"touchpoints", "profiles", "actions"} <= set(tables)
    assert all(column["comment"] for one in tables.values() for column in one["columns"])
    refused = rapport("query", "DROP TABLE touchpoint_log")
    assert refused.exit_code == 1 and "read-only" in refused.stderr and "Traceback" not in refused.stderr


def test_an_example_is_made_ones_own_by_way_of_a_file(rapport: Command) -> None:
    shown = rapport("query", "--example", "funnel", "--show").stdout
    own = shown.replace("'Product Viewed', 'Checkout Started'", "'Order Completed', 'Order Completed'")
    done = rapport("query", "-", "--json", stdin=own.encode())
    assert own != shown and done.exit_code == 0
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["Order Completed"] * 3


def test_events_whose_amount_was_no_number_are_found_by_the_query_of_the_page_about_traits(rapport: Command) -> None:
    for total in ("12.5", '"12.50"', '"12,50 €"', "null", "text"):
        assert rapport("send", "track", "--user", "u7", "--event", "Priced", "-p", f"total={total}").exit_code == 0
    (sql,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "traits.md").read_text(encoding="utf-8"), re.DOTALL)
    deadline = time.monotonic() + 20
    while not (found := rapport("query", sql, "--json").stdout) or json.loads(found)["events"] < 2:
        assert time.monotonic() < deadline
    row = json.loads(found)
    assert (row["source"], row["event"], row["events"]) == ("web", "Priced", 2) and row["example"] in (
        "12,50 €",
        "text",
    )


def test_topics_are_followed_as_lines(rapport: Command) -> None:
    for topic in ("touchpoints", "rejected", "profiles", "audience-changes", "actions", "deliveries", "duplicates"):
        lines = rapport("tail", topic, "--no-follow").stdout.splitlines()
        assert lines and len(lines) == len(rapport("tail", topic, "--no-follow", "--json").stdout.splitlines())
    unknown = rapport("tail", "cells")
    assert unknown.exit_code == 1 and "touchpoints" in unknown.stderr


def test_follow_ups_that_ended_badly_are_listed_and_sent_again(rapport: Command) -> None:
    listed = [json.loads(line) for line in rapport("deliveries", "--json").stdout.splitlines()]
    assert {(row["rule"], row["status"]) for row in listed} == {("notes", "failed")}
    assert "HOME has to hold" in listed[0]["reason"]
    again = rapport("resend", listed[0]["key"])
    assert again.exit_code == 0 and "1 are being sent again" in again.stdout
    assert rapport("resend", "no-such-key").exit_code == 1
    assert rapport("resend").exit_code == 1
    assert rapport("deliveries", "--status", "lost").exit_code == 1
    shown = rapport("deliveries")
    assert "thanks" in shown.stdout and "rapport deliveries --status held" in shown.stderr


def test_follow_ups_that_are_held_are_sent_again_by_rule_and_held_again_with_the_same_reason(rapport: Command) -> None:
    def held() -> dict[str, int]:
        rows = [json.loads(line) for line in rapport("deliveries", "--status", "held", "--json").stdout.splitlines()]
        assert all("without NO_SUCH_SECRET and NO_SUCH_URL" in row["reason"] for row in rows if row["attempt"] == 0)
        return {row["key"]: row["at"] for row in rows}

    before = held()
    assert before and all(re.fullmatch("main/thanks/0//[^/]+", key) for key in before)
    again = rapport("resend", "--rule", "thanks")
    assert again.exit_code == 0 and f"{len(before)} are being sent again" in again.stdout
    deadline = time.monotonic() + 20
    while (now := held()).keys() != before.keys() or any(now[key] == before[key] for key in before):
        assert time.monotonic() < deadline


def test_lists_can_be_of_one_workspace_only(rapport: Command) -> None:
    every = "waiting,attempting,sent,held,failed,uncertain,dead"
    for words in (("rejected",), ("deliveries", "--status", every)):
        here, elsewhere = (rapport(*words, "--workspace", name).stdout for name in ("main", "elsewhere"))
        assert here == rapport(*words).stdout and "main" in rapport(*words, "--workspace", "main", "--json").stdout
        assert here != elsewhere and not rapport(*words, "--workspace", "elsewhere", "--json").stdout


def test_a_replay_builds_the_same_people_again(rapport: Command) -> None:
    before = json.loads(rapport("profile", "u1", "--json").stdout)
    replayed = rapport("replay")
    assert replayed.exit_code == 0 and "generation" in replayed.stdout
    after = json.loads(rapport("profile", "u1", "--json").stdout)
    assert after.pop("version") > before.pop("version") and after == before
    assert rapport("audit").exit_code == 0


NEED_IT = ("send track --user u --event e", "import -", "query SELECT", "audit", "replay", "export -", "restore -",
           "profile u1", "resend --all")  # fmt: skip


@pytest.mark.parametrize("words", NEED_IT)
def test_a_command_that_needs_the_platform_says_how_to_start_it(
    tmp_path: Path, config_folder: Path, words: str
) -> None:
    folder = str(tmp_path / "nothing")
    given: dict[str, str | None] = {"RAPPORT_DATA": folder, "RAPPORT_CONFIG": str(config_folder)}
    ended = CliRunner().invoke(app, words.split(), input=b"{}", env=given, catch_exceptions=False)
    assert ended.exit_code == 1 and f"rapport up --data {folder}" in ended.stderr


@pytest.mark.parametrize("name", sorted(command.name or "" for command in app.registered_commands))
def test_every_command_explains_itself_with_examples(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0 and shown.stdout.count(f"rapport {name}") >= 1


def test_all_that_is_wrong_with_a_configuration_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("sources:\n  - {name: web, write_key: k, color: red}\n")
    (tmp_path / "traits.yaml").write_text("traits: 7\n")
    checked = CliRunner().invoke(app, ["check-config", str(tmp_path)])
    assert checked.exit_code == 1 and "sources.yaml" in checked.stderr and "traits.yaml" in checked.stderr
    listed = json.loads(CliRunner().invoke(app, ["check-config", str(tmp_path), "--json"]).stdout)
    assert not listed["ok"] and len(listed["problems"]) >= 2


def test_a_configuration_that_is_doubtful_is_warned_of_and_still_right(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("sources:\n  - {name: web, write_key: k}\n")
    (tmp_path / "traits.yaml").write_text("traits:\n  - {name: orders, event: Ordered, count: true}\n")
    (tmp_path / "audiences.yaml").write_text("audiences:\n  - {name: regulars, who: {trait: order, gte: 2}}\n")
    checked = CliRunner().invoke(app, ["check-config", str(tmp_path)])
    assert checked.exit_code == 0 and 'did you mean "orders"?' in checked.stderr and "is fine" in checked.stdout
    listed = CliRunner().invoke(app, ["check-config", str(tmp_path), "--json"])
    assert listed.exit_code == 0 and len(json.loads(listed.stdout)["warnings"]) == 1


def test_a_configuration_that_is_right_is_summed_up(config_folder: Path) -> None:
    checked = CliRunner().invoke(app, ["check-config", str(config_folder), "--json"])
    assert checked.exit_code == 0 and json.loads(checked.stdout)["config"]["rules"] == ["notes", "thanks"]
