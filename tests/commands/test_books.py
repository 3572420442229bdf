"""The comparison of the audit: figures that agree balance, and one row more or less anywhere does not."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.audit.books import Archived, Figures, FollowUps, Ledger, Matched, Sum, Topic, Views, compare
from services.runtime.audit.matching import Ours, Theirs, match

counts = st.integers(0, 10**9)
sums = st.builds(Sum, counts, st.integers(0, 2**70), counts)
contents = st.text("0123456789abcdef", min_size=1, max_size=16)


@st.composite
def balanced(draw: st.DrawFn) -> Figures:
    accepted, duplicates, grouped = draw(counts), draw(counts), draw(counts)
    topics = {"touchpoints": Topic("log", accepted + duplicates, 3, draw(contents))}
    for name, store in (("rejected", "log"), ("duplicates", "engine"), ("deliveries", "ledger")):
        topics[name] = Topic(store, draw(counts), draw(counts), draw(contents))
    people, owners = draw(sums)._replace(weight=accepted), draw(sums)
    accounts = draw(sums)._replace(weight=grouped)
    decided = FollowUps(draw(sums), draw(st.dictionaries(st.sampled_from(["sent", "dead"]), st.integers(1, 99))))
    rows = draw(counts)
    return Figures(
        topics=topics,
        archive={name: Archived(topic.ever, topic.ever, topic.content) for name, topic in topics.items()},
        folded=accepted,
        people=Matched(people, people),
        accounts=Matched(accounts, accounts),
        owners=Matched(owners, owners),
        decided=decided.keys,
        ledger=Ledger(rows, rows, decided),
        views=Views(accepted, duplicates, grouped, decided),
        strays=dict.fromkeys(topics, 0),
        conflicts=draw(counts),
    )


def changes(value: Any) -> Iterator[Any]:
    """The same value with one figure in it changed, once for every figure that is compared."""
    if isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        yield value + "0"
    elif isinstance(value, dict):
        for key in value:
            yield from ({**value, key: changed} for changed in changes(value[key]))
    elif isinstance(value, Figures):
        for name in value._fields:
            if name != "conflicts":
                yield from (value._replace(**{name: changed}) for changed in changes(getattr(value, name)))
    else:
        for name in value._fields:
            if name not in ("store", "beginning", "weight"):  # a weight is compared for some only: see below
                yield from (value._replace(**{name: changed}) for changed in changes(getattr(value, name)))


@given(balanced())
def test_figures_that_agree_balance(figures: Figures) -> None:
    assert compare(figures).balanced


@given(balanced())
def test_any_figure_that_differs_is_noticed(figures: Figures) -> None:
    for changed in changes(figures):
        assert not compare(changed).balanced


@given(balanced(), st.sampled_from(["people", "accounts"]), st.sampled_from(["engine", "warehouse"]))
def test_a_touchpoint_more_in_a_profile_is_noticed(figures: Figures, kind: str, side: str) -> None:
    both = getattr(figures, kind)
    one = getattr(both, side)
    more = both._replace(**{side: one._replace(weight=one.weight + 1)})
    assert not compare(figures._replace(**{kind: more})).balanced


@given(balanced(), counts)
def test_conflicts_are_told_and_are_no_difference(figures: Figures, conflicts: int) -> None:
    report = compare(figures._replace(conflicts=conflicts))
    assert report.balanced and report.conflicts == conflicts


records = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 9))


def ours(found: dict[str, int]) -> list[Ours]:
    return [Ours(key, (str(n), "known"), n) for key, n in sorted(found.items())]


def theirs(found: dict[str, int], later: frozenset[str] = frozenset()) -> list[Theirs]:
    return [Theirs(key, (str(n), "known"), n, key in later) for key, n in sorted(found.items())]


@given(records, records)
def test_two_sides_match_when_they_hold_the_same(left: dict[str, int], right: dict[str, int]) -> None:
    both = match(ours(left), theirs(right))
    assert (both.engine == both.warehouse) == (left == right)
    assert both.engine.weight == sum(left.values()) and both.warehouse.weight == sum(right.values())


@given(records, st.data())
def test_of_a_record_that_is_known_in_part_that_part_is_compared(found: dict[str, int], data: st.DataObject) -> None:
    known = [one._replace(values=one.values[: data.draw(st.integers(1, 2))]) for one in ours(found)]
    both = match(known, theirs(found))
    assert both.engine == both.warehouse
    for at, one in enumerate(known):
        for other in (one.values[0] + "0", *one.values[1:]), (*one.values[:-1], one.values[-1] + "0"):
            both = match([*known[:at], one._replace(values=other), *known[at + 1 :]], theirs(found))
            assert both.engine != both.warehouse


@given(records, records, st.frozensets(st.text("abc", min_size=1, max_size=3)))
def test_what_was_written_after_the_cut_makes_no_difference(
    before: dict[str, int], after: dict[str, int], some: frozenset[str]
) -> None:
    now = {**before, **{key: n for key, n in after.items() if key in some}}
    both = match(ours(before), theirs(now, later=some))
    assert both.engine == both.warehouse


@given(records.filter(bool), st.data())
def test_a_row_that_is_missing_is_noticed_while_others_change(found: dict[str, int], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(found)))
    left = {key: n for key, n in found.items() if key != gone}
    both = match(ours(found), theirs(left, later=frozenset(data.draw(st.sets(st.sampled_from(sorted(found)))))))
    assert both.engine != both.warehouse
