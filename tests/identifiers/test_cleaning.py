"""An identifier is written in one way, and what identifies nobody is no identifier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import profile_id, split
from services.identifiers import DEFAULT_RULES, IdentifierType, IdentityRules

CHINA = DEFAULT_RULES.model_copy(update={"region": "CN"})
kinds = st.sampled_from([*DEFAULT_RULES.types, "no_such_type"])
addresses = st.builds("{}@{}.{}".format, st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
numbers = st.text("+0123456789 -().\uff0b\u0663", min_size=4, max_size=20)
odd = st.sampled_from(["\ud800", "İ@x.com", "ΑΣ@ΒΣ.gr", "\u200bx", "a\u0301", "\u2126", "1e999", "ß@ß.de", "+39 06 1"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | addresses | numbers | odd
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
regions = st.sampled_from(["", "CN", "US", "IT", "AR", "MX", "BR"])


@given(kinds, values, regions)
def test_cleaning_never_raises_and_twice_is_once(kind: str, value: object, region: str) -> None:
    found = DEFAULT_RULES.clean(kind, value, region)
    assert bool(DEFAULT_RULES.why_not(kind, value, region)) == (found is None)
    if found is not None:
        assert len(found) <= 600 and split(found)[0] == kind and profile_id("main", found)
        assert DEFAULT_RULES.clean(kind, split(found)[1], region) == found
        assert DEFAULT_RULES.clean(kind, split(found)[1]) == found


@given(st.integers(1, 9), st.text("0123456789", min_size=6, max_size=12), regions)
def test_a_telephone_number_written_as_e164_stays_what_it_is(first: int, rest: str, region: str) -> None:
    found = DEFAULT_RULES.clean("phone", f"+{first}{rest}", region)
    if found:
        assert DEFAULT_RULES.clean("phone", split(found)[1], "CN") == found


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("user_id", "u1", "user_id:u1"),
        ("user_id", "  U1\n", "user_id:U1"),
        ("user_id", 123, "user_id:123"),
        ("user_id", 123.0, "user_id:123"),
        ("user_id", "cafe\u0301", "user_id:caf\u00e9"),
        ("email", " Ann.Lee@EXAMPLE.com", "email:ann.lee@example.com"),
        ("email", "zhang@例子.公司", "email:zhang@xn--fsqu00a.xn--55qx5d"),
        ("phone", "138-0013-8000", "phone:+8613800138000"),
        ("phone", 8613800138000, "phone:+8613800138000"),
        ("phone", "+1 (415) 555-2671", "phone:+14155552671"),
        ("wechat_unionid", "oX-1_a", "wechat_unionid:oX-1_a"),
        ("anonymous_id", "00000000-0000-0000-0000-000000000001", "anonymous_id:00000000-0000-0000-0000-000000000001"),
    ],
)
def test_identifiers_are_written_in_one_way(kind: str, value: object, expected: str) -> None:
    assert CHINA.clean(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        *[("user_id", blocked, "blocked value") for blocked in DEFAULT_RULES.blocked],
        ("user_id", "NULL", "blocked value"),
        ("user_id", "[object Object]", "blocked value"),
        ("user_id", 0, "blocked value"),
        ("anonymous_id", "00000000-0000-0000-0000-000000000000", "blocked value"),
        ("user_id", " \t ", "is empty"),
        ("user_id", None, "must be text or a whole number, not None"),
        ("user_id", True, "must be text or a whole number, not True"),
        ("user_id", {"id": 1}, "must be text or a whole number, not an object"),
        ("user_id", 1.5, "must be text or a whole number, not 1.5"),
        ("user_id", 2.0**60, "must be text or a whole number"),
        ("user_id", 10**400, "must be text or a whole number"),
        ("user_id", "x" * 513, "more than 512"),
        ("user_id", "a\u0000b", "control characters"),
        ("user_id", "a\u200bb", "control characters"),
        ("email", "ann at example.com", "is no e-mail address like"),
        ("email", "ann@localhost", "is no e-mail address like"),
        ("phone", "12", "is no telephone number like"),
        ("phone", "+1 415 555 2671 ext. 3", "is no telephone number like"),
        ("shoe_size", "42", "no rule for identifiers of type 'shoe_size'"),
    ],
)
def test_what_identifies_nobody_is_refused_with_its_reason(kind: str, value: object, reason: str) -> None:
    assert DEFAULT_RULES.clean(kind, value) is None
    assert reason in DEFAULT_RULES.why_not(kind, value)


def test_a_number_without_a_country_needs_a_region() -> None:
    assert DEFAULT_RULES.clean("phone", "13800138000") is None
    assert DEFAULT_RULES.clean("phone", "13800138000", "CN") == "phone:+8613800138000"
    assert CHINA.clean("phone", "(415) 555-2671", "US") == "phone:+14155552671"


def test_true_is_not_one() -> None:
    assert DEFAULT_RULES.clean("user_id", 1) == DEFAULT_RULES.clean("user_id", "1") == "user_id:1"
    assert DEFAULT_RULES.clean("user_id", True) is None


def test_blocked_values_of_a_type_are_compared_as_they_are_normalised() -> None:
    rules = IdentityRules(
        types={
            "phone": IdentifierType(priority=1, limit=5, normalise="phone", blocked=("400 820 8820",)),
            "email": IdentifierType(priority=2, limit=5, normalise="email", blocked=("Shop@Example.com",)),
        },
        region="CN",
    )
    assert rules.clean("phone", "+864008208820") is None
    assert rules.clean("email", "SHOP@example.com") is None
    assert rules.clean("email", "ann@example.com") == "email:ann@example.com"


def test_user_ids_are_stronger_than_addresses_and_anonymous_ids_come_last() -> None:
    names = ["anonymous_id:a", "gone_type:1", "phone:+8613800138000", "user_id:b", "email:a@b.cn", "user_id:a"]
    assert sorted(names, key=DEFAULT_RULES.rank) == [
        "user_id:a", "user_id:b", "email:a@b.cn", "phone:+8613800138000", "anonymous_id:a", "gone_type:1",
    ]  # fmt: skip


def test_a_changed_copy_of_used_rules_cleans_by_its_own_rules() -> None:
    used = IdentityRules(types=DEFAULT_RULES.types)
    assert used.fingerprint and used.clean("phone", "13800138000") is None
    changed = used.model_copy(update={"region": "CN", "blocked": ("u1",)})
    assert changed.fingerprint != used.fingerprint
    assert changed.clean("phone", "13800138000") == "phone:+8613800138000"
    assert changed.clean("user_id", "u1") is None


def test_the_fingerprint_tells_rules_apart_and_nothing_else() -> None:
    same = IdentityRules(types=dict(reversed(DEFAULT_RULES.types.items())))
    assert same.fingerprint == DEFAULT_RULES.fingerprint
    stricter = {**DEFAULT_RULES.types, "email": IdentifierType(priority=2, limit=4, normalise="email")}
    others = [IdentityRules(types=stricter), CHINA, IdentityRules(types=DEFAULT_RULES.types, blocked=("x",))]
    assert len({DEFAULT_RULES.fingerprint, *(rules.fingerprint for rules in others)}) == 4
