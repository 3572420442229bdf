"""Every message on a topic, as a frozen pydantic model. Times are epoch milliseconds, UTC.

These models are the contract: JSON Schema, AsyncAPI and the error texts come from them. `schemas/fast.py` derives
msgspec structs of the same shape for the hot path, and a test holds the two equal. A message carries the version `v`
of its schema; a reader understands the version before its own.
"""

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _finite(value: Any) -> Any:
    """Refuse NaN and the infinities, which pydantic reads and JSON does not have."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, float) and not isfinite(one):
            raise ValueError("JSON has no NaN and no infinity")
        todo += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return value


Millis = Annotated[int, Field(ge=0, le=253_402_300_799_999, description="epoch milliseconds, UTC")]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Version = Annotated[int, Field(ge=1, le=1, description="version of the schema")]
Workspace = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Identifier = Annotated[str, Field(min_length=3, max_length=600, pattern=r"^[a-z][a-z0-9_]*:")]
ProfileId = Annotated[str, Field(pattern=r"^p[0-9a-f]{32}$")]
Json = Annotated[
    dict[str, Any], Field(description="a JSON object, kept byte for byte as it came"), AfterValidator(_finite)
]
MessageId = Annotated[str, Field(min_length=1, max_length=256)]
GroupId = Annotated[str, Field(min_length=1, max_length=512)]
Type = Literal["track", "identify", "page", "screen", "group", "alias"]


class Message(BaseModel):
    """What every message has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    v: Version = 1
    workspace: Workspace


class Touchpoint(Message):
    """What a customer did, as the collector accepted and stamped it. Key: the anchor's profile_id().

    `identifiers` are normalised, the anchor first, then by priority and value. `evidence_at` is the corrected event
    time clamped to [received_at - the source's max_backdate, received_at]; `timestamp` is the corrected event time.
    `previous` is an alias call's previousId, as it came. `imported` ids are remembered for ever, others for a window;
    `restored` touchpoints never start a follow-up of their own accord. `trust` says how its sender was known: by a key
    that is `public` (in a browser), by a `secret` that was sent along, by a signature over the bytes (`signed`), or as
    a trusted `server`. `violations` are those of the tracking plan that were let pass, as "field: what is wrong".
    """

    source: str
    channel: str
    type: Type
    event: str = ""
    message_id: MessageId
    anchor: Identifier
    identifiers: tuple[Identifier, ...]
    timestamp: Millis
    original_timestamp: Millis | None = None
    sent_at: Millis | None = None
    received_at: Millis
    evidence_at: Millis
    group_id: str = ""
    previous: str = ""
    rules: str = ""
    trust: Literal["public", "secret", "signed", "server"] = "public"
    violations: tuple[str, ...] = ()
    imported: bool = False
    restored: bool = False
    properties: Json
    traits: Json
    context: Json


class Evidence(Message):
    """A touchpoint told something new about who is who. Key: workspace.

    The links are (anchor, other) for every other identifier. Identity answers every piece of evidence.
    """

    message_id: MessageId
    anchor: Identifier
    identifiers: tuple[Identifier, ...]
    previous: str = ""
    evidence_at: Millis
    received_at: Millis
    source: str = ""


class Membership(Message):
    """Who owns an identifier now. Key: the identifier's profile_id(). The highest version wins.

    `answers` names the touchpoint whose evidence this answers, for its anchor only ("nothing changed" included).
    `cause` is the message id of the evidence that moved the identifier; `at` the evidence's `received_at`. `together`
    are all moves of the same decision as [identifier, version, former owner, owner], when there are several.
    """

    identifier: Identifier
    owner: ProfileId
    version: Count
    cause: str = ""
    answers: str = ""
    at: Millis = 0
    together: tuple[tuple[Identifier, Count, ProfileId, ProfileId], ...] = ()


class IdentityChange(Message):
    """Two profiles became one, one became two, or an id moved. Public. Key: profile_id."""

    profile_id: ProfileId
    kind: Literal["merged", "split"]
    into: ProfileId
    identifiers: tuple[Identifier, ...]
    cause: str
    at: Millis


class CellMessage(Message):
    """A snapshot of one anchor's cell for its owner. Key: owner. The highest (version, n) per anchor wins.

    `n` counts the touchpoints folded into the cell. `cell` is null when the anchor is gone to another owner, `gone`.
    `came` is the former owner, when this snapshot tells that the anchor came from there. `touchpoint` is the one that
    this snapshot was folded for; `cause` its message id, or that of the evidence that moved the anchor. `named` is the
    identifier that names the owner, where the anchor knows it by evidence. `at` is when it came about, by the log: the
    `received_at` of the touchpoint, or of the evidence that moved the anchor; 0 when history was filled in. `together`
    are the anchors, each with a version, that the owner must have heard of before this counts: those of the same
    decision's moves, or of those that the touchpoint brought about.
    """

    owner: ProfileId
    anchor: Identifier
    version: Count
    n: Count
    cell: Json | None
    named: str = ""
    touchpoint: Touchpoint | None = None
    cause: str = ""
    came: ProfileId | None = None
    gone: ProfileId | None = None
    at: Millis = 0
    together: tuple[tuple[Identifier, Count], ...] = ()


