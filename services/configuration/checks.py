"""What must hold between the files: names stand once, and whatever is named is there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, NamedTuple

from services.conditions.tree import Node, OfAccount, OfAudience, OfTrait, placed
from services.identifiers.rules import IdentityRules
from services.profile.definitions import circle
from services.yamlfile import Document
from services.yamlfile.document import Place

ALIKE = 0.75  # how alike (0 to 1, difflib) two names are of which one may be the other misspelt

_TOLD_BY = ' (It is fine when {} tell "{}".)'


class Entry(NamedTuple):
    """One definition (a Source, Trait, Audience or Rule) and where it stands."""

    document: Document
    place: Place
    item: Any

    def problem(self, place: Place, what: str) -> str:
        """A sentence about a part of the definition, with file and line."""
        return self.document.problem((*self.place, *place), what)


def cross_check(
    identity: IdentityRules,
    sources: Sequence[Entry],
    traits: Sequence[Entry],
    audiences: Sequence[Entry],
    rules: Sequence[Entry],
    unread: AbstractSet[str] = frozenset(),
) -> list[str]:
    """What is wrong between the files, each with file and line. Names of sections that could not be read (`unread`) are
    not looked for: what is wrong with those files has been told."""
    return [
        *_twice(sources, "source", "name", lambda source: source.name),
        *_twice([entry for entry in sources if entry.item.write_key], "", "write_key", lambda source: source.write_key),
        *_twice(traits, "trait", "name", lambda trait: trait.name),
        *_twice(audiences, "audience", "name", lambda audience: audience.name),
        *_twice(rules, "rule", "name", lambda rule: (rule.workspace, rule.name)),
        *([] if "identity" in unread else _unknown_types(identity, sources)),
        *([] if "audiences" in unread else _unknown_audiences([entry.item.name for entry in audiences], rules)),
        *([] if "audiences" in unread else _unknown_leaves([entry.item.name for entry in audiences], audiences, rules)),
        *_circle(audiences),
    ]


def doubts(
    traits: Sequence[Entry], computes: bool, audiences: Sequence[Entry], rules: Sequence[Entry]
) -> Iterator[str]:
    """What is possible and probably not meant: a condition over a trait that is not computed. Most such traits are told
    by events, so it is said only when the name is nearly that of a computed one, or that of one of the other kind
    (persons, accounts), or when a file is there to compute traits (`computes`) and computes none."""
    named = {of: [entry.item.name for entry in traits if entry.item.of == of] for of in ("person", "account")}
    for entry, place, node in _leaves(audiences, rules):
        if isinstance(node, OfTrait) and (doubt := _of_people(node.trait, named, computes and not traits)):
            yield entry.problem((*place, "trait"), doubt)
        if isinstance(node, OfAccount) and (doubt := _of_accounts(node.account, named)):
            yield entry.problem((*place, "account"), doubt)


def _leaves(audiences: Sequence[Entry], rules: Sequence[Entry]) -> Iterator[tuple[Entry, Place, Node]]:
    """Every part of the conditions of audiences and rules, and where it stands."""
    asked = [(entry, ("who",), entry.item.who) for entry in audiences]
    asked += [(entry, ("if",), entry.item.condition) for entry in rules if entry.item.condition]
    for entry, top, tree in asked:
        for place, node in placed(tree, top):
            yield entry, place, node


def _of_people(name: str, named: Mapping[str, list[str]], none: bool) -> str:
    """What is doubtful about a condition over this trait of a person; empty when nothing is."""
    told = _TOLD_BY.format("events", name)
    if name in named["account"]:
        return f'"{name}" is computed of accounts: in the `if` of a rule, `account: {name}` asks for it.{told}'
    if name in named["person"]:
        return ""
    if close := get_close_matches(name, named["person"], 1, ALIKE):
        return f'no trait "{name}" is computed; did you mean "{close[0]}"?{told}'
    return f'no trait is computed, so events have to tell "{name}"' if none else ""


def _of_accounts(name: str, named: Mapping[str, list[str]]) -> str:
    """The same about a trait of an account."""
    told = _TOLD_BY.format("group calls", name)
    if name in named["person"]:
        return f'"{name}" is computed of people: `trait: {name}` asks for it.{told}'
    close = get_close_matches(name, named["account"], 1, ALIKE) if name not in named["account"] else []
    return f'no trait "{name}" is computed of accounts; did you mean "{close[0]}"?{told}' if close else ""


def _twice(entries: Sequence[Entry], kind: str, field: str, of: Callable[[Any], Any]) -> list[str]:
    """Definitions that claim what another one has. A write key is not quoted."""
    first: dict[Any, Entry] = {}
    problems = []
    for entry in entries:
        other = first.setdefault(of(entry.item), entry)
        if other is not entry:
            whose = f'the {kind} "{entry.item.name}" is' if kind else f'the write_key of "{entry.item.name}" is'
            where = f"{other.document.name}, line {other.document.line((*other.place, field))}"
            problems.append(entry.problem((field,), f"{whose} there already ({where}); each needs its own"))
    return problems


def _unknown_types(identity: IdentityRules, sources: Sequence[Entry]) -> list[str]:
    return [
        entry.problem(
            ("identifiers", path), f'there is no identifier type "{kind}"' + _meant(kind, list(identity.types))
        )
        for entry in sources
        for path, kind in entry.item.identifiers.items()
        if kind not in identity.types
    ]


def _unknown_audiences(names: list[str], rules: Sequence[Entry]) -> list[str]:
    return [
        entry.problem(("when", "enters"), f'there is no audience "{wanted}"' + _meant(wanted, names))
        for entry in rules
        if (wanted := entry.item.when.enters) is not None and wanted not in names
    ]


def _unknown_leaves(names: list[str], audiences: Sequence[Entry], rules: Sequence[Entry]) -> list[str]:
    return [
        entry.problem((*place, "audience"), f'there is no audience "{node.audience}"' + _meant(node.audience, names))
        for entry, place, node in _leaves(audiences, rules)
        if isinstance(node, OfAudience) and node.audience not in names
    ]


def _circle(audiences: Sequence[Entry]) -> list[str]:
    found = circle(entry.item for entry in audiences)
    if not found:
        return []
    first = next(entry for entry in audiences if entry.item.name == found[0])
    return [first.problem(("who",), f"these audiences ask for each other in a circle: {' → '.join(found)}")]


def _meant(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there are {', '.join(known)}" if known else "; none is defined"
