"""What the fold tells: evidence when it is news, cells to their owner, moves to everybody concerned, duplicates."""

from typing import Any

import msgspec

from schemas import fast
from schemas.fast import CellMessage, Membership, Touchpoint
from schemas.identifiers import profile_id
from services.processor import Frame
from services.profile import anchor as anchors
from services.profile.definitions import Definitions
from services.profile.fold import DAY, Fold
from tests.profile.profile_stages import NOON, touchpoint


class OnlyFold:
    """The fold alone, with its store; identity's part is played by hand."""

    def __init__(self, window: int = 7 * DAY):
        self.fold, self.store = Fold(Definitions(), window), dict[str, bytes]()

    def handle(self, topic: str, *messages: Any, positions: Any = ()) -> list[Any]:
        frame, have = Frame(topic, 3, messages, NOON, positions), dict[str, Any]()
        while missing := {key for key in self.fold.wants(frame, have) if key not in have}:
            have |= {
                k: msgspec.msgpack.decode(self.store[k], type=self.fold.record) if k in self.store else None
                for k in missing
            }
        outcome = self.fold.decide(frame, have)
        self.store |= {key: msgspec.msgpack.encode(record) for key, record in outcome.records.items()}
        return [emit.message for emit in outcome.emits]

    def touch(self, *touchpoints: Touchpoint) -> list[Any]:
        return self.handle("touchpoints", *touchpoints)

    def settle(self, touched: Touchpoint) -> list[Any]:
        """The touchpoint, and the answer that nothing changes."""
        return self.touch(touched) + self.handle("membership", answer(touched))


def answer(touched: Touchpoint) -> Membership:
    owner = profile_id("main", touched.anchor)
    return Membership(workspace="main", identifier=touched.anchor, owner=owner, version=0, answers=touched.message_id)


def moved(identifier: str, to: str, version: int) -> Membership:
    return Membership(workspace="main", identifier=identifier, owner=profile_id("main", to), version=version, cause="e")


def kinds(messages: list[Any]) -> list[str]:
    return [type(message).__name__ for message in messages]


def test_a_touchpoint_with_news_waits_for_the_answer_and_those_behind_it_wait_too() -> None:
    fold = OnlyFold()
    first, second = touchpoint("m1", "user_id:1"), touchpoint("m2", "user_id:1")
    assert kinds(fold.touch(first, second)) == ["Evidence"]
    released: list[CellMessage] = fold.handle("membership", answer(first))
    assert [(m.touchpoint, m.n, m.cause) for m in released] == [(first, 1, "m1"), (second, 2, "m2")]
    assert kinds(fold.touch(touchpoint("m3", "user_id:1"))) == ["CellMessage"]


def test_evidence_is_told_for_a_new_identifier_and_for_an_earlier_stamp_only() -> None:
    fold = OnlyFold()
    told = lambda one: "Evidence" in kinds(fold.settle(one))  # noqa: E731
    assert told(touchpoint("m1", "user_id:1", "anonymous_id:a"))
    assert not told(touchpoint("m2", "user_id:1", "anonymous_id:a", at=NOON + 5))
    assert not told(touchpoint("m3", "user_id:1", at=NOON + 5))
    assert told(touchpoint("m4", "user_id:1", "anonymous_id:b"))
    assert told(touchpoint("m5", "user_id:1", "anonymous_id:a", evidence_at=NOON - 1))
    assert told(touchpoint("m6", "user_id:1", received_at=NOON - 1))
    assert told(touchpoint("m7", "user_id:1", previous="old"))
    assert not told(touchpoint("m8", "user_id:1", previous="old"))


def test_a_move_is_told_to_the_former_owner_and_then_to_the_new_one() -> None:
    fold = OnlyFold()
    fold.settle(touchpoint("m1", "user_id:1"))
    gone, here = fold.handle("membership", moved("user_id:1", "anonymous_id:a", 1))
    former, owner = profile_id("main", "user_id:1"), profile_id("main", "anonymous_id:a")
    assert (gone.owner, gone.version, gone.cell, gone.gone) == (former, 1, None, owner)
    assert (here.owner, here.version, here.n, here.came, here.touchpoint) == (owner, 1, 1, former, None)


def test_the_profile_that_an_identifier_names_always_learns_where_it_is_now() -> None:
    fold = OnlyFold()
    fold.handle("membership", moved("user_id:1", "anonymous_id:a", 1))
    messages = fold.handle("membership", moved("user_id:1", "anonymous_id:b", 2))
    named = [profile_id("main", name) for name in ("anonymous_id:a", "user_id:1", "anonymous_id:b")]
    assert [message.owner for message in messages] == named
    assert [message.gone for message in messages] == [named[2], named[2], None]


