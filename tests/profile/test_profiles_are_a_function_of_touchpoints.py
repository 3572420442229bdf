"""Law 1: any order, doubled, however cut into frames: the same people with byte-identical profiles."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Touchpoint
from services.conditions.subject import facts
from services.profile.add import add
from services.profile.cell import Cell
from services.profile.person import Held, Person, document, identifiers
from services.profile.view import View
from tests.profile.profile_histories import histories
from tests.profile.profile_stages import DEFINITIONS, Stages, plain, touchpoint


def run(arriving: list[Touchpoint], cuts: set[int], most: int) -> Stages:
    """The touchpoints in this order, a new frame at each cut, follow-up frames of at most `most` messages."""
    stages, frame = Stages(), []
    for n, one in enumerate(arriving):
        if n in cuts:
            stages.arrive(*frame, most=most)
            frame = []
        frame.append(one)
    return stages.arrive(*frame, most=most)


def published(stages: Stages) -> dict[str, bytes]:
    return {owner: plain(profile) for owner, profile in stages.newest().items() if not profile.deleted}


def owners_of(stages: Stages) -> dict[str, str]:
    return {r.identifier: r.owner for r in stages.records("identity").values() if hasattr(r, "owner")}


def expected(history: list[Touchpoint], stages: Stages) -> dict[str, bytes]:
    """Straight from the touchpoints and the owners that identity knows: one cell per person, no joins."""
    known = owners_of(stages)
    cells: dict[str, Cell] = {}
    for one in history:
        owner = known[one.anchor]
        cells[owner] = add(cells.get(owner, Cell()), one, DEFINITIONS)
    found = {}
    for owner, cell in cells.items():
        names = {name: Held(0, 0, Cell()) for name, whose in known.items() if whose == owner}
        found[owner] = plain(document(Person("main", owner, names), DEFINITIONS, view=View(cell, DEFINITIONS, 0)))
    return found


def test_any_order_doubled_and_cut_anyhow_gives_the_same_profiles() -> None:
    hit: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(histories(), st.data())
    def holds(history: list[Touchpoint], data: st.DataObject) -> None:
        doubled = data.draw(st.lists(st.sampled_from(history), max_size=4))
        arriving = data.draw(st.permutations(history + doubled))
        cuts = data.draw(st.sets(st.integers(0, len(arriving))))
        calm, rough = run(history, set(), 1_000), run(arriving, cuts, data.draw(st.sampled_from([1, 2, 1_000])))
        assert published(rough) == published(calm) == expected(history, calm)
        assert len(rough.published["duplicates"]) == len(doubled)
        assert not any(anchor.waiting for anchor in rough.records("fold").values())
        count(history, arriving, cuts, rough)

    def count(history: list[Touchpoint], arriving: list[Touchpoint], cuts: set[int], rough: Stages) -> None:
        persons, owners = rough.persons().values(), owners_of(rough)
        hit["duplicate"] += bool(rough.published["duplicates"])
        hit["cut"] += len(cuts) > 1
        hit["merge"] += any(held.came for person in persons for held in person.anchors.values())
        hit["redirect"] += any(profile.redirect for profile in rough.newest().values())
        hit["owner of a stranger's name"] += any(held.named for person in persons for held in person.anchors.values())
        hit["refused link"] += any(len({owners[i] for i in one.identifiers}) > 1 for one in history)
        hit["several cells"] += any(sum(h.n > 0 for h in person.anchors.values()) > 1 for person in persons)
        hit["tie"] += len({one.timestamp for one in history}) < len(history)
        hit["late"] += any(a.timestamp > b.timestamp for a, b in pairwise(arriving))
        hit["waited behind another"] += any(a.anchor == b.anchor for a, b in pairwise(arriving))

    holds()
    assert len(hit) == 10 and min(hit.values()) > 3, hit


@settings(max_examples=60, deadline=None)
@given(histories())
def test_who_is_asked_from_the_state_is_told_what_was_published(history: list[Touchpoint]) -> None:
    stages = run(history, {3, 6}, 2)
    for owner, person in stages.persons().items():
        if owner in stages.newest():
            assert document(person, DEFINITIONS) == stages.newest()[owner]
        assert set(stages.newest()[owner].identifiers if owner in stages.newest() else ()) <= set(identifiers(person))


@settings(max_examples=60, deadline=None)
@given(histories())
def test_audiences_told_one_by_one_end_where_the_profiles_are(history: list[Touchpoint]) -> None:
    """Whoever only reads audience-changes is never told an entry or an exit twice in a row."""
    stages = run(history, {2, 5}, 1)
    inside: set[tuple[str, str]] = set()
    for change in stages.published["audience-changes"]:
        which = (change.profile_id, change.audience)
        assert (which in inside) == (change.change == "exited")
        inside ^= {which}
    for owner, profile in stages.newest().items():
        if profile.deleted:
            assert not any(who == owner for who, _ in inside)


def test_nobody_outside_can_tell_a_trait_that_is_computed() -> None:
    """Not even while there is nothing to compute; and the audience and the document see the same."""
    traits = {"spent": 1_000, "first_product": "x", "plan": "pro"}
    told = touchpoint("i1", "user_id:ann", event="identify", traits=traits)
    profile = Stages().arrive(told).profile("user_id:ann")
    assert list(fast.loads(profile.traits)) == ["plan"]
    assert facts(profile).trait("first_product") is None
    assert profile.audiences == ()
