"""The consumer in examples/ that keeps a copy of all profiles has what the state says, in whatever order it comes."""

import importlib.util
import json
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import msgspec
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Profile, Touchpoint
from services.profile.person import document
from services.runtime.kafka import topic_plan, topics
from services.runtime.kafka.fenced import FencedProducer, Keyed
from services.runtime.kafka.partitions import partition_of
from services.runtime.settings import Settings
from tests.e2e.running import eventually
from tests.profile.profile_histories import histories
from tests.profile.profile_stages import DEFINITIONS, Stages, order, touchpoint

EXAMPLE = Path(__file__).parents[1] / "examples" / "keep_profiles_from_kafka.py"
PARTITIONS = 3
OWNER = "rapport-assemble-0"
Records = list[tuple[str, bytes | None]]


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("keep_profiles_from_kafka", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept(copy: sqlite3.Connection) -> dict[str, Any]:
    """(redirect, document) by profile id."""
    rows = copy.execute("SELECT id, redirect, document FROM profiles")
    return {own: (redirect, json.loads(text) if text else None) for own, redirect, text in rows}


def said(stages: Stages, generation: int) -> dict[str, Any]:
    """The same, as the state has it."""
    found = {}
    for person in stages.persons().values():
        if person.count:
            profile = document(person, DEFINITIONS, generation)
            found[profile.profile_id] = (profile.redirect, None if profile.deleted else as_json(profile))
    return found


def as_json(profile: Profile) -> Any:
    return json.loads(fast.dumps(profile))


def run(history: Sequence[Touchpoint], cuts: set[int], generation: int) -> Stages:
    stages, frame = Stages(generation=generation), list[Touchpoint]()
    for n, one in enumerate(history):
        if n in cuts:
            stages.arrive(*frame)
            frame = []
        frame.append(one)
    return stages.arrive(*frame)


def records(stages: Stages) -> Records:
    """What lies on the topic."""
    return [(profile.profile_id, fast.dumps(profile)) for profile in stages.published["profiles"]]


def test_merges_frames_republished_and_shuffled_records_and_generations_leave_the_copy_in_step() -> None:
    hit: Counter[str] = Counter()
    keep = example()

    @settings(max_examples=80, deadline=None)
    @given(histories(), st.data())
    def holds(history: list[Touchpoint], data: st.DataObject) -> None:
        generation = data.draw(st.integers(0, 1))
        final = run(history, data.draw(st.sets(st.integers(1, len(history)))), generation)
        lying = [records(final)]
        if generation:  # what was published before everything was read again, and lies on the topic still
            lying.append(records(run(history, set(), 0)))
        lying.append(data.draw(st.lists(st.sampled_from(lying[0]), max_size=9)))
        copy = keep.opened(":memory:")
        for key, value in data.draw(st.permutations([record for some in lying for record in some])):
            keep.keep(copy, key, value)
        assert kept(copy) == said(final, generation)
        for redirect, now in kept(copy).values():
            assert redirect is None or (now is None and kept(copy)[redirect][1] is not None)
        hit["redirect"] += any(redirect for redirect, _ in kept(copy).values())
        hit["generation"] += generation
        hit["people"] += sum(now is not None for _, now in kept(copy).values()) > 1

    holds()
    assert min(hit[what] for what in ("redirect", "generation", "people")) > 10, hit


def test_whoever_was_split_off_comes_back_and_a_tombstone_leaves_nothing() -> None:
    keep, stages = example(), Stages()
    stages.arrive(order("m1", "user_id:2"), order("m2", "anonymous_id:a"))
    stages.arrive(touchpoint("login", "user_id:2", "anonymous_id:a", event="Signed In", at=1_700_000_000_020))
    older = touchpoint("older", "user_id:1", "anonymous_id:a", event="Signed In", at=1_700_000_000_030)
    copy = keep.opened(":memory:")
    for key, value in records(stages):
        keep.keep(copy, key, value)
    merged = [key for key, (redirect, _) in kept(copy).items() if redirect]
    assert len(merged) == 1
    stages.arrive(msgspec.structs.replace(older, evidence_at=1_700_000_000_010))
    for key, value in records(stages):  # from the beginning
        keep.keep(copy, key, value)
    assert kept(copy) == said(stages, 0)
    keep.keep(copy, merged[0], None)
    assert merged[0] not in kept(copy)


@contextmanager
def keeping(configured: Settings, copy: Path) -> Iterator[None]:
    """The example at work, killed with -9 at the end."""
    topic = topics.topic_name(configured, "profiles")
    process = subprocess.Popen([sys.executable, str(EXAMPLE), configured.kafka, topic, str(copy)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_the_copy_from_a_real_topic_is_in_step_whoever_was_killed(kafka: Any, tmp_path: Path) -> None:
    chance, path = random.Random(3), tmp_path / "copy.db"
    prefix = f"copy-{uuid4().hex[:8]}."
    configured = Settings(kafka=kafka.address, kafka_prefix=prefix, partitions=PARTITIONS, replication=1)
    made(configured)
    history = [order(f"m{n}", *chance.sample([f"anonymous_id:{n}" for n in range(20)], 2)) for n in range(60)]
    stages = run(history, set(range(0, 60, 3)), generation=1)
    whole, copy = records(stages), example().opened(path)
    with keeping(configured, path):
        publish(configured, whole[:40])
        eventually(lambda: kept(copy))
        publish(configured, whole[30:60])
    assert whole[-1] not in whole[:60]
    leave_open(configured, whole[-1][0])
    publish(configured, whole[50:])
    publish(configured, chance.sample(whole, 20))
    with keeping(configured, path):
        eventually(lambda: kept(copy) == said(stages, 1))
    copy.close()
    client, name = topics.administrator(configured), topics.topic_name(configured, "profiles")
    client.delete_topics([name])[name].result()


def made(configured: Settings) -> None:
    """The topics of a small installation."""
    client = topics.administrator(configured)
    steps = [step for step in topic_plan.plan(client, configured) if step.wanted.topic == "profiles"]
    topic_plan.apply(client, configured, steps)


def leave_open(configured: Settings, key: str) -> None:
    """What a worker leaves that is killed in the middle of a transaction: a document that never was."""
    never = json.dumps({"version": 2**60, "redirect": None, "deleted": True})
    producer = Producer(
        {"bootstrap.servers": configured.kafka, "transactional.id": f"{configured.kafka_prefix}{OWNER}"}
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topics.topic_name(configured, "profiles"), never, key, partition_of(key, PARTITIONS))
    assert producer.flush(10) == 0


def publish(configured: Settings, some: Records) -> None:
    """As the stage publishes, in one transaction."""
    name = topics.topic_name(configured, "profiles")
    producer = FencedProducer(configured, "assemble-0")
    producer.take_over()
    producer.publish([Keyed(name, partition_of(key, PARTITIONS), key.encode(), value) for key, value in some])
    producer.close()
