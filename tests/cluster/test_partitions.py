"""A key's partition is the one that Kafka's own Java client gives it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.kafka.partitions import murmur2, partition_of

KAFKAS_OWN = {  # org.apache.kafka.common.utils.UtilsTest.testMurmur2
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("data", KAFKAS_OWN)
def test_the_hash_is_the_one_that_kafkas_own_tests_expect(data: bytes) -> None:
    assert murmur2(data) == KAFKAS_OWN[data] % 2**32


@given(st.binary(max_size=70))
def test_the_hash_is_the_one_of_another_client(data: bytes) -> None:
    from aiokafka.partitioner import murmur2 as theirs

    assert murmur2(data) == theirs(data) % 2**32


@given(st.text(), st.integers(1, 1_024))
def test_a_key_has_one_partition_and_it_is_there(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == partition_of(key, partitions) in range(partitions)


def test_keys_spread_over_all_partitions() -> None:
    assert {partition_of(f"p{n:032x}", 64) for n in range(1_000)} == set(range(64))
