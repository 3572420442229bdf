"""Which source a command sends as."""

from pathlib import Path

from services.configuration import load_config
from services.errors import RapportError
from services.ingest.sources import Source


def chosen(config: Path, name: str | None, likely: str = "") -> Source:
    """The source of this name. Without a name the one called `likely`, if there is one, else the first.

    Those of webhooks do not count: they have no write key. Raises RapportError, with the names that there are, when
    there is no such source.
    """
    found = {source.name: source for source in load_config(config).sources if source.write_key}
    if name is None and found:
        return found.get(likely, next(iter(found.values())))
    if name is None or name not in found:
        said = f"no source {name!r} with a write key" if name else "no source with a write key"
        raise RapportError(f"there is {said} in {config}; there are: {', '.join(found) or 'none'}")
    return found[name]
