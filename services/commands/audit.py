"""`rapport audit`: do the books balance?"""

from typing import Any

import typer
from rich.text import Text

from services.commands.options import AsJson, Data, settings_of
from services.commands.show import cell, json_line, table
from services.commands.waiting import bars
from services.runtime.audit import Account, Report
from services.runtime.audit import audit as audited


def audit(data: Data = None, as_json: AsJson = False) -> None:
    """Compare what the log, the engine, the ledger and the warehouse say of the same things. Exits 1 when they differ.

    Every figure comes from the store that knows it by itself: one row missing, doubled or changed in any of them is
    seen. It waits until every reader has come as far as the log was at the start, and works while events arrive.

    \b
    rapport audit
    rapport audit --json | jq '.accounts[] | select(.balanced | not)'
    """
    with bars(quiet=as_json) as told:
        report = audited(settings_of(data=data), told)
    if as_json:
        accounts = [as_shown(account) for account in report.accounts]
        json_line({"balanced": report.balanced, "conflicts": report.conflicts, "accounts": accounts})
    else:
        show(report)
    if not report.balanced:
        raise typer.Exit(1)


def as_shown(account: Account) -> dict[str, Any]:
    """An account for a program to read."""
    figures = {entry.store: entry.value for entry in account.entries}
    return {"title": account.title, "balanced": account.balanced, "figures": figures}


def show(report: Report) -> None:
    """The books as a table, and in one sentence whether they balance."""
    rows = []
    for account in report.accounts:
        figures = ", ".join(f"{entry.store} {cell(entry.value)}" for entry in account.entries)
        verdict = Text("ok", style="green") if account.balanced else Text("differs", style="bold red")
        rows.append((account.title, figures, verdict))
    table("the books", ("account", "figures, and where they are from", ""), rows)
    if report.conflicts:
        typer.echo(
            f"{report.conflicts:,} message ids are there under several anchors, and every such touchpoint is counted:"
            " look at the view conflicts with `rapport query`"
        )
    differ = [account.title for account in report.accounts if not account.balanced]
    typer.echo(f"the books do not balance: {'; '.join(differ)}" if differ else "the books balance")
