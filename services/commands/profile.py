"""`rapport profile`: one person, by anything they are known by."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from services.commands.options import AsJson, ConfigFolder, Data, settings_of
from services.commands.reach import http, running_on, said, unread
from services.commands.show import cell, instant, json_line, table
from services.configuration import load_config
from services.errors import RapportError

ANSWERS = 10  # of the ledger of consent


def profile(
    who: Annotated[str, typer.Argument(metavar="IDENTIFIER", help="type:value, a value alone, or a profile id.")],
    workspace: Annotated[str, typer.Option(help="The workspace to look in.")] = "main",
    recent: Annotated[int, typer.Option(min=0, max=1_000, help="How many of the newest touchpoints to show.")] = 10,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show one person: identifiers, traits, consent and the newest touchpoints. Exits 1 when nobody is found.

    A value without a type is tried as every type of the identity rules, the strongest first.

    \b
    rapport profile email:ann@example.com
    rapport profile u1
    rapport profile u1 --json | jq .traits
    """
    settings = settings_of(data=data, config=config)
    running = running_on(settings)
    rules = load_config(settings.config).identity.types
    types = sorted(rules, key=lambda kind: (rules[kind].priority, kind))
    with http(running, settings.key_for(workspace)) as client:
        found = _first(client, paths(who, types), workspace)
        if found is None:
            raise RapportError(f"nobody is known by {who!r} in workspace {workspace!r}")
        if as_json:
            json_line(found)
            return
        _card(found)
        _consents(client, found, workspace)
        if recent:
            _recent(client, found, workspace, recent)


def paths(who: str, types: Iterable[str]) -> Iterator[str]:
    """Where to look for somebody, the likeliest first."""
    kinds = list(types)
    if re.fullmatch(r"p[0-9a-f]{32}", who):
        yield f"/v1/profiles/{who}"
    kind, colon, value = who.partition(":")
    if colon and kind in kinds:
        yield f"/v1/profiles/by/{kind}/{quote(value, safe='')}"
    else:
        yield from (f"/v1/profiles/by/{kind}/{quote(who, safe='')}" for kind in kinds)


def _first(client: httpx.Client, places: Iterable[str], workspace: str) -> Any:
    """The first profile found. A value that cannot be of a type (400) is not found as that type."""
    for place in places:
        response = client.get(place, params={"workspace": workspace})
        if response.status_code == 200:
            return response.json()
        if response.status_code not in (400, 404, 422):
            raise unread(response)
    return None


def _card(found: dict[str, Any]) -> None:
    seen = f"{instant(found.get('first_seen'))} … {instant(found.get('last_seen'))}"
    rows = [
        ("profile id", found["profile_id"]),
        ("identifiers", "\n".join(found["identifiers"])),
        ("accounts", "\n".join(found["accounts"]) or "none"),
        ("audiences", "\n".join(found["audiences"]) or "none"),
        ("touchpoints", cell(found["touchpoints"])),
        ("seen", seen),
    ]
    table("", ("", "person"), rows)
    values(found)


def values(found: dict[str, Any]) -> None:
    """The tables of what is known of a person or an account: traits, computed, consent; those that are not empty."""
    for title, values in (("traits", found["traits"]), ("computed", found["computed"]), ("consent", found["consent"])):
        if values:
            table(title, ("name", "value"), [(name, _shown(value)) for name, value in values.items()])


def _shown(value: Any) -> str:
    """A trait as a person reads it: its value, and beside it when and from where it came."""
    if isinstance(value, dict) and "value" in value:
        source = value.get("source", "")
        at = instant(value["at"]) if isinstance(value.get("at"), int) else ""
        return (
            f"{cell(value['value'])}  ({', '.join(part for part in (source, at) if part)})"
            if source or at
            else cell(value["value"])
        )
    return cell(value)


def _consents(client: httpx.Client, found: dict[str, Any], workspace: str) -> None:
    """What they said to being written to, the newest answers first, with the proof."""
    if not found["consent"]:
        return
    path = f"/v1/profiles/{found['profile_id']}/consent"
    response = client.get(path, params={"workspace": workspace, "limit": ANSWERS})
    if response.status_code != 200:
        raise RapportError(f"the ledger of consent cannot be read: {said(response)}")
    rows = [
        (instant(e["timestamp"]), "/".join(filter(None, (e["channel"], e["purpose"]))), e["answer"],
         e["event"] or "identify", f"{e['source']} ({e['trust']})", " ".join(filter(None, (e["by"], e["proof"]))))
        for e in response.json()["ledger"]
    ]  # fmt: skip
    table("answers to consent, the newest first", ("when", "to", "answer", "by event", "from", "proof"), rows)


def _recent(client: httpx.Client, found: dict[str, Any], workspace: str, limit: int) -> None:
    path = f"/v1/profiles/{found['profile_id']}/timeline"
    response = client.get(path, params={"workspace": workspace, "limit": limit})
    if response.status_code != 200:
        raise RapportError(f"the timeline cannot be read: {said(response)}")
    items = response.json()["touchpoints"]
    rows = [(instant(i["timestamp"]), i["type"], i["event"], i["anchor"], i["source"]) for i in items]
    table(f"the newest {len(rows)} touchpoints", ("when", "type", "event", "identifier", "source"), rows)
