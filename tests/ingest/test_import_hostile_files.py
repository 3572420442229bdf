"""Files as life sends them: broken quotes, bytes of another encoding, rows of other lengths, cells of 10 MB."""

import csv
import io
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import RapportError
from services.ingest.imports.csv_file import CsvFile
from services.ingest.imports.line import Line
from services.ingest.imports.mapping import Csv
from services.ingest.imports.ndjson_file import NdjsonFile
from services.ingest.imports.parquet_file import ParquetFile

texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=6)


def read(data: bytes, wanted: Sequence[str] = ("a", "b"), **options: object) -> list[Line]:
    return list(CsvFile(io.BytesIO(data), Csv.model_validate(options)).rows(wanted))


def told(data: bytes, **options: object) -> list[tuple[int, str]]:
    """(line, the first cell, or the flaw)."""
    return [(line.number, line.cells[0] if line.cells else line.flaw) for line in read(data, **options)]


@given(
    st.lists(st.tuples(texts, texts), max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\r\n", "\n"]),
)
def test_what_python_writes_is_read_again(rows: list[tuple[str, str]], delimiter: str, end: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([("a", "b"), *rows])
    assert [line.cells for line in read(out.getvalue().encode(), delimiter=delimiter)] == rows


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").replace(b'"', b"")), max_size=8))
def test_every_line_is_a_row_or_has_a_reason_and_none_costs_another(lines: list[bytes]) -> None:
    framed = [item for line in lines for item in (line, b"good,row")]
    found = read(b"\n".join([b"a,b", *framed]))
    good = {line.number for line in found if line.cells == ("good", "row")}
    assert good >= {2 * at + 3 for at in range(len(lines))}
    assert all(line.flaw for line in found if line.cells is None)


def test_a_quote_that_is_never_closed_costs_its_line_and_no_other() -> None:
    rest = [b"u%d,x" % n for n in range(3_000)]
    found = told(b"\n".join([b"a,b", b'"open,1', *rest]))
    assert found[0] == (2, "a quote is opened and not closed")
    assert found[1:] == [(n + 3, f"u{n}") for n in range(3_000)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b'u"1,x', 'u"1'),
        (b'"u"1,x', "quote stands in the middle"),
        (b"u1", "1 cells; expected 2"),
        (b"u1,x,y", "3 cells; expected 2"),
        (b"u1,x,,", "u1"),
        (b"\xff1,x", "not utf-8: byte 1"),
        (b"u\x001,x", "NUL"),
        (b"u1\r,x", "carriage return"),
    ],
)
def test_a_broken_row_is_told_with_its_line(row: bytes, why: str) -> None:
    before, broken, after = told(b"\n".join([b"a,b", b"u0,x", row, b"u2,x"]))
    assert (before, after) == ((2, "u0"), (4, "u2")) and broken[0] == 3 and why in broken[1]


def test_a_cell_of_ten_megabytes_is_refused_in_little_memory() -> None:
    class Giant(io.RawIOBase):
        def __init__(self) -> None:
            self.parts = iter([b"a,b\nu0,x\nu1,", *[b"y" * 100_000] * 100, b"\nu2,x\n"])

        def readable(self) -> bool:
            return True

        def readinto(self, into: memoryview) -> int:  # type: ignore[override]
            part = next(self.parts, b"")
            into[: len(part)] = part
            return len(part)

    tracemalloc.start()
    found = list(CsvFile(io.BufferedReader(Giant(), 200_000), Csv()).rows(("a",)))
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    assert [(line.number, bool(line.flaw)) for line in found] == [(2, False), (3, True), (4, False)]
    assert "longer than" in found[1].flaw and len(str(found[1].was)) < 2_000


def test_a_file_says_its_encoding_or_how_to_say_it() -> None:
    data = "姓名,城市\n王芳,北京\n".encode("gb18030")
    assert read(data, ("姓名",), encoding="gb18030")[0].cells == ("王芳",)
    with pytest.raises(RapportError, match=r"line 1.*not utf-8.*encoding: gb18030"):
        read(data, ("姓名",))
    with pytest.raises(RapportError, match="UTF-16"):
        read("a,b\nc,d".encode("utf-16"))
    assert read(b"\xef\xbb\xbfa,b\nc,d")[0].cells == ("c", "d")


def test_files_without_rows_and_headers_that_do_not_fit() -> None:
    with pytest.raises(RapportError, match="is empty"):
        read(b"")
    assert read(b"a,b\n\n\n") == []
    assert read(b"1,2\n", columns=["a", "b"])[0] == Line(1, ("1", "2"), ["1", "2"])
    found = CsvFile(io.BytesIO(b"a,b,a\n"), Csv())
    assert found.lacks("b") == "" and "2 columns" in found.lacks("a") and "there are: a, b, a" in found.lacks("c")
    assert "delimiter" in CsvFile(io.BytesIO(b"a;b\n"), Csv()).lacks("a")


def test_nested_parquet_is_read_as_objects_and_lists(tmp_path: Path) -> None:
    ns = pa.timestamp("ns")
    rows = [{"who": {"id": "u1", "at": 1_700_000_000_123_456_789}, "tags": [1, 2], "raw": b"text", "kind": "x"}]
    kinds = pa.schema([("who", pa.struct([("id", pa.string()), ("at", ns)])), ("tags", pa.list_(pa.int64())),
                       ("raw", pa.binary()), ("kind", pa.dictionary(pa.int8(), pa.string()))])  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, kinds), tmp_path / "x.parquet")
    found = ParquetFile(tmp_path / "x.parquet")
    (line,) = found.rows(("who.id", "who", "tags", "raw", "kind"))
    assert line.cells is not None and (line.number, line.cells[0], line.cells[2:]) == (1, "u1", ([1, 2], b"text", "x"))
    assert str(line.cells[1]["at"]) == "2023-11-14 22:13:20.123456" and found.lacks("who.id") == ""
    assert "there are: who, tags" in found.lacks("whom")


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    for name, data in (("empty", b""), ("text", b"a,b\n1,2\n" * 9), ("cut", b"PAR1" + b"\0" * 40 + b"PAR1")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RapportError, match="no Parquet file"):
            ParquetFile(tmp_path / name)
    pq.write_table(pa.table({"a": list(range(5000))}), tmp_path / "x")
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[:50] + bytes(200) + whole[250:])
    with pytest.raises(RapportError, match="the rows from 1 on cannot be read"):
        list(ParquetFile(tmp_path / "x").rows(("a",)))


def test_lines_of_ndjson_that_are_none_are_told() -> None:
    data = b'{"a":{"b":1.10}}\n[1]\n\n{"a"\n{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}\n\xff\n"
    found = list(NdjsonFile(io.BytesIO(data), 100_000).rows(("a.b",)))
    assert [(line.number, bool(line.flaw)) for line in found] == [
        (1, False),
        (2, True),
        (4, True),
        (5, True),
        (6, True),
    ]
    assert json.dumps(found[0].cells, default=str) == '["1.10"]'