class Contribution(Message):
    """What somebody did as one of an account. Internal. Key: the account's profile_id().

    `account` is its group id, `n` the number of the touchpoint among those of its anchor: of each anchor they come in
    rising order, so what comes again is known by it.
    """

    account: GroupId
    anchor: Identifier
    n: Count
    touchpoint: Touchpoint


class Profile(Message):
    """One person, or one account, public, compacted. Key: profile_id. `version` only grows.

    `redirect` is set when this id now belongs to another profile; `deleted` when nothing is left under it.
    `traits` are {name: {"value", "at", "source"}}, `computed` {name: value} without what depends on the time of
    reading, `consent` {channel, or "channel/purpose": "granted" or "denied"}, `events` {event: how often} for what the
    configuration's conditions count. `accounts` are the group ids of a person's accounts, the newest first.
    Everything but `version` is a pure function of the accepted touchpoints.
    """

    profile_id: ProfileId
    kind: Literal["person", "account"] = "person"
    version: Count
    deleted: bool = False
    redirect: ProfileId | None = None
    identifiers: tuple[Identifier, ...] = ()
    traits: Json
    computed: Json
    audiences: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    consent: Json
    events: Json = {}
    touchpoints: Count = 0
    first_seen: Millis | None = None
    last_seen: Millis | None = None


class AudienceChange(Message):
    """A person entered or exited an audience. Public. Key: profile_id. A merge is told by its reason."""

    profile_id: ProfileId
    audience: str
    change: Literal["entered", "exited"]
    reason: Literal["touchpoint", "merged", "split", "time"]
    cause: str
    at: Millis


class Cause(Message):
    """What may start a follow-up, with the person as they are now. Internal. Key: profile_id.

    `audience` is empty when the touchpoint itself is the cause, else the audience that it made the person enter.
    """

    profile_id: ProfileId
    anchor: Identifier
    audience: str = ""
    touchpoint: Touchpoint
    profile: Profile


class Event(Message):
    """What a customer did, with who they were at that moment: a touchpoint for sinks and SQL over streams. Public,
    if it is switched on (RAPPORT_EVENTS). Key: profile_id.

    `profile_id` is as of then and is not corrected: when profiles merge or split, identity-changes says which
    identifiers went where, and `anchor` is one of them. For people as they are now follow `redirect` in profiles, or
    join by `anchor`. One may come twice, after a crash or as `restored`: (workspace, anchor, message_id) names it.
    """

    profile_id: ProfileId
    anchor: Identifier
    identifiers: tuple[Identifier, ...]
    message_id: MessageId
    type: Type
    event: str = ""
    source: str
    channel: str
    group_id: str = ""
    timestamp: Millis
    received_at: Millis
    restored: bool = False
    properties: Json
    traits: Json
    context: Json


class Action(Message):
    """A follow-up to be made. Public. Key: profile_id.

    `key` names it once and for all: workspace, rule, causing message (and audience), step. `anchor` finds the person
    at the moment of sending, through every merge since. `held` is why it shall not be made (holdout, no consent), else
    empty. `data` is what the rule says for whoever reads the topic.
    """

    key: str
    rule: str
    step: Count
    kind: str
    anchor: Identifier
    profile_id: ProfileId
    audience: str = ""
    cause: str
    decided_at: Millis
    held: str = ""
    data: Json = {}
    touchpoint: Touchpoint


class Delivery(Message):
    """What became of a follow-up. Internal, to the warehouse. Key: the action's key. The last one wins."""

    key: str
    rule: str
    kind: str
    profile_id: ProfileId
    status: Literal["waiting", "sent", "held", "failed", "uncertain", "dead"]
    attempt: Count
    reason: str = ""
    to: str = ""
    at: Millis


class Duplicate(Message):
    """An accepted line of the log that was a duplicate after all. Internal, to the warehouse. Key: anchor."""

    message_id: MessageId
    anchor: Identifier
    partition: Count
    offset: Count
    index: Count


class RejectedItem(Message):
    """An item that was refused, with its reason and as it came. Internal, to the warehouse. Key: source.

    `kind` is how it came: the call's name ("track"), empty for an item of a batch that says its own, or "webhook".
    """

    source: str
    kind: str = ""
    received_at: Millis
    message_id: str = ""
    code: str
    field: str = ""
    expected: str = ""
    got: str = ""
    reason: str
    hint: str = ""
    raw: str


class Command(Message):
    """What an operator asks of the engine, so that it is done once, in order and on record. Internal. Key: command.

    `rebuild` reads everything again as a new generation; `resend` sends the follow-up of the key `argument` once more;
    `restore-ledger` adds the exported rows in `argument`, one a line, to the ledger; `backfill` computes the history of
    the traits in `argument` (names with commas between them; empty: all that lack it) from the archive.
    """

    command: Literal["rebuild", "resend", "restore-ledger", "backfill"]
    argument: str = ""
    who: str
    at: Millis


Wire = (
    Touchpoint, Evidence, Membership, IdentityChange, CellMessage, Contribution, Profile, AudienceChange, Cause, Event,
    Action, Delivery, Duplicate, RejectedItem, Command,
)  # fmt: skip
