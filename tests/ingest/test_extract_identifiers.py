"""Which values of a call become identifiers, which one is the anchor, and why others do not count."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Rejected
from services.identifiers import DEFAULT_RULES
from services.ingest.extract import identifiers
from services.ingest.payload import Shared, read
from services.ingest.sources import Limits, Source

PLAIN = Source(name="web", write_key="k")
MAPPED = Source(
    name="shop",
    write_key="k",
    region="CN",
    identifiers={"properties.customer.email": "email", "context.device.id": "device_id"},
)


def found(call: dict[str, Any], source: Source = PLAIN, kind: str = "track", most: int = 32) -> tuple[str, ...]:
    whole = {"event": "e", "groupId": "g", "previousId": "p"} | call
    payload = read(msgspec.Raw(json.dumps(whole).encode()), kind, Shared(), Limits())
    return identifiers(payload, source, DEFAULT_RULES, most)


def test_the_strongest_identifier_is_the_anchor_and_comes_first() -> None:
    call = {
        "anonymousId": "a1",
        "userId": "u1",
        "traits": {"email": "Ann@Example.COM"},
        "context": {"traits": {"phone": "+86 138 0013 8000"}},
    }
    assert found(call) == ("user_id:u1", "email:ann@example.com", "phone:+8613800138000", "anonymous_id:a1")


def test_a_value_that_stands_in_two_places_counts_once() -> None:
    call = {"traits": {"email": "ann@example.com"}, "context": {"traits": {"email": "ANN@example.com"}}}
    assert found(call, kind="identify") == ("email:ann@example.com",)


def test_nothing_is_taken_from_properties_unless_the_source_maps_them() -> None:
    call = {"anonymousId": "a1", "properties": {"email": "x@example.com", "customer": {"email": "y@example.com"}}}
    assert found(call) == ("anonymous_id:a1",)
    assert found(call, MAPPED) == ("email:y@example.com", "anonymous_id:a1")


def test_other_paths_can_be_mapped_too() -> None:
    assert found({"context": {"device": {"id": "d-1"}}}, MAPPED) == ("device_id:d-1",)


def test_phone_numbers_without_a_country_belong_to_the_sources_region() -> None:
    call = {"userId": "u", "traits": {"phone": "138 0013 8000"}}
    assert found(call, MAPPED) == ("user_id:u", "phone:+8613800138000")
    assert found(call, PLAIN) == ("user_id:u",)


def test_external_ids_of_persons_count_and_those_of_accounts_do_not() -> None:
    listed = [
        {"id": "L1", "type": "line_user_id", "collection": "users", "encoding": "none"},
        {"id": "A-1", "type": "ios.idfa"},
        {"id": "acme", "type": "user_id", "collection": "accounts"},
        {"id": "x", "type": "no_such_type"},
        "not an object",
        {"id": None, "type": "user_id"},
    ]
    assert found({"context": {"externalIds": listed}}) == ("line_user_id:L1", "ios_idfa:A-1")


def test_the_traits_of_a_group_name_no_person() -> None:
    call = {"userId": "u1", "traits": {"email": "info@acme.example"}}
    assert found(call, kind="group") == ("user_id:u1",)
    assert found(call, kind="identify") == ("user_id:u1", "email:info@acme.example")


def test_a_call_without_an_identifier_is_told_where_one_could_be() -> None:
    with pytest.raises(Rejected) as refused:
        found({"properties": {"email": "ann@example.com"}})
    assert refused.value.code == "no_identifier"
    assert "userId, anonymousId" in str(refused.value)


def test_a_call_with_unusable_identifiers_is_told_what_was_there_and_why_it_does_not_count() -> None:
    with pytest.raises(Rejected) as refused:
        found({"userId": "undefined", "anonymousId": "", "traits": {"email": "nobody"}}, kind="identify")
    assert refused.value.field == "userId"
    for part in ("userId", "'undefined'", "blocked", "anonymousId", "empty", "traits.email", "no e-mail address"):
        assert part in str(refused.value)


def test_the_number_of_identifiers_is_bounded() -> None:
    listed = [{"id": f"L{n}", "type": "line_user_id"} for n in range(9)]
    with pytest.raises(Rejected, match="names 9 identifiers; at most 8"):
        found({"context": {"externalIds": listed}}, most=8)


@given(st.permutations(["u1", "u2", "u3"]))
def test_the_order_in_which_identifiers_stand_does_not_matter(order: list[str]) -> None:
    listed = [{"id": value, "type": "user_id"} for value in order]
    assert found({"context": {"externalIds": listed}}) == ("user_id:u1", "user_id:u2", "user_id:u3")


@pytest.mark.parametrize("path", ["email", "properties", "properties.", "userId", "properties..email"])
def test_a_source_may_only_map_paths_into_the_payloads_objects(path: str) -> None:
    with pytest.raises(ValueError, match=r"properties\."):
        Source(name="web", write_key="k", identifiers={path: "email"})


@pytest.mark.parametrize(("written", "hours"), [("24h", 24), ("7d", 168), ("90m", 1.5), (3600, 1), ("PT2H", 2)])
def test_how_far_back_evidence_may_be_dated_is_written_as_people_write_it(written: Any, hours: float) -> None:
    assert Source(name="web", write_key="k", max_backdate=written).backdate == hours * 3_600_000


def test_untrusted_sources_may_date_a_day_back_and_trusted_ones_as_far_as_they_like() -> None:
    assert PLAIN.backdate == 24 * 3_600_000
    assert Source(name="web", write_key="k", trusted=True).backdate is None
