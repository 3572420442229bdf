"""The example queries give what a few lines of Python give, over random shopping."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import pytest

from schemas.identifiers import profile_id
from services.commands import queries
from tests.warehouse.warehouse_lines import NOW, line, touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

DAY = 86_400_000
STEPS = ("Product Viewed", "Checkout Started", "Order Completed")


class Did(NamedTuple):
    """One touchpoint of the random shopping."""

    who: str
    at: int
    event: str
    channel: str
    campaign: str
    total: str


def shopping(seed: int) -> list[Did]:
    """What 60 people did in five months."""
    draw, found = random.Random(seed), []
    for person in range(60):
        for _ in range(draw.randint(1, 12)):
            event = draw.choice((*STEPS, "Order Completed", "Page Viewed"))
            at = NOW + draw.randrange(150 * DAY) // 60_000 * 60_000
            channel = "commerce" if event == "Order Completed" else draw.choice(("web", "email", "social", "server"))
            campaign = draw.choice(("", "", "newsletter", "ads"))
            found.append(Did(f"user_id:u{person}", at, event, channel, campaign, f"{draw.randrange(1, 20_000) / 100}"))
        for days, event in enumerate(STEPS[: person % 4]):
            at = NOW + (person + 2 * days) * DAY
            found.append(Did(f"user_id:u{person}", at, event, "web", "", "10.01"))
    return sorted(found, key=lambda did: did.at)


DONE = [did for _, same in groupby(shopping(7), key=lambda did: (did.at, did.who)) for did in list(same)[:1]]
ORDERS = [did for did in DONE if did.event == "Order Completed"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseProcess]:
    process = WarehouseProcess(tmp_path_factory.mktemp("examples")).start()
    process.publish("touchpoints", [_line(number, did) for number, did in enumerate(DONE)])
    process.publish("audience-changes", [_change("vips", "entered", 1), _change("vips", "exited", 2)])
    process.caught_up()
    process.caught_up("audience-changes")
    yield process
    assert process.stop() == 0


def _line(number: int, did: Did) -> bytes:
    context = {"campaign": {"source": did.campaign}} if did.campaign else {}
    return touchpoint(
        number, anchor=did.who, identifiers=[did.who], timestamp=did.at, received_at=did.at, evidence_at=did.at,
        event=did.event, channel=did.channel, context=context, properties={"total": float(did.total)},
    )  # fmt: skip


def _change(audience: str, change: str, at: int) -> bytes:
    return line(
        "audience-changes", workspace="main", profile_id=profile_id("main", "user_id:u1"), audience=audience,
        change=change, reason="touchpoint", cause="m1", at=int(datetime.now(UTC).timestamp() * 1000) + at,
    )  # fmt: skip


def asked(shop: WarehouseProcess, name: str) -> list[list[Any]]:
    return shop.rows(queries.read(name))


def spent(orders: list[Did]) -> Decimal:
    return sum((Decimal(order.total) for order in orders), Decimal(0))


def month(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-01")


def test_every_example_says_what_it_answers_and_runs(shop: WarehouseProcess) -> None:
    assert {"funnel", "retention", "rfm", "first_touch", "last_touch", "revenue_by_channel"} <= set(
        queries.everything()
    )
    for name, about in queries.everything().items():
        assert len(about) > 40 and asked(shop, name), name


def test_the_funnel_counts_who_took_the_steps_in_order_within_seven_days(shop: WarehouseProcess) -> None:
    best: Counter[str] = Counter()
    for who in {did.who for did in DONE}:
        mine = [did for did in DONE if did.who == who]
        for start in (did for did in mine if did.event == STEPS[0]):
            step, last = 1, start.at
            for did in mine:
                if step < 3 and did.event == STEPS[step] and last <= did.at <= start.at + 7 * DAY:
                    step, last = step + 1, did.at
            best[who] = max(best[who], step)
    people = [sum(step >= number for step in best.values()) for number in (1, 2, 3)]
    assert [row[2] for row in asked(shop, "funnel")] == people
    assert people[0] > people[1] > people[2] > 0


def test_retention_counts_who_came_back_how_many_months_later(shop: WarehouseProcess) -> None:
    cohorts = {order.who: month(order.at) for order in reversed(ORDERS)}
    later: dict[tuple[str, int], set[str]] = defaultdict(set)
    for order in ORDERS:
        months = int(month(order.at)[5:7]) - int(cohorts[order.who][5:7])
        later[cohorts[order.who], months].add(order.who)
    found = {(cohort, months): people for cohort, months, people, _ in asked(shop, "retention")}
    assert found == {key: len(people) for key, people in later.items()}


def test_rfm_puts_every_buyer_and_every_cent_somewhere_in_fifths(shop: WarehouseProcess) -> None:
    rows = asked(shop, "rfm")
    buyers = len({order.who for order in ORDERS})
    assert sum(row[3] for row in rows) == buyers
    assert sum(Decimal(row[4]) for row in rows) == spent(ORDERS)
    for score in range(3):
        sizes = Counter({n: sum(row[3] for row in rows if row[score] == n) for n in range(1, 6)})
        assert max(sizes.values()) - min(sizes.values()) <= 1


@pytest.mark.parametrize(("name", "which"), [("first_touch", 0), ("last_touch", -1)])
def test_attribution_gives_each_order_to_one_touch(shop: WarehouseProcess, name: str, which: int) -> None:
    expected: dict[str, list[Did]] = defaultdict(list)
    for order in ORDERS:
        met = [
            did.campaign or did.channel
            for did in DONE
            if did.who == order.who and did.channel in ("web", "email", "social") and did.event != "Order Completed"
            and order.at - 30 * DAY < did.at <= order.at
        ]  # fmt: skip
        expected[met[which] if met else "(direct)"].append(order)
    found = {touch: (orders, Decimal(revenue)) for touch, orders, revenue in asked(shop, name)}
    assert found == {touch: (len(orders), spent(orders)) for touch, orders in expected.items()}
    assert len(found) > 3


def test_revenue_by_channel_is_exact(shop: WarehouseProcess) -> None:
    found = {(month, channel): Decimal(revenue) for month, channel, _, _, revenue in asked(shop, "revenue_by_channel")}
    groups: dict[tuple[str, str], list[Did]] = defaultdict(list)
    for order in ORDERS:
        groups[month(order.at), order.channel].append(order)
    expected = {key: spent(orders) for key, orders in groups.items()}
    assert found == expected


def test_audience_sizes_tell_of_an_audience_that_nobody_is_in_any_more(shop: WarehouseProcess) -> None:
    assert asked(shop, "audience_sizes") == [["vips", 0, 1, 1]]
