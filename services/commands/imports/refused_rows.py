"""The file of refused rows beside the imported one: `orders.csv.rejected.csv`, with the reason of each.

Of a CSV file it is CSV again, with the columns of the file behind `row`, `field` and `reason`: mended, it can be
imported by the same mapping. Of others it is NDJSON.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from schemas import fast
from services.commands.imports.sending import Bad
from services.errors import RapportError
from services.ingest.imports.mapping import Csv


class RefusedRows:
    """Writes refused rows; the file comes into being with the first one. `size` is its length in bytes so far.

    Without a path nothing is written.
    """

    def __init__(self, path: Path | None, columns: Sequence[str] = (), options: Csv | None = None):
        self.path, self._columns, self._options = path, columns, options
        self._out: IO[bytes] | None = None
        self.size = 0

    def begin(self, size: int) -> None:
        """Go on behind what an import that was interrupted wrote; 0: begin anew."""
        if self.path is None:
            return
        if size == 0:
            self.path.unlink(missing_ok=True)
            return
        self._open("r+b")
        assert self._out is not None
        self._out.truncate(size)
        self._out.seek(size)
        self.size = size

    def write(self, bad: Sequence[Bad]) -> None:
        """Put these rows behind the others."""
        if not bad or self.path is None:
            return
        if self._out is None:
            self._open("wb")
            if self._options:
                self._put(self._line(["row", "field", "reason", *self._columns]))
        self._put(b"".join(map(self._told, bad)))

    def close(self) -> None:
        """Close the file."""
        if self._out:
            self._out.close()

    def _open(self, how: str) -> None:
        assert self.path is not None
        try:
            self._out = self.path.open(how)
        except OSError as error:
            why = f"{self.path}, for refused rows, cannot be written: {error.strerror}"
            raise RapportError(f"{why}; name another folder with --rejected-to") from None

    def _put(self, data: bytes) -> None:
        assert self._out is not None
        try:
            self._out.write(data)
            self._out.flush()
        except OSError as error:
            raise RapportError(f"{self.path}, for refused rows, cannot be written: {error.strerror}") from None
        self.size += len(data)

    def _told(self, bad: Bad) -> bytes:
        row, why = bad
        if self._options:
            return self._line([row.number, why.field, why.reason, *row.was])
        return fast.dumps({"row": row.number, "field": why.field, "reason": why.reason, "was": row.was}) + b"\n"

    def _line(self, cells: Sequence[Any]) -> bytes:
        """Cells as the file writes them, in its own encoding, byte for byte where they could not be read."""
        assert self._options is not None
        out = io.StringIO()
        csv.writer(out, delimiter=self._options.delimiter, quotechar=self._options.quote).writerow(cells)
        try:
            return out.getvalue().encode(self._options.encoding, "surrogateescape")
        except UnicodeEncodeError:  # the reason quotes what this encoding does not have
            return out.getvalue().encode(self._options.encoding, "replace")
