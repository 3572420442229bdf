"""From a condition tree to one ClickHouse expression: the same tree as `compile.py` makes a closure of.

It is 0 or 1 and never NULL, leaf by leaf: NOT over NULL would be NULL, where `not` of what is unknown holds.
"""

from typing import Any, Protocol

from services.conditions.sql_json import Properties
from services.conditions.sql_text import Sql, call, compare, every, negated, part, some
from services.conditions.sql_values import Known, test
from services.conditions.tree import (
    AllOf,
    AnyOf,
    Node,
    Not,
    OfAccount,
    OfAudience,
    OfConsent,
    OfEvent,
    OfProperty,
    OfSequence,
    OfTrait,
)


class Columns(Protocol):
    """The questions of a condition (`subject.Subject`), answered with expressions over the columns of a query."""

    def trait(self, name: str) -> Known:
        """A computed trait, else one that was told."""

    def property(self, name: str) -> Known:
        """A property of the touchpoint."""

    def account(self, name: str) -> Known:
        """A trait of the account."""

    def count(self, event: str, within: int | None = None) -> Sql:
        """How often the event was done, in the last `within` ms when that is given."""

    def left(self, did: str, then_not: str, within: int) -> Sql:
        """Whether `did` was done at least `within` ms ago, and neither of the two since."""

    def audience(self, name: str) -> Sql:
        """Whether the person is in this audience."""

    def consent(self, channel: str, purpose: str = "") -> Sql:
        """ "granted", "denied" or "unknown"."""


class _OfProperties:
    """The columns of a condition that looks at one event only."""

    def __init__(self, properties: Properties):
        self._properties = properties

    def property(self, name: str) -> Known:
        """The property's column."""
        return self._properties.property(name)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a condition over properties asks for {name}")


def predicate(tree: Node, columns: Columns) -> Sql:
    """Whether the tree holds."""
    if isinstance(tree, AllOf):
        return every(*(predicate(one, columns) for one in tree.all))
    if isinstance(tree, AnyOf):
        return some(*(predicate(one, columns) for one in tree.any))
    if isinstance(tree, Not):
        return negated(predicate(tree.negated, columns))
    return call("ifNull", _leaf(tree, columns), 0)


def over_properties(tree: Node, properties: Properties) -> Sql:
    """Whether a tree that asks for nothing but properties holds for an event (`where` of a trait)."""
    only: Any = _OfProperties(properties)
    return predicate(tree, only)


def _leaf(node: Node, columns: Columns) -> Sql:
    if isinstance(node, OfEvent):
        return compare(">=", columns.count(node.event, node.within), node.at_least)
    if isinstance(node, OfSequence):
        return columns.left(node.did, node.then_not, node.within)
    if isinstance(node, OfAudience):
        return columns.audience(node.audience)
    if isinstance(node, OfConsent):
        return compare("=", columns.consent(node.consent, node.purpose), part(node.answer))
    assert isinstance(node, OfTrait | OfProperty | OfAccount)
    return test(_value(node, columns), *node.comparison)


def _value(node: OfTrait | OfProperty | OfAccount, columns: Columns) -> Known:
    if isinstance(node, OfTrait):
        return columns.trait(node.trait)
    return columns.property(node.property) if isinstance(node, OfProperty) else columns.account(node.account)
