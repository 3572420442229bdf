"""Law 1 for identity: neither the order of evidence, nor doubles, nor frames change who is one person."""

from collections import Counter
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas.identifiers import profile_id
from services.identifiers import IdentityRules
from services.identity import component
from services.identity.people import people
from tests.identity.histories import cuts, histories, hits, random_history, rule_sets
from tests.identity.identity_stage import WORKSPACE, Seen, Stage
from tests.identity.naive_people import naive_links, naive_people

SEEDS = 250


@given(histories, rule_sets, st.data())
@settings(max_examples=200, deadline=None)
def test_any_order_doubling_and_cutting_gives_the_same_people(
    history: list[Seen], rules: IdentityRules, data: st.DataObject
) -> None:
    for name in hits(history, rules):
        event(name)
    again = data.draw(st.lists(st.sampled_from(history), max_size=8), "doubled")
    shuffled = data.draw(st.permutations(history + again), "shuffled")
    stage = Stage(rules).run(shuffled, data.draw(cuts, "cuts"))
    assert (stage.owners(), set(stage.refused())) == naive_people(history, rules)
    straight = Stage(rules).run(history)
    assert stage.owners() == straight.owners()
    assert stage.links() == straight.links() and stage.refused() == straight.refused()


@given(histories, rule_sets, cuts)
@settings(deadline=None)
def test_frames_change_no_message(history: list[Seen], rules: IdentityRules, where: frozenset[int]) -> None:
    whole, cut = Stage(rules).run(history), Stage(rules).run(history, where)
    assert whole.published == cut.published
    assert whole.store == cut.store


@given(histories, rule_sets)
@settings(deadline=None)
def test_the_function_agrees_with_its_plain_second_version(history: list[Seen], rules: IdentityRules) -> None:
    received, links = naive_links(history, rules)
    everyone = {end: 10**12 for ends in links for end in ends} | received
    found = people(everyone, links, rules)
    owner, refused = naive_people(history, rules)
    names = {i: profile_id(WORKSPACE, cluster[0]) for cluster in found.clusters for i in cluster if i in received}
    assert names == owner
    assert set(found.refused) == refused
    assert all(found.refused.values())


@pytest.mark.parametrize("part", range(4))
def test_link_by_link_is_the_same_as_all_at_once(part: int) -> None:
    for seed in range(part * 60, part * 60 + 60):
        history, rules = random_history(seed)
        stage = Stage(rules)
        for n, seen in enumerate(history):
            stage.run([seen])
            owner, refused = naive_people(history[: n + 1], rules)
            assert stage.owners() == owner, (seed, n)
            assert set(stage.refused()) == refused, (seed, n)
            assert stage.published_owners() == owner, (seed, n)
        assert stage.whole(), seed


def test_the_histories_hit_what_is_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the generator went soft, the properties above would prove nothing."""
    counted, anew = Counter[str](), Counter[str]()
    counted_people = component.people
    monkeypatch.setattr(component, "people", lambda *given: (anew.update(["anew"]), counted_people(*given))[1])
    for seed in range(SEEDS):
        history, rules = random_history(seed)
        counted += hits(history, rules)
        stage = Stage(rules).run(history)
        counted.update({change.kind: 1 for change in stage.told()})
        counted["doubled versions"] += any(message.version > 1 for message in stage.memberships())
        straight = sorted(history, key=lambda seen: seen.evidence_at)
        before = anew.total()
        counted["decided without taking people anew, though limits bit"] += bool(
            Stage(rules).run([s._replace(previous="") for s in straight]).refused() and anew.total() == before
        )
    counted["taken anew"] = anew.total()
    few = {name: n for name, n in counted.items() if n < SEEDS // 10}
    assert not few and len(counted) == 13, counted


def test_a_stage_that_lost_its_last_writes_says_the_same_again() -> None:
    for seed in range(60):
        history, rules = random_history(seed)
        straight, stage, r = Stage(rules), Stage(rules), Random(seed)
        said = [straight.run([seen]).published.copy() for seen in history]
        n, saved = 0, (0, dict(stage.store))
        while n < len(history):
            stage.published = said[n - 1].copy() if n else []
            assert stage.run([history[n]]).published == said[n], (seed, n)
            n += 1
            if r.random() < 0.3:
                saved = (n, dict(stage.store))
            elif r.random() < 0.2:
                n, stage.store = saved[0], dict(saved[1])
        assert stage.store == straight.store
