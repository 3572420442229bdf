"""Cells are a commutative monoid: however touchpoints are split and in whatever order, the same bytes come out."""

import random
from collections import Counter
from functools import reduce
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Touchpoint
from services.conditions.tree import MOMENTS
from services.profile import amounts, collect
from services.profile.add import VALUE, add
from services.profile.cell import CHANNELS, TRAITS, Cell, decode, join
from services.profile.definitions import Definitions
from tests.profile import every_kind
from tests.profile.every_kind import EVERY, MINUTE
from tests.profile.profile_histories import histories
from tests.profile.profile_stages import DEFINITIONS, NOON, order, touchpoint

BYTES = {"tallies": 2_403, "sketches": 2_307, "lists": 7_103, "count": 24_509, "unique": 35_509, "moments": 24_009}
encode = msgspec.json.Encoder(order="deterministic").encode


def folded(touchpoints: list[Touchpoint], definitions: Definitions = DEFINITIONS) -> Cell:
    cell = Cell()
    for one in touchpoints:
        cell = add(cell, one, definitions)
    return cell


def test_any_split_in_any_order_joins_to_the_same_bytes() -> None:
    hit: Counter[str] = Counter()

    @settings(max_examples=400)
    @given(histories(), st.data())
    def holds(history: list[Touchpoint], data: st.DataObject) -> None:
        whole = folded(history)
        order = data.draw(st.permutations(history))
        part = [data.draw(st.integers(0, 2)) for _ in order]
        a, b, c = (folded([t for t, p in zip(order, part, strict=True) if p == number]) for number in range(3))
        assert encode(join(join(a, b), c)) == encode(join(a, join(b, c))) == encode(join(c, join(b, a)))
        assert encode(join(whole, Cell())) == encode(whole) == encode(join(join(a, b), c))
        ties = Counter(t.timestamp for t in history if t.type == "identify")
        hit["tie"] += any(n > 1 for n in ties.values())
        hit["three parts"] += len(set(part)) == 3
        hit["late"] += any(one.timestamp > other.timestamp for one, other in pairwise(order))
        hit["beyond 64 bits"] += any(abs(int(units)) > 2**64 for units in whole.sums.values())
        hit["left out"] += whole.left_out > 0
        hit["consent"] += bool(whole.consent)

    holds()
    assert len(hit) == 6 and min(hit.values()) > 3, hit


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_every_kind_of_trait_joins_to_the_same_bytes(seed: int, data: st.DataObject) -> None:
    history = every_kind.history(seed, most=20, people=1)
    arrived = data.draw(st.permutations(history))
    part = [data.draw(st.integers(0, 2)) for _ in arrived]
    a, b, c = (folded([t for t, p in zip(arrived, part, strict=True) if p == n], EVERY) for n in range(3))
    whole = encode(folded(history, EVERY))
    assert encode(join(join(a, b), c)) == encode(join(a, join(b, c))) == encode(join(c, join(b, a))) == whole
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(folded(arrived, EVERY)), type=Cell)
    assert encode(read) == encode(decode(whole)) == whole


@pytest.mark.parametrize("seed", range(3))
def test_bounds_keep_the_same_in_every_order(seed: int) -> None:
    r = random.Random(seed)
    calls = [
        touchpoint(
            f"m{n:04}", "user_id:1", event="A", at=NOON + r.randrange(MINUTE), properties={"v": f"v{r.randrange(700)}"}
        )
        for n in range(900)
    ]
    whole, parts = folded(calls, EVERY), [folded(calls[n::3], EVERY) for n in r.sample(range(3), 3)]
    assert encode(reduce(join, parts)) == encode(whole)
    assert encode(whole) == encode(folded(r.sample(calls, len(calls)), EVERY))
    said = [
        (fast.dumps(fast.loads(call.properties)["v"]).decode(), (call.timestamp, call.message_id)) for call in calls
    ]
    values = {value for value, _ in said}
    (tally,), (sketch,), (listed,) = (part.values() for part in (whole.tallies, whole.sketches, whole.lists))
    assert set(tally) == every_kind.sample(values, collect.TALLIES)
    assert tally == {value: n for value, n in Counter(value for value, _ in said).items() if value in tally}
    assert abs(collect.distinct(sketch) / len(values) - 1) < 0.2  # three standard errors
    first = {value: min(moment for other, moment in said if other == value) for value in values}
    assert list(listed) == sorted(values, key=lambda value: (*first[value], value))[: collect.LIST]
    newest = sorted(moment for _, moment in said)[-MOMENTS:]
    assert [entry[:2] for entry in whole.windows[EVERY.by_name["unique_2m"].key][1]] == newest
    assert list(whole.moments["A"][1]) == newest


