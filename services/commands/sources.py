"""Which source a command sends as."""

from pathlib import Path

from services.configuration import load_config
from services.errors import RapportError
from services.ingest.sources import Source


def chosen(config: Path, name: str | None, likely: str = "") -> Source:
    """The source of this name. Without a name the one called `likely`, if there is one, else the first.

    Raises RapportError, with the names that there are, when there is no such source.
    """
    sources = load_config(config).sources
    found = {source.name: source for source in sources}
    if name is None:
        return found.get(likely, sources[0])
    if name not in found:
        raise RapportError(f"there is no source {name!r} in {config}; there are: {', '.join(found)}")
    return found[name]
