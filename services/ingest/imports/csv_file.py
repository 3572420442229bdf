"""CSV, row by row in bounded memory. A row that is broken is told with its line and costs no other row.

A quote that is opened and never closed would swallow the rest of the file. So a row has at most 1 MiB and 1,000 lines:
when it does not end by then, its first line alone is refused, and reading goes on with the second.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any

from services.errors import RapportError
from services.ingest.imports.line import Line
from services.ingest.imports.mapping import Csv

LONGEST = 1 << 20  # bytes of a line, characters of a row
MOST_LINES = 1_000  # of a row
_KEPT = 1_000  # characters of a line that is too long
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class _Broken(Exception):
    """The row that is being read cannot be read; why."""


class _Text:
    """The lines of a file as text. Those that a broken row has taken can be given back."""

    def __init__(self, stream: IO[bytes], encoding: str):
        self._stream, self._encoding = stream, encoding
        self._back: deque[tuple[str, str]] = deque()
        self._taken: list[tuple[str, str]] = []
        self._size = 0
        self.number = 0  # of the line that was taken last

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) == MOST_LINES or self._size > LONGEST:
            raise _Broken("a quote is opened and not closed")
        line, flaw = self._back.popleft() if self._back else self._read()
        self.number += 1
        self._taken.append((line, flaw))
        self._size += len(line)
        return line

    def begin(self) -> int:
        """A row begins: the number of its line."""
        self._taken, self._size = [], 0
        return self.number + 1

    def flaw(self) -> str:
        """What is wrong with the lines of the row; empty when nothing is."""
        return next((flaw for _, flaw in self._taken if flaw), "")

    def first(self) -> str:
        """The row's first line; the others are given back."""
        first, *rest = self._taken
        self._back.extendleft(reversed(rest))
        self.number -= len(rest)
        return first[0].rstrip("\r\n")

    def _read(self) -> tuple[str, str]:
        raw = self._stream.readline(LONGEST)
        if not raw:
            raise StopIteration
        if self.number == 0:
            if raw.startswith(_UTF_16):
                raise RapportError("the file is UTF-16: save it as UTF-8, as `iconv -f UTF-16 -t UTF-8` does")
            raw = raw.removeprefix(b"\xef\xbb\xbf") if self._encoding == "utf-8" else raw
        if len(raw) == LONGEST and not raw.endswith(b"\n"):
            while (rest := self._stream.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            kept = raw[:_KEPT].decode(self._encoding, "replace").replace('"', "'")
            return kept + "\n", f"the line is longer than {LONGEST:,} bytes"
        flaw = "the row contains NUL bytes" if b"\0" in raw else ""
        try:
            return raw.decode(self._encoding), flaw
        except UnicodeDecodeError as error:
            where = f"byte {error.start + 1} of the line"
            return raw.decode(self._encoding, "surrogateescape"), f"the row is not {self._encoding}: {where}"


class CsvFile:
    """The rows of a CSV file. Raises RapportError when there is no header, or it cannot be read."""

    def __init__(self, stream: IO[bytes], options: Csv):
        csv.field_size_limit(2 * LONGEST)
        self._text = _Text(stream, options.encoding)
        self._reader: Iterator[list[str]] = csv.reader(
            self._text, delimiter=options.delimiter, quotechar=options.quote, strict=True
        )
        self._delimiter = options.delimiter
        self.columns: Sequence[str] = options.columns or self._header()

    def _header(self) -> list[str]:
        for number, cells, flaw in self._records():
            if flaw or cells is None:
                hint = "" if not flaw.startswith("the row is not") else "; say `csv: {encoding: gb18030}` or another"
                raise RapportError(f"line {number}, which names the columns, cannot be read: {flaw}{hint}")
            return [cell.strip() for cell in cells]
        raise RapportError("the file is empty: expected a first line with the names of the columns")

    def lacks(self, column: str) -> str:
        """Why rows have no cell of this column; empty when they have."""
        found = self.columns.count(column)
        if found == 1:
            return ""
        if found:
            return f'there are {found} columns "{column}": rename all but one'
        other = next((one for one in ";\t|," if one in self.columns[0]), "") if len(self.columns) == 1 else ""
        if other:
            return f"the file has only one column; its delimiter seems to be {other!r}: say `csv: {{delimiter: …}}`"
        return f'there is no column "{column}"; there are: {", ".join(self.columns[:40])}'

    def rows(self, wanted: Sequence[str]) -> Iterator[Line]:
        """Every row that is not blank, with the cells of these columns."""
        at, width = [self.columns.index(column) for column in wanted], len(self.columns)
        for number, cells, flaw in self._records():
            if cells is None or flaw:
                yield Line(number, None, cells or [], flaw)
            elif len(cells) != width and any(cells[width:] or [" "]):
                yield Line(number, None, cells, f"the row has {len(cells)} cells; expected {width}, as columns")
            else:
                yield Line(number, tuple([cells[one] for one in at]), cells)

    def _records(self) -> Iterator[tuple[int, list[Any] | None, str]]:
        """(number of the first line, cells, flaw) of each record."""
        while True:
            number = self._text.begin()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, _Broken) as error:
                flaw = self._text.flaw() or _plainly(str(error))
                yield number, [self._text.first()], flaw
                continue
            if cells:
                yield number, cells, self._text.flaw()


def _plainly(said: str) -> str:
    if "expected after" in said:
        return "a quote stands in the middle of a cell: double it, and put quotes around the whole cell"
    if "unexpected end" in said or "field larger" in said:
        return "a quote is opened and not closed"
    if "new-line" in said:
        return "a line ends with a carriage return only: save the file with ordinary line ends"
    return said