def test_a_full_cell_has_so_many_bytes_and_no_more() -> None:
    """What docs/traits.md says: of message ids of 36 characters and values of 20, everything at its bound."""
    calls = [
        touchpoint(f"{n:036}", "user_id:1", event="A", at=NOON + n, properties={"v": f"value number {n:07}"})
        for n in range(600)
    ]
    cell = folded(calls, EVERY)
    size = {
        part: len(msgspec.msgpack.encode(next(iter(getattr(cell, part).values()))))
        for part in ("tallies", "sketches", "lists")
    }
    size |= {
        kind: len(msgspec.msgpack.encode(cell.windows[EVERY.by_name[f"{kind}_5m"].key])) for kind in ("count", "unique")
    }
    size["moments"] = len(msgspec.msgpack.encode(cell.moments["A"]))
    assert size == BYTES


@settings(deadline=None)
@given(histories())
def test_a_cell_survives_json_and_msgpack(history: list[Touchpoint]) -> None:
    cell = folded(history)
    assert encode(decode(encode(cell))) == encode(cell)
    assert encode(msgspec.msgpack.decode(msgspec.msgpack.encode(cell), type=Cell)) == encode(cell)


names = st.lists(st.integers(0, 3 * TRAITS).map(lambda n: f"t{n:04}"), min_size=1, max_size=150, unique=True)


@settings(max_examples=30)
@given(st.lists(names, min_size=2, max_size=4), st.randoms())
def test_bounded_maps_keep_the_same_names_in_every_order(told: list[list[str]], random: object) -> None:
    calls = [
        touchpoint(f"m{n}", "user_id:1", event="identify", traits=dict.fromkeys(some, n), channel=f"c{n}")
        for n, some in enumerate(told)
    ]
    cells = [folded([call]) for call in calls]
    forward, backward = reduce(join, cells), reduce(join, reversed(cells))
    assert encode(forward) == encode(backward) == encode(folded(calls))
    assert sorted(forward.traits) == sorted({name for some in told for name in some})[:TRAITS]


def test_channels_are_bounded_and_those_kept_are_counted_right() -> None:
    calls = [touchpoint(f"m{n}", "user_id:1", channel=f"c{n % 50:02}") for n in range(100)]
    assert folded(calls).channels == {f"c{n:02}": 2 for n in range(CHANNELS)}


def test_the_last_word_is_the_latest_and_for_equal_times_the_greater_message_id() -> None:
    def told(message_id: str, city: str, at: int = NOON) -> Touchpoint:
        return touchpoint(message_id, "user_id:1", event="identify", at=at, traits={"city": city})

    assert folded([told("m2", "Ulm"), told("m1", "Bonn")]).traits["city"][3] == '"Ulm"'
    assert folded([told("m1", "Bonn", NOON + 1), told("m2", "Ulm")]).traits["city"][3] == '"Bonn"'


def test_long_values_are_left_out_and_counted_while_the_others_stay() -> None:
    traits = {"a": "x" * VALUE, "b": "x" * (VALUE - 2), "n" * 200: 1}
    cell = folded([touchpoint("m1", "user_id:1", event="identify", traits=traits)])
    assert (sorted(cell.traits), cell.left_out) == (["b"], 2)


def test_a_value_has_one_text_however_it_was_written() -> None:
    call = touchpoint("m1", "user_id:1", event="identify")
    call = msgspec.structs.replace(call, traits=msgspec.Raw(b'{"price": 9.90, "big": 12345678901234567890123}'))  # type: ignore[type-var]
    assert {name: told[3] for name, told in folded([call]).traits.items()} == {
        "price": "9.9",
        "big": '"12345678901234567890123"',  # an id: no engine has such a number
    }


def test_consent_is_yes_no_or_their_words_and_no_wins_in_one_breath() -> None:
    said = {"email": True, "sms": "denied", "push": "maybe", "post": 1}
    cell = folded([touchpoint("m1", "user_id:1", event="identify", traits={"consent": said, "name": "Ann"})])
    assert {channel: denied for channel, (_, _, denied) in cell.consent.items()} == {"email": False, "sms": True}
    assert (sorted(cell.traits), cell.left_out) == (["name"], 2)
    both = [
        touchpoint("m1", "user_id:1", event="identify", traits={"consent": {"email": yes}}) for yes in (False, True)
    ]
    assert folded(both).consent["email"][2]


def test_only_identify_calls_tell_traits() -> None:
    assert not folded([touchpoint("m1", "user_id:1", event="Order", traits={"city": "Ulm"})]).traits


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    cell = folded([order("m1", "user_id:1", total=0.1), order("m2", "user_id:1", total=0.2)])
    assert [amounts.text(int(units)) for units in cell.sums.values()] == ["0.3"]


def test_what_is_no_json_object_is_not_looked_into() -> None:
    broken = touchpoint("m1", "user_id:1", event="identify")
    deep = msgspec.Raw(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    broken = msgspec.structs.replace(broken, traits=deep)  # type: ignore[type-var]
    assert folded([broken]).touchpoints == 1
