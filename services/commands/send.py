"""`rapport send`: one event from the command line."""

from typing import Annotated, Any

import msgspec
import typer

from schemas import fast
from services.commands.options import AsJson, ConfigFolder, Data, SourceName, settings_of
from services.commands.reach import ask, http, running_on
from services.commands.show import json_line, plain
from services.commands.sources import chosen
from services.errors import RapportError
from services.ingest.segment import CALLS

_PAIR = "May be repeated. A value that is JSON stays it, any other is text."


def send(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="One of: " + ", ".join(CALLS))],
    user: Annotated[str | None, typer.Option(metavar="ID", help="userId: your own id of a known customer.")] = None,
    anonymous: Annotated[str | None, typer.Option(metavar="ID", help="anonymousId: somebody not yet known.")] = None,
    event: Annotated[str | None, typer.Option(metavar="NAME", help="What was done (track).")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Which page or screen was seen.")] = None,
    group: Annotated[str | None, typer.Option(metavar="ID", help="groupId (group).")] = None,
    previous: Annotated[str | None, typer.Option(metavar="ID", help="previousId (alias).")] = None,
    prop: Annotated[list[str] | None, typer.Option("--property", "-p", metavar="NAME=VALUE", help=_PAIR)] = None,
    trait: Annotated[list[str] | None, typer.Option("--trait", "-t", metavar="NAME=VALUE", help=_PAIR)] = None,
    timestamp: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; now when it is not given.")] = None,
    message_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The idempotency key; a new one when it is not given.")
    ] = None,
    source: SourceName = None,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Send one event, and print what became of it. Exits 1 when it was rejected.

    \b
    rapport send identify --user u1 --trait email=ann@example.com
    rapport send track --user u1 --event "Order Completed" --property total=12.50
    rapport send page --anonymous a7 --name Pricing --source website
    """
    if kind not in CALLS:
        raise RapportError(f"there is no call {kind!r}: expected one of {', '.join(CALLS)}")
    call = {
        "userId": user, "anonymousId": anonymous, "event": event, "name": name, "groupId": group,
        "previousId": previous, "timestamp": timestamp, "messageId": message_id,
        "properties": pairs(prop or []), "traits": pairs(trait or []),
    }  # fmt: skip
    settings = settings_of(data=data, config=config)
    running, key = running_on(settings), chosen(settings.config, source).write_key
    with http(running) as client:
        content = fast.dumps({field: value for field, value in call.items() if value})
        verdict = ask(client, "POST", f"/v1/{kind}", content=content, auth=(key, ""))["items"][0]
    if as_json:
        json_line(verdict)
    else:
        typer.echo(sentence(verdict))
    if verdict["status"] == "rejected":
        raise typer.Exit(1)


def pairs(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE as an object. A value that is JSON stays it, digit for digit; any other is text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise RapportError(f"{text!r} is not NAME=VALUE, like total=12.50")
        try:
            found[name] = msgspec.json.decode(value, type=msgspec.Raw)
        except msgspec.DecodeError:
            found[name] = value
    return found


def sentence(verdict: dict[str, Any]) -> str:
    """What became of an item, for a person."""
    if verdict["status"] != "rejected":
        return plain(f"{verdict['status']}: messageId {verdict['messageId']}")
    return plain(f"rejected ({verdict['code']}): {reason(verdict)}")


def reason(verdict: dict[str, Any]) -> str:
    """Why an item was rejected, and what may have been meant."""
    hint = f" ({verdict['hint']})" if verdict.get("hint") else ""
    return f"{verdict.get('reason', '')}{hint}"
