"""Lines in a frame that are no touchpoints: each lands in `rejected` with its place; the rest of the frame goes on."""

import re
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from schemas import fast
from schemas.identifiers import profile_id
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.partitions import partition_of
from tests.faults.installation import PARTITIONS, installed

POISON = [
    b"this is no JSON",
    b'{"v":1,"workspace":"main","profile_id":"x","rules":[]}',
    b"\xff\xfe\x00broken",
    b'{"v":1' + b"0" * 5_000 + b"}",
    b"[" * 100_000,
    b'{"workspace":"main","received_at":1' + b"0" * 400 + b"}",
    b'{"v":1,"properties":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"null",
    b"",
]


def test_poison_is_put_aside_and_the_rest_of_its_frame_goes_on(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        (worker,) = ours.start()
        feed = ours.feed(people=40, rounds=len(POISON))
        producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 0})
        for one in POISON:
            by_partition: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
            for touchpoint in feed.round():
                place = partition_of(profile_id("main", touchpoint.anchor), PARTITIONS)
                by_partition[place].append(fast.dumps(touchpoint))
            for partition, lines in by_partition.items():
                middle = len(lines) // 2
                body = b"\n".join([*lines[:middle], one, *lines[middle:]])
                producer.produce(topic_name(ours.settings, "touchpoints"), body, partition=partition)
            assert producer.flush(10) == 0
        ours.settle()
        assert worker.process.poll() is None
        ours.audit()
        places = [re.search(r"touchpoints/\d at offset \d+, line \d+", one["reason"]) for one in ours.rejected()]
        assert all(places)
        assert len({place.group() for place in places if place}) == len(places) == PARTITIONS * len(POISON)
