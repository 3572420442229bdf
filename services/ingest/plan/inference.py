"""Propose a tracking plan from what was seen: a JSON Schema that all of the samples satisfy. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 100  # properties of one object that are described
DEPTH = 4  # objects and lists inside each other that are described
SURE = 20  # samples from which on a property that all of them have is required
OFTEN = 100  # samples from which on few different texts are taken for all that there are
FEW = 8  # different texts
LONGEST = 64  # characters of a text that may be one of few

Schema = dict[str, Any]


def proposed(samples: Sequence[Mapping[str, Any]]) -> Schema:
    """The schema of an object, from samples of it (decoded JSON).

    A property that all of SURE or more samples have is required; texts are an enumeration when OFTEN or more samples
    have but FEW of them, each more than once. Whole numbers are numbers: the next one may have a fraction.
    """
    return _object([dict(sample) for sample in samples], DEPTH)


def _object(samples: list[dict[str, Any]], depth: int) -> Schema:
    counts = Counter(name for sample in samples for name in sample)
    names = sorted(name for name, _ in counts.most_common(MOST))
    required = [name for name in names if counts[name] == len(samples) >= SURE]
    found: Schema = {"type": "object"}
    if required:
        found["required"] = required
    if names:
        found["properties"] = {name: _value([s[name] for s in samples if name in s], depth - 1) for name in names}
    return found


def _value(values: list[Any], depth: int) -> Schema:
    kinds = sorted({_kind(value) for value in values})
    found: Schema = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if kinds == ["string"] and (enumeration := _enumeration(values)):
        found["enum"] = enumeration
    if depth > 0:
        objects = [value for value in values if isinstance(value, dict)]
        items = [item for value in values if isinstance(value, list) for item in value]
        if objects:
            found |= {key: part for key, part in _object(objects, depth).items() if key != "type"}
        if items:
            found["items"] = _value(items, depth - 1)
    return found


_KINDS = {type(None): "null", bool: "boolean", str: "string", dict: "object", list: "array"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "number")


def _enumeration(values: list[str]) -> list[str]:
    counts = Counter(values)
    if len(values) < OFTEN or len(counts) > FEW or min(counts.values()) < 2 or max(map(len, counts)) > LONGEST:
        return []
    return sorted(counts)
