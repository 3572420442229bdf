"""What all workers share: the first to come decides, the others find what it decided."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.configuration import load_config
from services.errors import RapportError
from services.processor import Wakeup
from services.runtime.followups.ledger import Ledger
from services.runtime.redis import layout
from services.runtime.redis.about import About, fingerprint

CONFIG = Path(__file__).parents[2] / "config"
RULES = st.dictionaries(st.tuples(st.sampled_from(["main", "other"]), st.sampled_from("abc")), st.sampled_from("xy"))


@pytest.fixture
def client(redis_server) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as client:
        yield client
        client.delete(*client.scan_iter("test-shared-*", count=1_000), "nothing")


def about(client: redis.Redis) -> About:
    return About(client, f"test-shared-{uuid.uuid4().hex[:12]}")


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(starts=st.lists(RULES, max_size=6))
def test_rules_go_live_as_by_the_ledger(client: redis.Redis, tmp_path: Path, starts) -> None:
    ledger, ours = Ledger(tmp_path / f"{uuid.uuid4().hex}.db"), about(client)
    for now, rules in enumerate(starts):
        assert ours.go_live(rules, now) == ledger.go_live(rules, now)
    ledger.close()


def test_workers_that_start_together_agree(client: redis.Redis) -> None:
    ours, rules = about(client), {("main", str(n)): "print" for n in range(50)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda now: ours.go_live(rules, now), range(20)))
        since = set(pool.map(lambda now: ours.in_force("print", now, 4), range(20)))
    assert all(one == found[0] for one in found)
    assert len(set(found[0].values())) == len(since) == 1


def test_definitions_are_in_force_since_the_first_worker_had_them_or_just_before_an_overdue_alarm(
    client: redis.Redis,
) -> None:
    ours = about(client)
    assert ours.in_force("one", 100, 3) == 100
    assert ours.in_force("one", 200, 3) == 100
    keys = [layout.keys(ours._prefix, "assemble", partition) for partition in range(3)]
    for due, key in zip((500, 150, 400), keys, strict=True):
        client.zadd(key.wakeups, {layout.member(Wakeup(due, "p")): due})
    assert ours.in_force("two", 300, 3) == 149
    assert ours.in_force("one", 120, 3) == 120


def test_another_number_of_partitions_or_days_is_refused(client: redis.Redis) -> None:
    ours = about(client)
    ours.settle(64, 7)
    ours.settle(64, 7)
    with pytest.raises(
        RapportError, match=r"RAPPORT_PARTITIONS is 32 here.*start every process with RAPPORT_PARTITIONS=64"
    ):
        ours.settle(32, 7)
    with pytest.raises(RapportError, match=r"RAPPORT_DEDUP_DAYS is 1 here.*with RAPPORT_DEDUP_DAYS=7"):
        ours.settle(64, 1)


def test_a_worker_notices_that_a_later_one_has_another_configuration(client: redis.Redis) -> None:
    ours = about(client)
    assert ours.newest("old")
    ours.announce("old")
    assert ours.newest("old")
    ours.announce("new")
    assert not ours.newest("old")
    assert ours.newest("new")
    assert ours.generation() == 0


def test_the_fingerprint_of_a_configuration_changes_with_what_it_says() -> None:
    config = load_config(CONFIG)
    assert fingerprint(config) == fingerprint(load_config(CONFIG))
    assert fingerprint(config) != fingerprint(config._replace(rules=config.rules[1:], sending=config.sending))
