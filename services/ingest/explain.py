"""Why a call was refused: which field, what was expected, what came, and what was probably meant."""

import re
from difflib import get_close_matches
from typing import Any

import msgspec
from pydantic import ValidationError

from schemas import fast
from services.errors import Rejected
from services.ingest.segment import CALLS, Call

TYPES = ", ".join(CALLS)
_NAMES = {
    info.alias or name: info.description or "" for model in CALLS.values() for name, info in model.model_fields.items()
}
_PLAIN = {name.lower(): name for name in _NAMES} | {
    "eventname": "event",
    "uid": "userId",
    "user": "userId",
    "anonid": "anonymousId",
    "props": "properties",
    "type": "type",
}
_JSON_NAMES = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}


def explain(kind: object, raw: msgspec.Raw) -> Rejected:
    """The reason why this call of type `kind` is refused. It is asked for refused calls only."""
    try:
        found = fast.loads(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return unreadable(error)
    if not isinstance(found, dict):
        reason = f"an item is an object with a `type` and its fields; this one is {shown(found)}"
        return Rejected("not_an_object", reason, expected="a JSON object", got=shown(found))
    if not isinstance(kind, str) or kind not in CALLS:
        return _unknown_type(found)
    try:
        CALLS[kind].model_validate(found)
    except ValidationError as error:
        return _wrong_field(kind, found, str(error.errors()[0]["loc"][0]))
    return Rejected("invalid", f"this {kind} call cannot be read")


def unreadable(error: Exception) -> Rejected:
    """A value that is JSON but that nothing downstream could read, such as 1e999."""
    text = str(error).split(" - at ")[0]
    return Rejected("invalid_value", f"a value cannot be read: {text}", expected="numbers that fit 64 bits", got=text)


def shown(value: object) -> str:
    """A value as a person would like to see it in a message: its kind and at most 80 characters of it."""
    if value is None:
        return "null"
    kind = _JSON_NAMES.get(type(value), "a number")
    try:
        text = fast.dumps(value).decode()
    except RecursionError:
        text = "nested too deeply to be shown"
    return f"{kind} {text if len(text) <= 80 else text[:79] + '…'}"


def meant(found: dict[str, Any], field: str) -> str:
    """A hint when some unknown key of this call looks like `field`; else empty."""
    for key in found:
        if key not in _NAMES and key != field and likely(key) == field:
            return f"`{key[:80]}` is not known: did you mean `{field}`?"
    properties = found.get("properties")
    if isinstance(properties, dict):
        for key in properties:
            if likely(key) == field:
                return f"`{key[:80]}` stands inside `properties`: put `{field}` beside `properties`, not into it"
    return ""


def likely(key: str) -> str:
    """The documented field that this key misses by case, signs, or one letter; empty when there is none."""
    plain = re.sub(r"[^a-z]", "", key[:_LONGEST].lower())
    return next((_NEAR[variant] for variant in _shortened(plain) if variant in _NEAR), "")


def _shortened(word: str) -> list[str]:
    """The word, and the word without each of its letters: two words that share one of these are a letter apart.

    A generic measure of likeness would take ten times as long, and a batch can hold many thousand unknown keys.
    """
    return [word, *(word[:at] + word[at + 1 :] for at in range(len(word)))]


_LONGEST = 24
_NEAR = {variant: field for word, field in reversed(_PLAIN.items()) for variant in reversed(_shortened(word))}


def _unknown_type(found: dict[str, Any]) -> Rejected:
    got = found.get("type")
    if got is None:
        reason = f"`type` is missing; expected one of {TYPES}"
        return Rejected("unknown_type", reason, "type", TYPES, "nothing", meant(found, "type"))
    close = get_close_matches(str(got)[:80].lower(), CALLS, n=1)
    hint = f"did you mean `{close[0]}`?" if close else ""
    return Rejected("unknown_type", f"`type` is {shown(got)}; expected one of {TYPES}", "type", TYPES, shown(got), hint)


def _wrong_field(kind: str, found: dict[str, Any], field: str) -> Rejected:
    expected = _expected(CALLS[kind], field)
    if found.get(field) in (None, ""):
        reason = f"a {kind} call needs `{field}`: {expected}"
        return Rejected("missing_field", reason, field, expected, shown(found.get(field)), meant(found, field))
    got = shown(found[field])
    return Rejected("invalid_field", f"`{field}` is {got}; expected {expected}", field, expected, got)


def _expected(model: type[Call], field: str) -> str:
    for name, info in model.model_fields.items():
        if field in (name, info.alias):
            return info.description or ""
    return ""
