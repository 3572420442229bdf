"""Public topics can be written by others, too; and who has given a partition back takes nothing over any more."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.errors import Fenced
from services.runtime.frames import StoredFrame
from services.runtime.kafka.fenced import FencedProducer, Keyed
from services.runtime.kafka.reading import Chunk
from services.runtime.settings import Settings
from services.runtime.workers.actions import KafkaActions


@pytest.mark.parametrize("body", [b"\xff", b'{"workspace":"\xff"}', b'{"params":' + b"[" * 100_000, b"", b"{}"])
def test_what_is_no_action_is_passed_over(body: bytes) -> None:
    chunk = Chunk([StoredFrame(7, 1, 0, body)], 8)
    reader: Any = SimpleNamespace(partitions=1, incarnation="x", read=lambda *given: chunk)
    assert KafkaActions(reader).read({"x/0": 7}, 100) == ({"x/0": 8}, [])


def test_a_producer_that_was_closed_puts_nobody_out() -> None:
    producer = FencedProducer(Settings(kafka="127.0.0.1:1"), "assemble-0")
    producer.close()
    with pytest.raises(Fenced):
        producer.publish([Keyed("profiles", 0, b"k", b"v")])
    with pytest.raises(Fenced):
        producer.take_over()
