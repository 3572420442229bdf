"""From a condition tree to one closure.

The meaning, which every other way to run the same tree has to copy: a leaf whose value is missing, null or of
another kind than what it is compared with does not hold, whatever the comparison, `not_equals` too; `not` turns that
into "holds". Kinds are text, number, true/false, list and object. Numbers compare exactly, texts by code points, and
a text is never a number. `contains` looks for a text in a text or for a value in a list. `exists` asks for a value
that is there and not null.
"""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.conditions.subject import Subject
from services.conditions.tree import (
    AllOf,
    AnyOf,
    Node,
    Not,
    OfAccount,
    OfAudience,
    OfConsent,
    OfEvent,
    OfSequence,
    OfTrait,
)

Predicate = Callable[[Subject], bool]
Test = Callable[[Any], bool]

_NUMBERS = (int, Decimal)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq, "not_equals": operator.ne, "gt": operator.gt, "gte": operator.ge,
    "lt": operator.lt, "lte": operator.le,
}  # fmt: skip


def _kinds(wanted: Any) -> tuple[type, ...]:
    """The types that can be compared with this value. `type(x) in …` is asked, so that true is no number."""
    return _NUMBERS if type(wanted) in _NUMBERS else (type(wanted),)


def _compare(name: str, wanted: Any) -> Test:
    compare, kinds = _COMPARE[name], _kinds(wanted)
    return lambda value: type(value) in kinds and compare(value, wanted)


def _contains(wanted: Any) -> Test:
    equal = _compare("equals", wanted)

    def test(value: Any) -> bool:
        if type(value) is list:
            return any(map(equal, value))
        return type(value) is str and type(wanted) is str and wanted in value

    return test


def _among(wanted: list[Any]) -> Test:
    tests = [_compare("equals", one) for one in wanted]
    return lambda value: any(test(value) for test in tests)


def _test(name: str, wanted: Any) -> Test:
    if name == "exists":
        return lambda value: (value is not None) is wanted
    if name == "contains":
        return _contains(wanted)
    return _among(wanted) if name == "among" else _compare(name, wanted)


def _every(parts: list[Predicate]) -> Predicate:
    def holds(subject: Subject) -> bool:
        for part in parts:  # a loop: `all` over a generator costs twice as much  # noqa: SIM110
            if not part(subject):
                return False
        return True

    return holds


def _some(parts: list[Predicate]) -> Predicate:
    def holds(subject: Subject) -> bool:
        for part in parts:  # noqa: SIM110
            if part(subject):
                return True
        return False

    return holds


def _done(node: OfEvent | OfSequence) -> Predicate:
    if isinstance(node, OfSequence):
        did, then_not, time = node.did, node.then_not, node.within
        return lambda subject: subject.left(did, then_not, time)
    event, least, within = node.event, node.at_least, node.within
    if within is None:
        return lambda subject: subject.count(event) >= least
    return lambda subject: subject.count(event, within) >= least


def _leaf(node: Any) -> Predicate:
    if isinstance(node, OfEvent | OfSequence):
        return _done(node)
    if isinstance(node, OfAudience):
        audience = node.audience
        return lambda subject: subject.audience(audience)
    if isinstance(node, OfConsent):
        channel, purpose, answer = node.consent, node.purpose, node.answer
        return lambda subject: subject.consent(channel, purpose) == answer
    return _value(node)


def _value(node: Any) -> Predicate:
    test = _test(*node.comparison)
    if isinstance(node, OfTrait):
        trait = node.trait
        return lambda subject: test(subject.trait(trait))
    if isinstance(node, OfAccount):
        account = node.account
        return lambda subject: test(subject.account(account))
    name = node.property
    return lambda subject: test(subject.property(name))


def compiled(tree: Node) -> Predicate:
    """Whether the tree holds for a subject, as one function. It never raises and looks at nothing else."""
    if isinstance(tree, AllOf):
        return _every([compiled(one) for one in tree.all])
    if isinstance(tree, AnyOf):
        return _some([compiled(one) for one in tree.any])
    if isinstance(tree, Not):
        negated = compiled(tree.negated)
        return lambda subject: not negated(subject)
    return _leaf(tree)
