"""The tracking plan of the configuration: its entries of all files, with the schemas that have files of their own."""

import json
from pathlib import Path
from typing import Any

from services.configuration.checks import Entry
from services.configuration.templates import Unreadable, text_of
from services.ingest.plan.definitions import PARTS, PlanFile, compiled
from services.ingest.plan.judging import Plan
from services.yamlfile import Document

File = tuple[Document, PlanFile]


def plan_of(folder: Path, files: list[File], sources: list[Entry], problems: list[str]) -> Plan:
    """The plan that the files make together; what is wrong with it is added to `problems`."""
    entries = [
        Entry(document, ("events", number), planned)
        for document, content in files
        for number, planned in enumerate(content.events)
    ]
    known = [entry.item.name for entry in sources]
    problems += [*_unknown(entries, files, known), *_twice(entries)]
    filled = [_filled(folder, entry, problems) for entry in entries]
    unplanned = {name: action for _, content in files for name, action in content.unplanned.items()}
    return Plan(filled, unplanned)


def _unknown(entries: list[Entry], files: list[File], known: list[str]) -> list[str]:
    told = f"is no source; there are {', '.join(known)}"
    problems = [
        entry.problem(("source",), f'"{entry.item.source}" {told}')
        for entry in entries
        if entry.item.source is not None and entry.item.source not in known
    ]
    return problems + [
        document.problem(("unplanned", name), f'"{name}" {told}')
        for document, content in files
        for name in content.unplanned
        if name not in known
    ]


def _twice(entries: list[Entry]) -> list[str]:
    first: dict[Any, Entry] = {}
    problems = []
    for entry in entries:
        planned = entry.item
        other = first.setdefault((planned.source, planned.type, planned.event), entry)
        if other is not entry:
            where = f"{other.document.name}, line {other.document.line(other.place)}"
            problems.append(entry.problem((), f"the plan has this event already ({where}); each stands there once"))
    return problems


def _filled(folder: Path, entry: Entry, problems: list[str]) -> Any:
    """The entry with the schemas of its files in their place; without those that cannot be read."""
    update: dict[str, Any] = {}
    for part in PARTS:
        name = getattr(entry.item, part)
        if isinstance(name, str):
            update[part] = None
            try:
                update[part] = json.loads(text_of(folder, name))
                compiled(update[part])
            except (Unreadable, ValueError, RecursionError) as wrong:
                problems.append(entry.problem((part,), f'"{name}": {wrong}'))
                update[part] = None
    return entry.item.model_copy(update=update)
