"""An alias links its anchor with whatever its previousId turns out to be, whichever is told first."""

from itertools import permutations

import pytest

from schemas.identifiers import profile_id
from services.identifiers import DEFAULT_RULES
from tests.identity.identity_stage import WORKSPACE, Seen, Stage, rules_of


def alias(previous: str, to: str = "user_id:u1", at: int = 5, message_id: str = "alias") -> Seen:
    return Seen((to,), at, at, previous, message_id)


ANONYMOUS = Seen(("anonymous_id:x",), 1, 1, message_id="m1")
WITH_EMAIL = Seen(("email:x@y.cn", "anonymous_id:z"), 2, 2, message_id="m2")
USER = Seen(("user_id:x",), 3, 3, message_id="m3")
DEVICE = Seen(("device_id:x",), 4, 4, message_id="m4")
CASES = {
    "an anonymous id": ([ANONYMOUS, alias("x")], [{"anonymous_id:x", "user_id:u1"}], {}),
    "an address, however it is written": (
        [WITH_EMAIL, alias(" X@Y.cn ")],
        [{"email:x@y.cn", "anonymous_id:z", "user_id:u1"}],
        {},
    ),
    "another user: refused like any link": (
        [USER, alias("x")],
        [{"user_id:x"}, {"user_id:u1"}],
        {("user_id:u1", "user_id:x"): "user_id limit 1"},
    ),
    "every type known by that value": (
        [ANONYMOUS, DEVICE, alias("x")],
        [{"anonymous_id:x", "device_id:x", "user_id:u1"}],
        {},
    ),
    "itself": ([alias("u1"), Seen(("user_id:u1",), 6, 6)], [{"user_id:u1"}], {}),
    "two users for one value: the earlier one": (
        [ANONYMOUS, alias("x", at=5), alias("x", "user_id:u2", 6, "alias2")],
        [{"anonymous_id:x", "user_id:u1"}, {"user_id:u2"}],
        {("anonymous_id:x", "user_id:u2"): "user_id limit 1"},
    ),
    "nobody yet": ([alias("x")], [{"user_id:u1"}], {}),
    "nothing usable": ([alias("undefined"), ANONYMOUS], [{"user_id:u1"}, {"anonymous_id:x"}], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_alias_names(case: str) -> None:
    history, people, refused = CASES[case]
    for order in permutations(history):
        stage = Stage(DEFAULT_RULES).run([*order, *order], frozenset({1, 2}))
        assert stage.people() == {frozenset(members) for members in people}, order
        assert stage.refused() == refused, order


def test_an_unknown_value_is_looked_up_as_an_anonymous_id() -> None:
    stage = Stage(DEFAULT_RULES).run([alias("never-seen")])
    user, stand_in = (profile_id(WORKSPACE, i) for i in ("user_id:u1", "anonymous_id:never-seen"))
    assert stage.look_up(stand_in) == user
    assert stage.told() == [], "nobody knew the anonymous id, so no profile has gone"


def test_the_anonymous_id_that_stood_in_takes_no_place_once_the_value_is_known_as_something_else() -> None:
    rules = rules_of(anonymous_id=1)
    another = Seen(("user_id:u1", "anonymous_id:a9"), 9, 9, message_id="m9")
    for order in permutations([alias("x@y.cn"), another, Seen(("email:x@y.cn",), 3, 3)]):
        stage = Stage(rules).run(order)
        assert stage.people() == {frozenset({"user_id:u1", "anonymous_id:a9", "email:x@y.cn"})}
        assert stage.refused() == {}
        stand_in = profile_id(WORKSPACE, "anonymous_id:x@y.cn")
        assert stand_in not in stage.store or stage.look_up(stand_in) == stand_in
