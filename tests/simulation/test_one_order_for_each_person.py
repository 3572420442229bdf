"""However partitions are read, what is told of somebody who does one thing after the other is the same, to the byte.

One partition, which is the embedded engine's order, is the reference. Between two touchpoints everything comes to rest;
within one, its moves reach the people in any order.
"""

from collections import Counter

import pytest

from schemas import fast
from schemas.fast import Touchpoint
from tests.simulation.test_stages_under_faults import stages
from tests.simulation.world import World, history

TOLD = ("audience-changes", "identity-changes", "causes", "profiles")


def told(seed: int, touchpoints: list[Touchpoint], partitions: int) -> dict[str, list[bytes]]:
    """Everything that is told of people when one touchpoint comes after the other."""
    world = World(seed, stages(), partitions, faults=False)
    for touchpoint in touchpoints:
        world.arrive(touchpoint)
        while ready := [worker for _, worker in world.workers if worker.ready()]:
            assert world.random.choice(ready).step()
    assert not any(person.waiting for person in world.records("assemble").values())
    messages = {
        topic: [one for (name, _), found in world.log.topics.items() if name == topic for one in found]
        for topic in TOLD
    }
    newest = {one.profile_id: one for one in sorted(messages["profiles"], key=lambda one: one.version)}
    messages["profiles"] = list(newest.values())  # of those between only some are told, as the frames were cut
    return {topic: sorted(map(fast.dumps, found)) for topic, found in messages.items()}


@pytest.mark.parametrize("block", range(4))
def test_partitions_change_nothing_that_is_told(block: int) -> None:
    hits: Counter[str] = Counter()
    for seed in range(block * 50, block * 50 + 50):
        touchpoints = sorted(history(seed), key=lambda one: one.received_at)
        calm = told(seed, touchpoints, 1)
        for again in range(3):
            rough = told(seed + 1_000 * again, touchpoints, 4)
            for topic in TOLD:
                assert set(rough[topic]) ^ set(calm[topic]) == set(), f"seed {seed}, {topic}"
                assert rough[topic] == calm[topic]
        for topic in TOLD:
            hits[topic] += len(calm[topic])
        hits["merged"] += sum(b'"reason":"merged"' in one for one in calm["audience-changes"])
    assert min(hits[what] for what in (*TOLD, "merged")) > 0, hits
