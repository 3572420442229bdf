"""Membership is versioned and answered once; identity-changes tell other systems what became of a profile."""

import msgspec
from hypothesis import given, settings

from schemas.identifiers import profile_id
from services.identifiers import DEFAULT_RULES, IdentityRules
from tests.identity.histories import histories, random_history, rule_sets
from tests.identity.identity_stage import WORKSPACE, Seen, Stage, evidence_of


@given(histories, rule_sets)
@settings(deadline=None)
def test_each_piece_of_evidence_is_answered_once_to_its_anchor_after_all_it_changed(
    history: list[Seen], rules: IdentityRules
) -> None:
    stage, versions = Stage(rules), dict[str, int]()
    for seen in history:
        *changes, answer = stage.handle([evidence_of(seen, rules)])
        assert (answer.identifier, answer.answers) == (min(seen.identifiers, key=rules.rank), seen.message_id)
        assert answer.owner == stage.owners()[answer.identifier]
        for message in changes:
            if hasattr(message, "version"):
                assert message.version == versions.get(message.identifier, 0) + 1
                assert (message.cause, message.answers) == (seen.message_id, "")
                versions[message.identifier] = message.version
        assert answer.version == versions.get(answer.identifier, 0)


def test_a_profile_that_is_gone_has_merged_and_nothing_else_has() -> None:
    kinds = set()
    for seed in range(120):
        history, rules = random_history(seed)
        stage = Stage(rules)
        for seen in history:
            before = stage.owners()
            told = [m for m in stage.handle([evidence_of(seen, rules)]) if hasattr(m, "kind")]
            after = stage.owners()
            kinds |= {message.kind for message in told}
            merged = {message.profile_id for message in told if message.kind == "merged"}
            assert merged == set(before.values()) - set(after.values())
            moved = {i for i, owner in before.items() if after[i] != owner}
            assert sorted(moved) == sorted(i for message in told for i in message.identifiers)
            for message in told:
                assert {before[i] for i in message.identifiers} == {message.profile_id}
                assert {after[i] for i in message.identifiers} == {message.into}
                assert (message.cause, message.at) == (seen.message_id, seen.received_at)
    assert kinds == {"merged", "split"}


def test_an_anonymous_visitor_costs_one_answer_and_a_login_one_membership_more() -> None:
    stage = Stage(DEFAULT_RULES)
    first = stage.handle([evidence_of(Seen(("anonymous_id:a1",), 1, 1), DEFAULT_RULES)])
    login = stage.handle([evidence_of(Seen(("anonymous_id:a1", "user_id:u1"), 2, 2), DEFAULT_RULES)])
    owner = profile_id(WORKSPACE, "anonymous_id:a1")
    assert [(m.identifier, m.owner, m.version) for m in first] == [("anonymous_id:a1", owner, 0)]
    assert [(m.identifier, m.owner, m.version) for m in login] == [("user_id:u1", owner, 1)] * 2


def test_messages_are_keyed_as_the_topics_say() -> None:
    stage = Stage(DEFAULT_RULES).run([Seen(("user_id:u1",), 1, 1), Seen(("email:j@x.cn",), 2, 2)])
    evidence = evidence_of(Seen(("user_id:u1", "email:j@x.cn"), 3, 3), DEFAULT_RULES)
    for topic, key, message in stage.outcome([evidence]).emits:
        wanted = message.profile_id if topic == "identity-changes" else profile_id(WORKSPACE, message.identifier)
        assert key == wanted


def test_workspaces_do_not_see_each_other() -> None:
    stage = Stage(DEFAULT_RULES)
    history = [Seen(("user_id:u1", "anonymous_id:a1"), 1, 1), Seen(("user_id:u2", "anonymous_id:a1"), 2, 2, "x")]
    ours, theirs = (evidence_of(seen, DEFAULT_RULES) for seen in history)
    late = evidence_of(Seen(("anonymous_id:x",), 3, 3), DEFAULT_RULES)
    stage.handle([ours, msgspec.structs.replace(theirs, workspace="other")])
    stage.handle([late])
    assert stage.refused() == {}
    assert profile_id("main", "user_id:u2") not in stage.store
    assert stage.look_up(profile_id("other", "anonymous_id:a1")) == profile_id("other", "user_id:u2")
    assert stage.look_up(profile_id("other", "anonymous_id:x")) == profile_id("other", "user_id:u2")
    assert stage.look_up(profile_id("main", "anonymous_id:a1")) == profile_id("main", "user_id:u1")
    assert stage.look_up(profile_id("main", "anonymous_id:x")) == profile_id("main", "anonymous_id:x")


def test_evidence_told_again_writes_nothing() -> None:
    history, rules = random_history(3)
    stage = Stage(rules).run(history)
    outcome = stage.outcome([evidence_of(seen, rules) for seen in history])
    assert outcome.records == {}
    assert len(outcome.emits) == len(history)


def test_a_known_identifier_costs_no_more_than_itself_and_its_component() -> None:
    stage = Stage(DEFAULT_RULES).run([Seen(("user_id:u1", "anonymous_id:a1"), 1, 1), Seen(("anonymous_id:a2",), 2, 2)])
    reads: set[str] = set()
    for identifier in ("user_id:u1", "anonymous_id:a1", "anonymous_id:a2"):
        reads |= stage.reads([evidence_of(Seen((identifier,), 3, 3), DEFAULT_RULES)])
    assert len(reads) == 4
