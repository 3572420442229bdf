"""Mapping files: what is wrong is told with its line; what is right makes the same call of CSV, Parquet and NDJSON."""

import io
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import ConfigError, Rejected
from services.ingest.imports.calls import Calls
from services.ingest.imports.csv_file import CsvFile
from services.ingest.imports.mapping import Csv, Mapping, Value, load
from services.ingest.imports.ndjson_file import NdjsonFile
from services.ingest.imports.parquet_file import ParquetFile
from services.ingest.imports.row import Row, mapped
from services.ingest.imports.values import boolean, moment, number, text

ROOT = Path(__file__).parents[2]
LONGEST = 100_000
ORDERS = """
type: track
event: Order Completed
userId: who
email: mail
externalIds: {wechat_openid: openid}
timestamp: {column: at, zone: Asia/Shanghai}
id: [no]
properties:
  total: {column: amount, type: number}
  shop: {constant: Berlin}
  new: {column: new, type: boolean}
traits: {}
"""


def mapping(folder: Path, said: str = ORDERS) -> Mapping:
    (folder / "map.yaml").write_text(said, encoding="utf-8")
    return load(folder / "map.yaml").mapping


def calls(found: Any, said: Mapping, source: str = "import") -> list[Row]:
    return list(mapped(found.rows(said.columns), Calls(said, source), LONGEST))


@pytest.mark.parametrize(
    ("said", "line", "what"),
    [
        ("type: trakc\nuserId: u", 1, 'did you mean "track"?'),
        ("type: track\nuserId: u", 1, "needs `event`"),
        ("type: identify\nevent: X\nuserId: u", 1, "has no `event`"),
        ("type: identify\nuserID: u", 2, 'did you mean "userId"?'),
        ("type: identify", 1, "nobody is named"),
        ("type: identify\nuserId: {column: u, constant: v}", 2, "either `column"),
        ("type: identify\nuserId: u\ntraits:\n  age: {column: a, decimal: ','}", 4, "type: number"),
        (
            "type: identify\nuserId: u\ntraits:\n  age: {column: a, type: number, decimal: ',', thousands: ','}",
            4,
            "same",
        ),
        ("type: identify\nuserId: u\ntimestamp: {column: t, zone: Berlin}", 3, "Europe/Berlin"),
        ("type: identify\nuserId: u\ntimestamp: {column: t, format: dd.mm.yyyy}", 3, "%d.%m.%Y"),
        ("type: identify\nuserId: u\nmessageId: m\nid: [n]", 1, "`messageId`"),
        ("type: identify\nuserId: u\nconsent: {email: a, email/news: b}", 1, "`email` as a whole"),
        ("type: track\nevent: X\nuserId: u\nconsent: {email: a}", 1, "identify"),
        ("type: identify\nuserId: u\ncsv: {encoding: gbk}", 3, "expected"),
        ("type: identify\nuserId: u\nexternalIds: {Bad Type: x}", 3, "small letters"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, said: str, line: int, what: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        mapping(tmp_path, said)
    assert f"map.yaml, line {line}: " in str(wrong.value) and what in str(wrong.value)


def test_csv_parquet_and_ndjson_with_the_same_rows_are_the_same_calls_under_the_same_ids(tmp_path: Path) -> None:
    said = mapping(tmp_path)
    rows = [("1", "u1", "A@b.example", "o1", "2024-05-06 07:08:09", "12.10", "yes"),
            ("2", "u2", "", "", "2024-05-06 00:00:00", "-3", "no")]  # fmt: skip
    names = ("no", "who", "mail", "openid", "at", "amount", "new")
    text_file = "\ufeff" + "\r\n".join(",".join(row) for row in [names, *rows])
    csv = calls(CsvFile(io.BytesIO(text_file.encode()), said.csv), said)
    lines = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows)
    ndjson = calls(NdjsonFile(io.BytesIO(lines.encode()), LONGEST), said)
    table = pa.table({
        "no": [1, 2], "who": ["u1", "u2"], "mail": ["A@b.example", None], "openid": ["o1", None],
        "at": pa.array([datetime.fromisoformat(row[4]) for row in rows], pa.timestamp("ns")),
        "amount": [Decimal("12.10"), Decimal("-3.00")], "new": [True, False],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "x.parquet")
    parquet = calls(ParquetFile(tmp_path / "x.parquet"), said)
    assert [row.item for row in csv] == [row.item for row in ndjson]
    assert [json.loads(row.item) for row in csv] == [json.loads(row.item) for row in parquet]
    first = json.loads(csv[0].item)
    assert b'"total":12.10' in csv[0].item and b'"total":12.10' in parquet[0].item
    assert first["timestamp"] == "2024-05-05T23:08:09.000Z" and first["properties"]["new"] is True
    assert first["context"] == {
        "externalIds": [{"id": "o1", "type": "wechat_openid", "collection": "users"}],
        "traits": {"email": "A@b.example"},
    }
    assert "context" not in json.loads(csv[1].item)


cells = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), max_size=8)
tables = st.lists(st.tuples(cells, cells, cells), max_size=12)
PLAIN = "type: identify\nuserId: a\ntraits: {b: b, c: c}\n"


def written(rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    import csv

    csv.writer(out, lineterminator="\n").writerows([("a", "b", "c"), *rows])
    return out.getvalue().encode()


def ids(rows: list[tuple[str, ...]], said: Mapping, source: str = "import") -> list[str]:
    found = calls(CsvFile(io.BytesIO(written(rows)), Csv()), said, source)
    assert not [row for row in found if row.problem]
    return [json.loads(row.item)["messageId"] for row in found]


@given(tables)
def test_every_row_has_an_id_of_its_own_and_the_same_file_the_same_ids(rows: list[tuple[str, ...]]) -> None:
    said = Mapping.model_validate({"type": "identify", "userId": "a", "traits": {"b": "b", "c": "c"}})
    found = ids(rows, said)
    turned = Mapping.model_validate({"traits": {"c": "c", "b": "b"}, "userId": "a", "type": "identify"})
    assert len(set(found)) == len(rows) and found == ids(rows, turned)
    assert sorted(found) == sorted(ids(rows[::-1], said)) and not set(found) & set(ids(rows, said, "shop"))


def test_columns_named_as_id_make_it_whatever_else_is_in_the_row() -> None:
    said = Mapping.model_validate({"type": "identify", "userId": "a", "id": ("a",), "traits": {"b": "b"}})
    assert ids([("u1", "x", ""), ("u1", "y", "")], said) == ids([("u1", "z", ""), ("u1", "", "")], said)
    (row,) = calls(CsvFile(io.BytesIO(written([("", "x", "")])), Csv()), said)
    assert (row.code, row.field, row.item) == ("missing_field", "id", b"") and '"a" is empty' in row.problem


def test_answers_about_consent_are_those_of_an_identify_call(tmp_path: Path) -> None:
    said = mapping(tmp_path, "type: identify\nuserId: u\nconsent: {email/news: a, sms: {column: b, true: [ja]}}")
    rows = calls(CsvFile(io.BytesIO(b"u,a,b\n1,yes,ja\n2,No,\n3,,maybe\n"), said.csv), said)
    assert [row.field for row in rows] == ["", "", "consent.sms"]
    told = [json.loads(row.item)["traits"]["consent"] for row in rows[:2]]
    assert told == [{"email": {"news": True}, "sms": True}, {"email": {"news": False}}]


def test_a_row_without_its_time_is_not_dated_with_today(tmp_path: Path) -> None:
    said = mapping(tmp_path, "type: identify\nuserId: a\ntimestamp: b\n")
    (row,) = calls(CsvFile(io.BytesIO(written([("u1", "", "")])), Csv()), said)
    assert row.field == "timestamp" and 'column "b" is empty' in row.problem


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12))
def test_numbers_are_exact_however_they_are_written(amount: Decimal) -> None:
    english = f"{amount:,}"
    german = english.replace(",", " ").replace(".", ",").replace(" ", ".")
    assert number(".", ",")(english) == number(",", ".")(german) == number()(f" {amount} ") == amount


