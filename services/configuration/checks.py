"""What must hold between the files: names stand once, and whatever is named is there."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from services.identifiers.rules import IdentityRules
from services.yamlfile import Document
from services.yamlfile.document import Place


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
) -> list[str]:
    """What is wrong between the files, each with file and line."""
    return [
        *_twice(sources, "source", "name", lambda source: source.name),
        *_twice(sources, "", "write_key", lambda source: source.write_key),
        *_twice(traits, "trait", "name", lambda trait: trait.name),
        *_twice(audiences, "audience", "name", lambda audience: audience.name),
        *_twice(rules, "rule", "name", lambda rule: (rule.workspace, rule.name)),
        *_unknown_types(identity, sources),
        *_unknown_audiences([entry.item.name for entry in audiences], rules),
    ]


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


def _meant(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there are {', '.join(known)}" if known else "; none is defined"
