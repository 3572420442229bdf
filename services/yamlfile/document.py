"""Read a YAML file into plain values that know their lines.

The dialect is the part of YAML that means what it looks like: `true` and `false` are the only booleans (`no` is a text,
so that Norway keeps its country code), dates are texts, numbers are written as in JSON (`+86` and `007` are texts),
keys are texts and may stand only once. Anchors and aliases are refused, because a few lines of them can stand for
gigabytes. File size and nesting are bounded.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from services.errors import ConfigError

LARGEST = 256 * 1024  # bytes of one file
DEEPEST = 40  # mappings and lists inside each other
LONGEST_NUMBER = 100  # characters

Place = tuple[str | int, ...]  # the way from the top of the file: ("rules", 0, "wait")

_TAG = "tag:yaml.org,2002:"
_COLON = 'a ":" too many (a text with ": " needs quotes), or the line is indented wrongly'
_PLAINLY = {  # what libyaml says: what it usually means
    "mapping values are not allowed in this context": _COLON,
    "did not find expected node content": "something else was expected here; put the value in quotes",
    "did not find expected key": "this line does not fit the ones above; look at the indentation and the quotes",
    "did not find expected '-' indicator": "expected another `- `; look at the indentation",
    "could not find expected ':'": 'expected `name: value`; there is no ":" on this line',
    "found character that cannot start any token": "a value cannot begin with this character; put the text in quotes",
    "found unexpected end of stream": "a quote or bracket is opened and never closed",
    "did not find expected ',' or ']'": "a list in brackets is not closed, or a comma is missing",
    "did not find expected ',' or '}'": "a mapping in braces is not closed, or a comma is missing",
}


class Document(NamedTuple):
    """One file: its name as shown to people, what it says, and the line of each part (the first line is 1)."""

    name: str
    value: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """The line of this part; of the nearest part around it where there is no such part."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, what: str) -> str:
        """A sentence about this part that begins with file and line."""
        return f"{self.name}, line {self.line(place)}: {what}"


class _Loader(yaml.CSafeLoader):
    """Understands null, true, false and numbers as JSON writes them; everything else is a text."""


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (  # the first characters, "" for nothing at all, are PyYAML's index
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)


def read(path: Path) -> Document:
    """The file's values and lines. Raises ConfigError when it cannot be read, is no YAML or goes beyond the bounds."""
    name = str(path)
    text = _text(name, path)
    try:
        _check_shape(name, text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as wrong:
        raise ConfigError([_syntax(name, text, wrong)]) from None
    except yaml.reader.ReaderError as wrong:
        line = text.count("\n", 0, wrong.position) + 1
        raise ConfigError([f"{name}, line {line}: a control character stands here; remove it"]) from None
    reading = _Reading()
    value = None if root is None else reading.value(root, ())
    if reading.problems:
        raise ConfigError([f"{name}, {problem}" for problem in reading.problems])
    return Document(name, value, reading.lines)


def _text(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError([f"{name}: there is no such file"]) from None
    except OSError as wrong:
        raise ConfigError([f"{name}: cannot be read: {wrong.strerror}"]) from None
    if len(found) > LARGEST:
        raise ConfigError([f"{name}: is larger than {LARGEST // 1024} KB; split it into several files"])
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = found.count(b"\n", 0, wrong.start) + 1
        raise ConfigError([f"{name}, line {line}: is not UTF-8; save the file with the encoding UTF-8"]) from None


def _check_shape(name: str, text: str) -> None:
    """Refuse aliases and deep nesting before anything recursive looks at the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            what = "anchors and aliases (& and *) are not possible here; write it out, or put the text in quotes"
            raise ConfigError([f"{name}, line {line}: {what}"])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError([f"{name}, line {line}: nested too deep; at most {DEEPEST} levels are possible"])


def _syntax(name: str, text: str, wrong: yaml.MarkedYAMLError) -> str:
    mark = wrong.problem_mark or wrong.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return f"{name}, line {line}: a tab stands in the indentation; use spaces"
    said = wrong.problem or "this is no YAML"
    return f"{name}, line {line}: {_PLAINLY.get(said, said)}"


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
    "null": lambda _: None,
}


class _Reading:
    """Makes plain values of nodes; notes the line of every part, and what is wrong."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {(): 1}
        self.problems: list[str] = []

    def value(self, node: yaml.Node, place: Place) -> Any:
        """The plain value of a node at this place."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(part, (*place, index)) for index, part in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return {key: self.value(part, (*place, key)) for key, part in self._entries(node, place)}
        kind = node.tag.removeprefix(_TAG)
        try:
            if len(node.value) <= (LARGEST if kind == "str" else LONGEST_NUMBER):
                return _SCALARS[kind](node.value)
        except (TypeError, ValueError, KeyError):
            pass
        self.problems.append(f"line {node.start_mark.line + 1}: this cannot be read; put it in quotes if it is a text")
        return None

    def _entries(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        """(key, value) of a mapping; a key that stands here for the second time is a problem."""
        for key, part in node.value:
            line, text = key.start_mark.line + 1, key.value
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(f"line {line}: a key must be a text")
            elif (*place, text) in self.lines:
                self.problems.append(f'line {line}: "{text}" is here twice; first on line {self.lines[*place, text]}')
            else:
                self.lines[*place, text] = line
                yield text, part
