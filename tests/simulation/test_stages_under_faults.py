"""Laws 1 and 5's ground: whatever fails, however partitioned, the same touchpoints give the same people, byte for byte.

The reference is one partition without faults. Seeds are fixed, and what they hit is asserted, so the test can fail.
"""

from collections import Counter

import msgspec
import pytest

from schemas import fast
from schemas.fast import AudienceChange, Profile, Touchpoint
from services.identity.processor import Identity
from services.identity.records import Component
from services.profile import accounts
from services.profile.accounts import Account, Accounts
from services.profile.assemble import Assemble
from services.profile.definitions import Audience, Definitions, Trait
from services.profile.fold import Fold
from services.profile.person import document
from tests.simulation.world import LATER, RULES, World, history

DEFINITIONS = Definitions(
    traits=[
        Trait(name="orders", event="Order Completed", count=True),
        Trait(name="spent", event="Order Completed", sum="total"),
        Trait(name="first_total", event="Order Completed", first="total"),
        Trait(name="last_total", event="Order Completed", last="total"),
        Trait(name="often", event="Order Completed", most_frequent="total"),
        Trait(name="bought", event="Order Completed", sum="total", of="account"),
        Trait(name="lately", event="Order Completed", sum="total", within="3m"),
    ],
    audiences=[
        Audience.model_validate({"name": "buyers", "who": {"trait": "orders", "gte": 2}}),
        Audience.model_validate({"name": "locals", "who": {"trait": "city", "is": "上海"}}),
        Audience.model_validate({"name": "lively", "who": {"event": "Order Completed", "within": "1m"}}),
        Audience.model_validate({"name": "poor", "who": {"not": {"trait": "lately", "gt": 5}}}),
        Audience.model_validate({"name": "left", "who": {"did": "page", "then_not": "identify", "within": "2m"}}),
    ],
)
WEEK = 7 * 24 * 3_600_000


def stages(definitions: Definitions = DEFINITIONS) -> list:
    return [
        lambda: Fold(definitions, window=WEEK),
        lambda: Identity(RULES),
        lambda: Assemble(definitions, 0),
        lambda: Accounts(definitions, 0),
    ]


def people(world: World) -> dict[str, bytes]:
    """The published document of everybody, but for its version."""
    found = {}
    for person in world.records("assemble").values():
        profile = document(person, DEFINITIONS)
        assert profile.audiences == document(person, DEFINITIONS, now=LATER).audiences
        if not profile.deleted:
            plain = fast.loads(fast.dumps(profile))
            plain.pop("version")
            found[profile.profile_id] = fast.dumps(plain)
    return found


def copy(world: World) -> dict[str, Profile]:
    """What somebody has who read everything ever published and kept the highest version of each id."""
    found: dict[str, Profile] = {}
    documents: dict[tuple[str, int], bytes] = {}
    for (topic, _), published in world.log.topics.items():
        for profile in published if topic == "profiles" else ():
            same = documents.setdefault((profile.profile_id, profile.version), fast.dumps(profile))
            assert same == fast.dumps(profile)  # also of a zombie, and of a store that forgot
            if profile.profile_id not in found or found[profile.profile_id].version < profile.version:
                found[profile.profile_id] = profile
    return found


def companies(world: World) -> dict[str, Profile]:
    """The newest published document of every account, but for its version, which only grows."""
    published = [one for (topic, _), found in world.log.topics.items() if topic == "accounts" for one in found]
    found: dict[str, Profile] = {}
    for profile in sorted(published, key=lambda one: one.version):
        found[profile.profile_id] = msgspec.structs.replace(profile, version=0)
    for account in world.records("accounts").values():
        if isinstance(account, Account):
            now = msgspec.structs.replace(accounts.document(account, DEFINITIONS.accounts, 0), version=0)
            assert found[now.profile_id] == now
    return found


def told(world: World) -> list[AudienceChange]:
    """Every audience change that anybody was told, repetitions included."""
    return [one for (topic, _), found in world.log.topics.items() if topic == "audience-changes" for one in found]


def triggers(world: World) -> set[tuple[str, str]]:
    """The touchpoints that rules have heard of: none is missed, whatever fails."""
    causes = [one for (topic, _), found in world.log.topics.items() if topic == "causes" for one in found]
    return {(one.touchpoint.message_id, one.anchor) for one in causes if not one.audience}


def run(seed: int, touchpoints: list[Touchpoint], partitions: int, faults: bool) -> World:
    world = World(seed, stages(), partitions, faults)
    world.settle(list(touchpoints))
    return world


@pytest.mark.parametrize("block", range(6))
def test_crashes_zombies_and_lost_writes_change_nobody(block: int) -> None:
    hits: Counter[str] = Counter()
    for seed in range(block * 25, block * 25 + 25):
        touchpoints = history(seed)
        calm = run(seed, sorted(touchpoints, key=lambda t: t.message_id), 1, faults=False)
        rough = run(seed, touchpoints, 3, faults=True)
        assert people(rough) == people(calm), f"seed {seed}"
        assert companies(rough) == companies(calm), f"seed {seed}"
        published = copy(rough)
        for person in rough.records("assemble").values():
            assert published.get(person.profile_id) == (document(person, DEFINITIONS) if person.count else None)
        received = {one.message_id: one.received_at for one in touchpoints}
        for change in told(rough):  # whenever it was worked out
            _, _, due = change.cause.partition("@")
            assert change.at == int(due or received[change.cause]), f"seed {seed}"
            hits[change.reason] += 1
        for account in companies(calm).values():
            mine = {t.message_id: t for t in touchpoints if f"account:{t.group_id}" in account.identifiers}
            assert account.touchpoints == len(mine)
            hits["account of several"] += len({t.anchor for t in mine.values()}) > 1
        assert triggers(rough) == triggers(calm), f"seed {seed}"
        hits["crash"] += rough.crashes
        hits["zombie"] += rough.zombies
        hits["lost"] += rough.lost
        components = [c for c in calm.records("identity").values() if isinstance(c, Component)]
        hits["refused link"] += sum(link.refused for component in components for link in component.links.values())
        hits["several identifiers"] += sum(len(fast.loads(p)["identifiers"]) > 1 for p in people(calm).values())
        hits["moved by time"] += any(c.reason == "time" for c in calm.log.topics["audience-changes", 0])
        hits["left for good"] += any(b'"left"' in p for p in people(calm).values())
        hits["duplicate"] += len(calm.log.topics["duplicates", 0])
    assert (
        min(
            hits[what]
            for what in (
                "crash",
                "zombie",
                "lost",
                "refused link",
                "several identifiers",
                "duplicate",
                "moved by time",
                "merged",
                "split",
                "time",
                "left for good",
                "account of several",
            )
        )
        > 0
    ), hits
