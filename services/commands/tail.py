"""`rapport tail`: follow a topic as it grows."""

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from schemas import fast
from schemas.topics import TOPICS
from services.commands.options import AsJson, ConfigFolder, Data, InWorkspace, settings_of
from services.commands.reach import files_of, reading
from services.commands.show import instant, plain
from services.commands.topic_files import bodies, file_of
from services.runtime import frames
from services.runtime.files import find_running
from services.runtime.settings import Settings

PAUSE = 0.2  # seconds between two looks


def tail(
    topic: Annotated[
        str, typer.Argument(help="Which topic: touchpoints, rejected, profiles, actions …")
    ] = "touchpoints",
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest that is there.")] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
    workspace: InWorkspace = None,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Follow touchpoints, or another topic, one line each as they arrive.

    The start of profiles and accounts is the present document of each; of other topics it is what the log still has.

    \b
    rapport tail
    rapport tail audience-changes --workspace main
    rapport tail profiles --from-start --json
    rapport tail touchpoints --from-start --no-follow --json > touchpoints.ndjson
    """
    settings = settings_of(data=data, config=config)
    path = file_of(topic, files_of(settings))
    decode = msgspec.json.Decoder(getattr(fast, TOPICS[topic].model.__name__)).decode
    with reading(path) as reader:
        for line in _lines(reader, topic, settings, from_start or not follow, follow):
            message = decode(line)
            if workspace in (None, message.workspace):
                sys.stdout.write((line.decode() if as_json else one_line(message)) + "\n")


def _lines(
    reader: sqlite3.Connection, topic: str, settings: Settings, from_start: bool, follow: bool
) -> Iterator[bytes]:
    """What the topic carries, for ever or to its present end. Standard output is flushed before each wait."""
    at = frames.end(reader, topic)
    if from_start and TOPICS[topic].retention is None:
        yield from _documents(reader, topic, settings)
    elif from_start:
        at = frames.beginning(reader, topic)
    while True:
        for frame in bodies(reader, topic, at):
            yield from frame.body.split(b"\n")
            at = frame.offset + 1
        sys.stdout.flush()
        if not follow:
            return
        time.sleep(PAUSE)


def _documents(reader: sqlite3.Connection, topic: str, settings: Settings) -> Iterator[bytes]:
    """The snapshot of a compacted topic, by the configuration that the platform works by, if it is up."""
    from services.configuration import load_config  # half a second that following the log need not pay
    from services.runtime.streams.documents import documents_of

    running = find_running(files_of(settings))
    config = load_config(Path(running.config) if running else settings.config)
    documents = documents_of(TOPICS[topic], config.definitions)
    yield from documents.every(reader, None) if documents else ()


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
    audiences = f"  ({', '.join(it.audiences) or 'no audience'})" if it.kind == "person" else ""
    return f"{it.profile_id}  {it.touchpoints:,} touchpoints  {' '.join(it.identifiers)}{audiences}"


def _audience_change(it: fast.AudienceChange) -> str:
    return f"{instant(it.at)}  {it.profile_id}  {it.change} {it.audience}  ({it.reason}, {it.cause})"


def _event(it: fast.Event) -> str:
    what = f"{it.type} {it.event}".strip()
    return f"{instant(it.timestamp)}  {what:<28}  {it.profile_id}  {it.anchor}  [{it.source}]"


def _action(it: fast.Action) -> str:
    return f"{instant(it.decided_at)}  {it.profile_id}  {it.rule}: {it.kind}  ({it.key})"


def _delivery(it: fast.Delivery) -> str:
    return f"{instant(it.at)}  {it.rule}: {it.kind} to {it.to or '?'}  {it.status}  {it.reason}  ({it.key})"


_LINES: dict[str, Any] = {
    "Touchpoint": _touchpoint,
    "RejectedItem": _rejected,
    "Profile": _profile,
    "AudienceChange": _audience_change,
    "Event": _event,
    "Action": _action,
    "Delivery": _delivery,
}
