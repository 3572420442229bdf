"""Every kind of trait and every audience, wherever it could differ, against the plainest computation."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fast import Touchpoint
from services.profile.add import add
from services.profile.cell import Cell, join
from services.profile.view import View
from tests.profile.every_kind import EVERY, INSTANTS, audiences, history, naive


def folded(touchpoints: list[Touchpoint]) -> Cell:
    cell = Cell()
    for one in touchpoints:
        cell = add(cell, one, EVERY)
    return cell


def instants(touchpoints: list[Touchpoint]) -> list[int]:
    """The last receipt, and around every boundary after it."""
    end = touchpoints[-1].received_at
    edges = {one.timestamp + after + ms for one in touchpoints for after in INSTANTS for ms in (-1, 0, 1)}
    return sorted({end} | {edge for edge in edges if edge > end})


def comparable(value: Any) -> Any:
    if type(value) is Decimal or (type(value) is int):
        return Fraction(value)
    return [comparable(one) for one in value] if type(value) is list else value


def test_values_and_audiences_are_exact_to_the_millisecond() -> None:
    hit: Counter[str] = Counter()

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**32), st.data())
    def holds(seed: int, data: st.DataObject) -> None:
        touchpoints = history(seed, people=1)
        arrived = data.draw(st.permutations(touchpoints))
        cut = data.draw(st.integers(0, len(arrived)))
        cell = join(folded(arrived[:cut]), folded(arrived[cut:]))
        found = instants(touchpoints)
        for now in found[:3] + data.draw(st.lists(st.sampled_from(found), max_size=5)):
            view = View(cell, EVERY, now)
            for trait in EVERY.traits:
                value = view.trait(trait.name)
                assert comparable(value) == comparable(naive(trait, touchpoints, now)), (trait, now)
                hit[f"{trait.kind} is there"] += value is not None
            assert set(view.audiences) == audiences(touchpoints, now)
            hit.update(view.audiences)

    holds()
    assert len(hit) == 11 + 9 and min(hit.values()) > 0, hit


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_between_two_turns_no_audience_changes_and_every_change_is_at_a_turn(seed: int) -> None:
    touchpoints = history(seed, people=1)
    cell, turns, now = folded(touchpoints), set(), touchpoints[-1].received_at
    while (turn := View(cell, EVERY, now).turn) is not None:
        turns.add(turn.due)
        assert turn.due > now
        now = turn.due
    view = None
    for instant in instants(touchpoints):
        before, view = view, View(cell, EVERY, instant)
        if before is not None and before.audiences != view.audiences:
            assert any(before.now < due <= instant for due in turns)
    for due in turns:
        assert View(cell, EVERY, due - 1).goes_on(cell, due) is False