@pytest.mark.parametrize(
    "wrong", ["", "12,50", "1.2.3", "12 €", "NaN", "1_000", "٣", "9" * 65, "0x10", "--1", "1e9999", True, [1]]
)
def test_what_is_no_number_is_told(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"a number like 1234\.50"):
        number()(wrong)


@pytest.mark.parametrize("wrong", ["1,2,3", "12,34.5", "1,2345"])
def test_signs_between_thousands_stand_between_thousands(wrong: str) -> None:
    with pytest.raises(ValueError, match="a number like"):
        number(".", ",")(wrong)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2037, 1, 1)).map(lambda at: at.replace(microsecond=0)))
def test_times_are_read_as_they_are_written(at: datetime) -> None:
    utc = at.isoformat() + ".000Z"
    assert moment("iso", "UTC")(str(at)) == moment("iso", "Asia/Tokyo")(f"{at.isoformat()}Z") == utc
    assert moment("%d.%m.%Y %H:%M:%S", "UTC")(at.strftime("%d.%m.%Y %H:%M:%S")) == moment("iso", "UTC")(at) == utc
    seconds = int((at - datetime(1970, 1, 1)).total_seconds())
    assert moment("epoch", "UTC")(str(seconds)) == moment("epoch_ms", "Asia/Tokyo")(seconds * 1000) == utc


def test_an_hour_that_clocks_show_twice_is_the_first_and_words_are_true_and_false() -> None:
    assert moment("iso", "Europe/Berlin")("2024-10-27 02:30:00") == "2024-10-27T00:30:00.000Z"
    judge = boolean(("ja", "1"), ("nein", "0"))
    assert [judge(cell) for cell in ("JA", " nein ", 1, 0.0)] == [True, False, True, False]
    assert [text(cell) for cell in (17.0, 17.5, True, b"x", 10**20)] == ["17", "17.5", "true", "x", str(10**20)]


def test_nothing_is_left_out_however_it_is_written() -> None:
    said = Mapping.model_validate({"type": "identify", "userId": "a", "traits": {"b": "b"}, "empty": ("", "NULL", "-")})
    for cell in (None, "", "  ", "NULL", " - ", float("nan")):
        assert "traits" not in Calls(said, "import").call(("u1", cell))


def test_a_cell_that_does_not_fit_is_told_with_column_and_field() -> None:
    said = Mapping.model_validate(
        {"type": "identify", "userId": "a", "traits": {"age": Value(column="b", type="number")}}
    )
    with pytest.raises(Rejected) as wrong:
        Calls(said, "import").call(("u1", "old"))
    assert wrong.value.field == "traits.age" and 'column "b" is text "old"; expected a number' in str(wrong.value)
