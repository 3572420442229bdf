"""The identifiers of a call: where they are looked for, which of them count, and which one is the anchor.

They come from userId, anonymousId, `traits` and `context.traits` (email, phone) and `context.externalIds`, and from
the paths that the source maps; never from other properties. A group's traits are the group's and name no person.
"""

from typing import Any

from schemas.identifiers import split
from services.errors import Rejected
from services.identifiers import IdentityRules
from services.ingest.decode import Item
from services.ingest.explain import shown
from services.ingest.payload import Payload
from services.ingest.sources import Source

WHERE = "userId, anonymousId, traits.email, traits.phone, context.traits or context.externalIds"
Candidate = tuple[str, str, Any]  # where a value stood, the type of identifier that it may be, and the value
_NAMED = 5  # candidates that a reason names


def candidates(payload: Payload, source: Source) -> list[Candidate]:
    """Every value that stands where an identifier is looked for."""
    call = payload.call
    found: list[Candidate] = []
    if call.user_id is not None:
        found.append(("userId", "user_id", call.user_id))
    if call.anonymous_id is not None:
        found.append(("anonymousId", "anonymous_id", call.anonymous_id))
    if payload.traits and payload.kind != "group":
        _contacts("traits", payload.traits, found)
    if payload.context:
        inner = payload.context.get("traits")
        if type(inner) is dict:
            _contacts("context.traits", inner, found)
        listed = payload.context.get("externalIds")
        if type(listed) is list:
            _external(listed, found)
    if source.identifiers:
        _mapped(payload, source, found)
    return found


def identifiers(payload: Payload, source: Source, rules: IdentityRules, most: int) -> tuple[str, ...]:
    """The normalised identifiers, the anchor first, then by rank. Raises Rejected when there is none, or too many."""
    looked = candidates(payload, source)
    clean, region = rules.clean, source.region
    found = {text for _, kind, value in looked if (text := clean(kind, value, region)) is not None}
    if not found:
        raise _none(looked, rules, region)
    if len(found) > most:
        reason = f"the call names {len(found)} identifiers; at most {most} are accepted"
        raise Rejected("too_many_identifiers", reason, expected=f"at most {most}", got=str(len(found)))
    if len(found) == 1:
        return (found.pop(),)
    return tuple(sorted(found, key=rules.rank))


def previous(call: Item, rules: IdentityRules) -> str:
    """An alias call's previousId, as it came. Raises Rejected when it can be nobody's id, like `null`."""
    text = str(call.previous_id)
    if rules.clean("anonymous_id", text) is None:
        why = f"previousId names nobody: {rules.why_not('anonymous_id', text)}"
        raise Rejected("no_identifier", why, "previousId", "the id by which the customer was known", shown(text))
    return text


def group(payload: Payload, rules: IdentityRules) -> str:
    """The account that the call is about: a group call's groupId, else `context.groupId`, as Segment's clients give it.

    It is written as identifiers are: without blanks around it. Raises Rejected for a group call whose groupId is
    nobody's, like `null`; elsewhere such an id is none.
    """
    said = payload.call.group_id if payload.kind == "group" else payload.context.get("groupId")
    if type(said) not in (str, int):
        return ""
    text = str(said)
    clean = rules.clean("anonymous_id", text)
    if clean is not None:
        return split(clean)[1]
    if payload.kind != "group":
        return ""
    why = f"groupId names no account: {rules.why_not('anonymous_id', text)}"
    raise Rejected("no_account", why, "groupId", "the id of a company or group", shown(text))


def _contacts(path: str, traits: dict[str, Any], found: list[Candidate]) -> None:
    for kind in ("email", "phone"):
        value = traits.get(kind)
        if value is not None:
            found.append((f"{path}.{kind}", kind, value))


def _external(listed: list[Any], found: list[Candidate]) -> None:
    """Segment's {id, type, collection, encoding}; only the collection users is persons, and ios.idfa is ios_idfa."""
    for index, entry in enumerate(listed):
        if type(entry) is dict and entry.get("collection") in (None, "users"):
            kind, value = entry.get("type"), entry.get("id")
            if type(kind) is str and value is not None:
                found.append((f"context.externalIds[{index}].id", kind.replace(".", "_"), value))


def _mapped(payload: Payload, source: Source, found: list[Candidate]) -> None:
    for path, parts, kind in source.mapped:
        value: Any = getattr(payload, parts[0])
        for part in parts[1:]:
            value = value.get(part) if type(value) is dict else None
        if value is not None:
            found.append((path, kind, value))


def _none(looked: list[Candidate], rules: IdentityRules, region: str) -> Rejected:
    """Why nothing counted: what was there, or where something could have been."""
    if not looked:
        reason = f"the call has no identifier: give at least one of {WHERE}"
        return Rejected("no_identifier", reason, "userId", f"at least one of {WHERE}", "none")
    parts = [f"{path}: {rules.why_not(kind, value, region)}" for path, kind, value in looked[:_NAMED]]
    reason = f"the call has no usable identifier ({'; '.join(parts)})"
    got = shown(looked[0][2])
    return Rejected("no_identifier", reason, looked[0][0], f"at least one usable value in {WHERE}", got)
