"""CDNOW's rows become purchases, purchases become calls, and no cent and no repeated row is lost on the way."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import fast
from services.commands.demo import cdnow
from services.errors import Rejected

HEADER = " customer_id  date number_of_cds  dollar_value"
dollars = st.integers(0, 999_999).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
rows = st.tuples(
    st.integers(1, 50).map(lambda n: f"{n:05}"),
    st.dates().filter(lambda d: d.year >= 1000).map(lambda d: f"{d:%Y%m%d}"),
    st.integers(1, 99),
    dollars,
)


def as_file(found: list[tuple[str, str, int, str]]) -> str:
    return "\r\n".join([HEADER, *(f" {c} {d} {n:2}  {v:>6}" for c, d, n, v in found), ""])


@given(st.lists(rows, max_size=40))
def test_every_row_is_one_purchase_and_the_totals_are_exact(found: list[tuple[str, str, int, str]]) -> None:
    purchases = cdnow.parse(as_file(found + found))
    assert [purchase[1:] for purchase in purchases] == found + found
    assert len({purchase.message_id for purchase in purchases}) == 2 * len(found)
    cents = 2 * sum(int(value.replace(".", "")) for *_, value in found)
    customers = len({customer for customer, *_ in found})
    units = 2 * sum(cds for _, _, cds, _ in found)
    assert cdnow.totals(purchases) == (customers, 2 * len(found), units, Decimal(cents) / 100)
    assert sum(cdnow.spent(purchases).values()) == Decimal(cents) / 100


@given(rows)
def test_a_call_carries_the_number_of_the_file_to_the_last_digit(row: tuple[str, str, int, str]) -> None:
    (purchase,) = cdnow.parse(as_file([row]))
    call = fast.dumps(cdnow.call(purchase))
    assert f'"total":{row[3]},'.encode() in call
    assert json.loads(call)["timestamp"].replace("-", "").startswith(row[1])


@pytest.mark.parametrize("written, number", [(".50", b"0.50"), ("012.00", b"12.00"), ("7", b"7.0")])
def test_a_number_that_json_does_not_know_is_written_as_json_knows_it(written: str, number: bytes) -> None:
    call = cdnow.call(cdnow.Purchase(1, "00001", "19970101", 1, written))
    assert bytes(call["properties"]["total"]) == number


@pytest.mark.parametrize(
    "row", ["00001 19970101 1", "00001 1997-1-1 1 2.00", "00001 19970101 one 2.00", "00001 19970101 1 x", "1 2 3 4 5"]
)
def test_a_row_that_is_none_is_named(row: str) -> None:
    with pytest.raises(Rejected, match="row 2 of the CDNOW file"):
        cdnow.parse(f"{HEADER}\n 00001 19970101  1   11.77\n {row}\n")
