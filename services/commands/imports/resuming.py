"""How far an import has come, so that it goes on there after Ctrl-C, a crash, or a platform that was away.

It is kept in the platform's data folder, because it says what *this* platform has: a new one has nothing yet. A file
that was changed meanwhile, or comes with another mapping or source, begins at its first row; that nothing is doubled
then is seen to by the message ids.
"""

import json
import os
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

from services.commands.imports.sending import Tally
from services.errors import RapportError
from services.runtime import frames
from services.runtime.files import Files


class Standing:
    """The row that an import has come to (0: none), what became of those before, and the size of the refused file."""

    def __init__(self, path: Path | None):
        self._path = path
        self.row = self.refused_size = 0
        self.counts: dict[str, int] = {}
        try:
            found: dict[str, Any] = json.loads(path.read_text()) if path else {}
            self.row, self.refused_size, self.counts = found["row"], found["refused_size"], found["counts"]
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def note(self, row: int, refused_size: int, tally: Tally) -> None:
        """All up to this row was answered. Written whole or not at all."""
        if self._path is None:
            return
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(exist_ok=True)
            draft.write_text(json.dumps({"row": row, "refused_size": refused_size, "counts": tally.counts()}))
            draft.replace(self._path)
        except OSError as error:
            raise RapportError(
                f"{self._path}, which says how far it came, cannot be written: {error.strerror}"
            ) from None

    def done(self) -> None:
        """The file is through: the next import of it begins at the first row."""
        if self._path:
            self._path.unlink(missing_ok=True)


def standing_of(files: Files, file: str, refused: Path, said: str) -> Standing:
    """Where the import of this file stands; `said` is everything else that it depends on."""
    if file == "-":
        return Standing(None)
    about = os.stat(file)
    with closing(frames.open_reader(files.log)) as log:
        life = frames.incarnation(log)
    what = (os.path.realpath(file), about.st_size, about.st_mtime_ns, str(refused.absolute()), life, said)
    name = blake2b(repr(what).encode(), digest_size=12).hexdigest()
    standing = Standing(files.folder / "imports" / f"{name}.json")
    if standing.refused_size and (not refused.exists() or refused.stat().st_size < standing.refused_size):
        standing.row = standing.refused_size = 0  # the refused rows were taken away: find them again
        standing.counts = {}
    return standing
