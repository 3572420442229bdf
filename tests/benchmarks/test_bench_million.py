"""The benchmark of a million touchpoints tells memory that grows from memory that is flat."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.million import Sample, flatness, most_at

looks = st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 10**9)), min_size=1).map(
    lambda drawn: [Sample(visible, {"engine": size}) for visible, size in sorted(drawn)]
)


@given(size=st.integers(2**20, 2**33), leak=st.floats(0.3, 10))
def test_memory_that_grows_with_the_touchpoints_is_told(size: int, leak: float) -> None:
    samples = [Sample(n, {"steady": size, "leaks": int(size * (1 + leak * n / 1_000))}) for n in range(0, 1_001, 10)]
    told = flatness(samples, 1_000)
    assert told["grows"] == ["leaks"] and told["growth"]["steady"] == 1


@given(size=st.integers(2**20, 2**33), swing=st.floats(0, 5), period=st.integers(2, 9))
def test_memory_that_comes_and_goes_is_flat(size: int, swing: float, period: int) -> None:
    samples = [Sample(n * 10, {"engine": int(size * (1 + swing * (n % period) / period))}) for n in range(101)]
    assert flatness(samples, 1_000)["grows"] == []


@given(looks, st.integers(0, 1_000), st.integers(1, 1_000))
def test_the_most_memory_of_a_stretch_is_that_of_a_look_in_it(samples: list[Sample], visible: int, before: int) -> None:
    most = most_at(samples, visible, before)["engine"]
    inside = [sample.memory["engine"] for sample in samples if visible - before < sample.visible <= visible]
    assert most == max(inside) if inside else most in [sample.memory["engine"] for sample in samples]
