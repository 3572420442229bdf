"""`rapport tail`: follow a topic as it grows."""

import sys
import time
from typing import Annotated, Any

import msgspec
import typer

from schemas import fast
from schemas.topics import TOPICS
from services.commands.options import AsJson, Data, settings_of
from services.commands.reach import files_of, reading
from services.commands.show import instant, plain
from services.commands.topic_files import bodies, file_of
from services.runtime import frames

PAUSE = 0.2  # seconds between two looks


def tail(
    topic: Annotated[
        str, typer.Argument(help="Which topic: touchpoints, rejected, profiles, actions …")
    ] = "touchpoints",
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest that is there.")] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Follow touchpoints, or another topic, one line each as they arrive.

    \b
    rapport tail
    rapport tail audience-changes
    rapport tail touchpoints --from-start --no-follow --json > touchpoints.ndjson
    """
    files = files_of(settings_of(data=data))
    decode = msgspec.json.Decoder(getattr(fast, TOPICS[topic].model.__name__)).decode if topic in TOPICS else None
    with reading(file_of(topic, files)) as reader:
        at = frames.beginning(reader, topic) if from_start or not follow else frames.end(reader, topic)
        while True:
            for frame in bodies(reader, topic, at):
                for line in frame.body.split(b"\n"):
                    sys.stdout.write((line.decode() if as_json or decode is None else one_line(decode(line))) + "\n")
                at = frame.offset + 1
            sys.stdout.flush()
            if not follow:
                return
            time.sleep(PAUSE)


def one_line(message: Any) -> str:
    """A message as one line that a person can read."""
    kind = type(message).__name__
    if kind in _LINES:
        return plain(_LINES[kind](message))
    shown = (
        f"{name}={value}" for name, value in msgspec.structs.asdict(message).items() if name not in ("v", "workspace")
    )
    return plain(" ".join(shown).replace("\n", " "))


def _touchpoint(it: fast.Touchpoint) -> str:
    what = f"{it.type} {it.event}".strip()
    others = " ".join(it.identifiers[1:])
    return f"{instant(it.timestamp)}  {what:<28}  {it.anchor}  {others}  [{it.source}]"


def _rejected(it: fast.RejectedItem) -> str:
    return f"{instant(it.received_at)}  {it.code:<20}  {it.reason}  [{it.source}]"


def _profile(it: fast.Profile) -> str:
    audiences = ", ".join(it.audiences) or "no audience"
    return f"{it.profile_id}  {it.touchpoints:,} touchpoints  {' '.join(it.identifiers)}  ({audiences})"


def _audience_change(it: fast.AudienceChange) -> str:
    return f"{instant(it.at)}  {it.profile_id}  {it.change} {it.audience}  ({it.reason}, {it.cause})"


def _action(it: fast.Action) -> str:
    return f"{instant(it.decided_at)}  {it.profile_id}  {it.rule}: {it.kind}  ({it.key})"


def _delivery(it: fast.Delivery) -> str:
    return f"{instant(it.at)}  {it.rule}: {it.kind} to {it.to or '?'}  {it.status}  {it.reason}  ({it.key})"


_LINES: dict[str, Any] = {
    "Touchpoint": _touchpoint,
    "RejectedItem": _rejected,
    "Profile": _profile,
    "AudienceChange": _audience_change,
    "Action": _action,
    "Delivery": _delivery,
}
