"""What the demo's rules must send is computed from the file; what came twice, or from nowhere, shows."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.commands.demo import followups as demo
from services.commands.demo.cdnow import Purchase
from services.commands.demo.checks import of_followups
from services.commands.demo.followups import NEW_VIP, ORDERED, THANKS, UNVERIFIED, VIP_FROM, Receipts, followups, vips
from services.commands.demo.sinks import Sinks
from services.conditions.tree import OfTrait
from services.configuration import load_config

MAIL = (THANKS, "m")
CONFIG = Path(__file__).parents[2] / "config"


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 120_000)), max_size=30))
def test_a_vip_is_whoever_spent_enough_in_all(orders: list[tuple[int, int]]) -> None:
    purchases = [
        Purchase(n, f"{customer:05}", "19970101", 1, f"{cents // 100}.{cents % 100:02}")
        for n, (customer, cents) in enumerate(orders, 1)
    ]
    spent: Counter[int] = Counter()
    for customer, cents in orders:
        spent[customer] += cents
    assert vips(purchases) == sum(cents >= VIP_FROM * 100 for cents in spent.values())


def received(folder: Path, mails: list[tuple[str, str]], calls: list[tuple[str, str, bool]]) -> Receipts:
    sinks = Sinks(folder)
    sinks.mail.folder.mkdir(exist_ok=True)
    for number, (rule, name) in enumerate(mails, 1):
        (sinks.mail.folder / f"{number:04}.eml").write_text(
            f"X-Rapport-Rule: {rule}\r\nMessage-ID: <{name}@shop.example>\r\n\r\nhello\r\n"
        )
    lines = [
        {"id": name, "verified": verified, "body": {"data": {"rule": rule}} if verified else "?"}
        for rule, name, verified in calls
    ]
    sinks.webhook.file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Receipts(sinks)


def test_everything_once_is_right(tmp_path: Path) -> None:
    calls = [(ORDERED, "o", True), (NEW_VIP, "v1", True), (NEW_VIP, "v2", True)]
    found = followups(received(tmp_path, [MAIL], calls), received(tmp_path / "empty", [], []), 2)
    assert [(one.rule, one.expected, one.received, one.now) for one in found] == [
        (THANKS, 1, 1, 1), (ORDERED, 1, 1, 1), (NEW_VIP, 2, 2, 2), (UNVERIFIED, 0, 0, 0)
    ]  # fmt: skip
    assert all(one.right for one in found) and all(check.right for check in of_followups(found))


def test_what_came_twice_or_not_at_all_or_unsigned_is_wrong(tmp_path: Path) -> None:
    calls = [(NEW_VIP, "v1", True), (NEW_VIP, "v1", True), ("", "x", False)]
    found = {
        f.rule: f for f in followups(received(tmp_path, [MAIL, MAIL], calls), received(tmp_path / "empty", [], []), 1)
    }
    assert {rule for rule, one in found.items() if not one.right} == {THANKS, ORDERED, NEW_VIP, UNVERIFIED}
    assert (found[THANKS].received, found[THANKS].twice) == (1, 1)
    assert len([check for check in of_followups(found.values()) if not check.right]) == 4


def test_rules_of_the_users_own_are_not_the_demos_business(tmp_path: Path) -> None:
    calls = [(ORDERED, "o", True), ("my_rule", "x", True), ("my_rule", "x", True)]
    found = followups(received(tmp_path, [MAIL, ("my_mail", "n")], calls), received(tmp_path / "empty", [], []), 0)
    assert all(one.right for one in found)


def test_a_later_run_knows_what_came_in_an_earlier_one(tmp_path: Path) -> None:
    earlier = received(tmp_path, [MAIL], [(ORDERED, "o", True)])
    now = received(tmp_path, [MAIL], [(ORDERED, "o", True), (NEW_VIP, "v1", True)])
    assert [(one.received, one.now) for one in followups(now, earlier, 1)] == [(1, 0), (1, 0), (1, 1), (0, 0)]


def test_the_starter_configuration_has_what_the_demo_counts_on() -> None:
    config = load_config(CONFIG)
    rules = {rule.name: rule for rule in config.rules}
    assert {name for name in (THANKS, ORDERED, NEW_VIP) if rules[name].enabled} == {THANKS, ORDERED, NEW_VIP}
    assert rules[NEW_VIP].history == "act" and rules[NEW_VIP].when.enters == "vips"
    assert rules[ORDERED].history == rules[THANKS].history == "ignore"
    (vip,) = (audience.who for audience in config.audiences if audience.name == "vips")
    assert isinstance(vip, OfTrait) and vip.comparison == ("gte", Decimal(demo.VIP_FROM))
    traits = {trait.name: (trait.event, trait.property) for trait in config.traits}
    assert traits["lifetime_value"] == ("Order Completed", "total")
    assert traits["units"] == ("Order Completed", "quantity")
