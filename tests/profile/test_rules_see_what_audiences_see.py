"""A rule asks the published document what an audience asks the cell: the same traits under the same names."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.conditions.subject import facts
from services.profile.definitions import Definitions, Trait
from services.profile.person import document, joined
from services.profile.view import View
from tests.profile.profile_stages import NOON, Stages, touchpoint

DEFINITIONS = Definitions([Trait(name="b", event="Order", unique="product"), Trait(name="never", event="X", last="y")])
NAMES = ["a", "b", "c", "never", "", "a.b", "a.b.c", "a.", ".a", ".", "b.a", "never.a", "a..b"]
INNER = st.sampled_from(["a", "b", "c", ""])
VALUES: Any = st.recursive(st.sampled_from([None, 1, "x"]), lambda one: st.dictionaries(INNER, one), max_leaves=4)


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES), max_size=3))
def test_every_name_has_one_value(told: list[dict[str, Any]]) -> None:
    stages = Stages(DEFINITIONS).arrive(touchpoint("m", "user_id:1", properties={"product": "p"}))
    for number, traits in enumerate(told):
        stages.arrive(touchpoint(f"m{number}", "user_id:1", event="identify", at=NOON + number, traits=traits))
    (person,) = stages.persons().values()
    view, rule = View(joined(person), DEFINITIONS, NOON), facts(document(person, DEFINITIONS))
    assert {name: view.trait(name) for name in NAMES} == {name: rule.trait(name) for name in NAMES}


def test_a_trait_set_to_null_hides_nothing() -> None:
    stages = Stages(DEFINITIONS)
    stages.arrive(touchpoint("m1", "user_id:1", event="identify", traits={"a": {"b": 1}, "a.b": 2}))
    (person,) = stages.persons().values()
    assert View(joined(person), DEFINITIONS, NOON).trait("a.b") == 2
    stages.arrive(touchpoint("m2", "user_id:1", event="identify", at=NOON + 1, traits={"a.b": None}))
    (person,) = stages.persons().values()
    assert (
        View(joined(person), DEFINITIONS, NOON).trait("a.b") == 1 == facts(document(person, DEFINITIONS)).trait("a.b")
    )
