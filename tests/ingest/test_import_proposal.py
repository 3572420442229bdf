"""What `rapport import --suggest` proposes can be read, and finds what people call their columns."""

import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.mapping import load
from services.ingest.imports.proposal import guess, proposal

names = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12) | st.sampled_from(
    ["A-B", "A B", "true", "no", "E-Mail", "Customer No", "ordered at", "Order Id", "价格", "a: b", "# x", '"q"']
)
columns = st.dictionaries(names, st.lists(st.sampled_from(["1", "1,5", "x", "007", "yes", "2024-05-06"])), max_size=8)


@given(columns)
def test_every_proposal_is_a_mapping_of_columns_that_are_there(found: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.yaml"
        file.write_text(proposal(found), encoding="utf-8")
        said = load(file).mapping
    assert set(said.columns) <= {*found, "NAME OF THE COLUMN THAT SAYS WHO"}


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("Price", ["1.50", "12"], "price: {column: Price, type: number}"),
        ("Preis", ["1.234,50", "12,00"], 'preis: {column: Preis, type: number, decimal: ",", thousands: "."}'),
        ("Preis", ["1234,5", "12,00"], 'preis: {column: Preis, type: number, decimal: ","}'),
        ("Zip Code", ["10115", "80331"], "zip_code: Zip Code"),
        ("shop", ["007", "8"], "shop: shop"),
        ("optin", ["yes", "No"], "optin: {column: optin, type: boolean}"),
        ("价格", ["3", "x"], "价格: 价格"),
    ],
)
def test_values_are_what_they_look_like(name: str, values: list[str], said: str) -> None:
    assert guess({name: values}).others == {name: said}


def test_people_times_and_rows_are_found_by_name_and_by_value() -> None:
    found = guess({
        "Customer No": ["C1"], "Contact": ["a@b.example"], "Tel": ["1"], "Booked at": ["31.12.2024 10:00"],
        "单号": ["9"],
    })  # fmt: skip
    assert found.who == {"userId": "Customer No", "email": "Contact", "phone": "Tel"}
    assert found.time == ("Booked at", "%d.%m.%Y %H:%M") and found.row == "单号"
    assert guess({"when it was": [datetime(2024, 1, 1)]}).time == ("when it was", "iso")
