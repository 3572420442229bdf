"""`on_conflict: nobody`: an identifier that two people claim belongs to neither, whatever came first."""

from random import Random

from tests.identity.identity_stage import Seen, Stage, rules_of

NOBODY = rules_of(user_id=1, email=5, anonymous_id=20, on_conflict="nobody")


def seen(at: int, *identifiers: str) -> Seen:
    return Seen(identifiers, at, at, message_id=f"m{at}")


def test_what_is_contested_stays_so_when_a_larger_component_comes_near() -> None:
    tablet = [seen(1, "user_id:u1", "anonymous_id:a1"), seen(2, "user_id:u2", "anonymous_id:a1")]
    family = [seen(n, "email:e9@x.cn", f"anonymous_id:b{n}") for n in range(3, 9)]
    stage = Stage(NOBODY).run([*tablet, *family])
    stage.run([seen(20, "email:e9@x.cn", "anonymous_id:a1")])
    assert frozenset({"anonymous_id:a1"}) in stage.people()
    assert stage.refused()["anonymous_id:a1", "email:e9@x.cn"] == "anonymous_id on_conflict nobody"


def test_a_conflict_that_an_older_link_would_have_prevented_is_taken_back() -> None:
    """At first e1 seems to be u2's by way of a1, so two claim a3; then e1 turns out to have been u1's before."""
    history = [
        seen(5, "user_id:u1", "anonymous_id:a3"),
        seen(10, "email:e1@x.cn", "anonymous_id:a1"),
        seen(11, "user_id:u2", "anonymous_id:a1"),
        seen(12, "user_id:u1", "email:e1@x.cn"),
        seen(13, "user_id:u1", "anonymous_id:a1"),
        seen(14, "email:e1@x.cn", "anonymous_id:a3"),
    ]
    before = Stage(NOBODY).run(history)
    assert frozenset({"anonymous_id:a3"}) in before.people()
    history.append(seen(4, "user_id:u1", "email:e1@x.cn"))
    after = before.run(history[-1:])
    assert frozenset({"user_id:u1", "email:e1@x.cn", "anonymous_id:a3"}) in after.people()
    for seed in range(10):
        assert Stage(NOBODY).run(Random(seed).sample(history, len(history))).owners() == after.owners()
