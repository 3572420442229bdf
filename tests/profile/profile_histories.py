"""Random touchpoints of few people: shared identifiers, equal times, decimals that floats cannot add, late events."""

from hypothesis import strategies as st

from schemas.fast import Touchpoint
from tests.profile.profile_stages import NOON, RULES, touchpoint

POOL = [
    "user_id:1",
    "user_id:2",
    "email:a@x.io",
    "email:b@x.io",
    "email:c@x.io",
    *(f"anonymous_id:{n}" for n in "abcd"),
]
TOTALS = [0.1, 0.2, 0.3, 1e-9, 1.9999999999, -0.05, 12, 999_999_999_999_999_999, 10**18, "0.1", None, True]
TRAITS = [
    *({"city": "Ulm"}, {"city": "上海"}, {"city": None}, {"plan": {"name": "pro", "price": 9.90}}),
    *({"consent": {"email": True}}, {"consent": {"email": "denied", "sms": "granted"}}, {"long": "x" * 2_000}),
]

times = st.integers(NOON, NOON + 3)  # few instants, so that ties are common


@st.composite
def touchpoints(draw: st.DrawFn, message_id: str) -> Touchpoint:
    """One touchpoint; several identifiers as often as one."""
    received = NOON + 10 + draw(st.integers(0, 5))
    event = draw(st.sampled_from(["Order", "Order", "page", "identify"]))
    found = touchpoint(
        message_id,
        *draw(st.sets(st.sampled_from(POOL), min_size=1, max_size=2)),
        event=event,
        at=draw(times),
        received_at=received,
        evidence_at=draw(times),
        source=draw(st.sampled_from(["web", "shop"])),
        channel=draw(st.sampled_from(["web", "email"])),
        traits=draw(st.sampled_from(TRAITS)),
        properties={
            "total": draw(st.sampled_from(TOTALS)),
            "shop": draw(st.sampled_from(["online", "street"])),
            "product": draw(st.sampled_from(["cd", "book", None, ["a", 1.50]])),
        },
    )
    assert found.identifiers == tuple(sorted(found.identifiers, key=RULES.rank))
    return found


@st.composite
def histories(draw: st.DrawFn, most: int = 14) -> list[Touchpoint]:
    """Touchpoints with ids of their own, in no order."""
    size = draw(st.integers(1, most))
    return [draw(touchpoints(f"m{n}")) for n in range(size)]