def test_an_identifier_without_touchpoints_announces_itself_with_an_empty_cell() -> None:
    _, here = OnlyFold().handle("membership", moved("email:a@x.io", "user_id:1", 1))
    assert (here.anchor, here.n, fast.dumps(here.cell)) == ("email:a@x.io", 0, b"{}")


def test_an_older_or_repeated_membership_moves_nothing() -> None:
    fold = OnlyFold()
    assert fold.handle("membership", moved("user_id:1", "anonymous_id:b", 2))
    assert not fold.handle(
        "membership", moved("user_id:1", "anonymous_id:b", 2), moved("user_id:1", "anonymous_id:a", 1)
    )


def test_a_waiting_touchpoint_goes_to_the_new_owner_after_the_move() -> None:
    fold, login = OnlyFold(), touchpoint("m1", "user_id:1", "anonymous_id:a")
    fold.touch(login)
    messages = fold.handle("membership", moved("user_id:1", "anonymous_id:a", 1), answer(login))
    assert [(m.gone is not None, m.came is not None, m.n, m.touchpoint) for m in messages] == [
        (True, False, 0, None),
        (False, True, 0, None),
        (False, False, 1, login),
    ]


def test_what_was_answered_before_a_further_move_does_not_wait_for_what_the_new_owner_never_hears_of() -> None:
    """The answers come in another order when the stage has gone back to what it was."""
    fold, first, second = OnlyFold(), touchpoint("m1", "user_id:1"), touchpoint("m2", "user_id:1", "anonymous_id:a")
    itself, other = profile_id("main", "user_id:1"), profile_id("main", "anonymous_id:a")
    fold.touch(first, second)
    late = msgspec.structs.replace(answer(second), together=(("anonymous_id:a", 1, other, itself),))
    assert not fold.handle("membership", late), "it waits behind the first"
    fold.handle("membership", moved("user_id:1", "email:c@x.io", 1))
    messages = fold.handle("membership", answer(first))
    assert [(m.owner, m.touchpoint, m.together) for m in messages] == [
        (profile_id("main", "email:c@x.io"), first, ()),
        (profile_id("main", "email:c@x.io"), second, ()),
    ]


def test_the_same_message_id_is_a_duplicate_within_the_window_and_names_its_line() -> None:
    fold = OnlyFold()
    messages = fold.handle("touchpoints", *[touchpoint("m1", "user_id:1")] * 2, positions=[(7, 0), (7, 1)])
    assert kinds(messages) == ["Evidence", "Duplicate"]
    assert (messages[1].partition, messages[1].offset, messages[1].index) == (3, 7, 1)
    assert kinds(fold.touch(touchpoint("m1", "user_id:1", at=NOON + 7 * DAY))) == ["Duplicate"]
    assert kinds(fold.touch(touchpoint("m1", "user_id:1", at=NOON + 8 * DAY))) == []  # behind the one that waits
    assert kinds(fold.touch(touchpoint("m1", "user_id:2"))) == ["Evidence"]


def test_when_more_than_a_thousand_wait_the_oldest_goes_on_unanswered() -> None:
    fold = OnlyFold()
    crowd = [touchpoint(f"m{n}", "user_id:1", f"anonymous_id:{n}") for n in range(anchors.WAITING + 3)]
    assert [m.cause for m in fold.touch(*crowd) if isinstance(m, CellMessage)] == ["m0", "m1", "m2"]
    assert fold.handle("membership", answer(crowd[0])) == []
    assert [m.cause for m in fold.handle("membership", answer(crowd[3]))] == ["m3"]


def test_a_storm_of_anonymous_ids_does_not_make_the_record_grow() -> None:
    fold, size = OnlyFold(), []
    for n in range(4):
        for m in range(60):
            fold.settle(touchpoint(f"m{n}-{m}", "user_id:1", f"anonymous_id:{n}-{m}"))
        size.append(len(fold.store[profile_id("main", "user_id:1")]))
    assert size[3] < 1.5 * size[1] < 10_000


def test_nothing_of_a_touchpoint_is_lost_while_it_waits() -> None:
    fold = OnlyFold()
    one = touchpoint("m1", "user_id:1", properties={"total": 0.1}, traits={"city": "上海"}, context={"ip": "::1"})
    assert fast.dumps(fold.settle(one)[-1].touchpoint) == fast.dumps(one)
