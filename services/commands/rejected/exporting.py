"""`rapport rejected export`: refused items in a file, to be mended."""

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from services.commands.options import Data, InWorkspace, settings_of
from services.commands.rejected.asking import Code, Field, OfSource, Resolved, asking
from services.commands.show import remarks
from services.errors import RapportError
from services.ingest.replay import WEBHOOK, Refused, line_of
from services.runtime import rejected_items
from services.runtime.rejected_items import Which


def export(
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="Where to; - is standard output.")] = "-",
    code: Code = "",
    source: OfSource = "",
    field: Field = "",
    resolved: Resolved = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many of the newest.")] = 100_000,
    workspace: InWorkspace = None,
    data: Data = None,
) -> None:
    """Write refused items into a file, one a line: mend what stands in `call`, then `rapport rejected replay FILE`.

    \b
    rapport rejected export --code no_identifier -o mend.ndjson
    rapport rejected export --source shop | jq -c '.call.userId = .call.properties.customer' > mend.ndjson
    """
    which = Which(workspace or "", source, code, field, resolved=resolved)
    with asking(settings_of(data=data)) as client:
        written, left = _written(rejected_items.items(client, which, limit), out)
    said = f"{written:,} items" + (f"; {left:,} of webhooks left out: a provider sends them again" if left else "")
    remarks().print(said if out == "-" else f"{out}: {said}", markup=False)


def _written(found: Iterable[Refused], out: str) -> tuple[int, int]:
    """How many items were written, and how many left out because they came from providers."""
    written = left = 0
    try:
        with nullcontext(sys.stdout) if out == "-" else Path(out).open("x", encoding="utf-8") as file:
            for one in found:
                if one.kind == WEBHOOK:
                    left += 1
                else:
                    file.write(line_of(one).decode() + "\n")
                    written += 1
    except FileExistsError:
        raise RapportError(f"{out} is there already; name another file: somebody may be mending it") from None
    except OSError as error:
        raise RapportError(f"{out} cannot be written: {error.strerror}") from None
    return written, left
