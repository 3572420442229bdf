"""Random histories of touchpoints, small enough that limits bite, stamps tie and old links come late."""

from collections import Counter
from random import Random

from hypothesis import strategies as st

from services.identifiers import IdentityRules
from tests.identity.identity_stage import Seen, rules_of
from tests.identity.naive_people import naive_links, naive_people

POOL = (
    *(f"user_id:u{n}" for n in range(3)),
    *(f"email:e{n}@x.cn" for n in range(3)),
    *(f"anonymous_id:a{n}" for n in range(5)),
    "anonymous_id:u1",
    "anonymous_id:e1@x.cn",
)
WIDE_POOL = (
    *(f"user_id:u{n}" for n in range(5)),
    *(f"email:e{n}@x.cn" for n in range(7)),
    *(f"anonymous_id:a{n}" for n in range(12)),
)
PREVIOUS = ("", "", "", "", "a0", "a4", "never", "u1", " u2", "E1@x.cn", "e2@x.cn")
RULES = (rules_of(), rules_of(email=1, anonymous_id=2), rules_of(on_conflict="nobody"), rules_of(user_id=2))

touchpoints = st.builds(
    Seen,
    st.lists(st.sampled_from(POOL), min_size=1, max_size=3, unique=True).map(tuple),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from(PREVIOUS),
)
rule_sets = st.sampled_from(RULES)
histories = st.lists(touchpoints, min_size=1, max_size=14).map(
    lambda history: [seen._replace(message_id=f"m{n}") for n, seen in enumerate(history)]
)
cuts = st.frozensets(st.integers(0, 25))


def random_history(seed: int) -> tuple[list[Seen], IdentityRules]:
    """One history of up to 25 touchpoints, half of them in the order of their time; and rules for it.

    Every third one is of 15 to 60 touchpoints over more identifiers, so that large components meet.
    """
    r = Random(seed)
    wide = seed % 3 == 0
    pool, length = (WIDE_POOL, r.randint(15, 60)) if wide else (POOL, r.randint(2, 25))
    previous = ("",) * 9 + PREVIOUS if wide else PREVIOUS
    history = [
        Seen(tuple(r.sample(pool, r.randint(1, 3))), r.randint(0, 20), r.randint(0, 20), r.choice(previous), f"m{n}")
        for n in range(length)
    ]
    if r.random() < 0.5:
        history.sort(key=lambda seen: seen.evidence_at)
    return history, r.choice(RULES)


def hits(history: list[Seen], rules: IdentityRules) -> Counter[str]:
    """Which of the hard cases this history contains, judged without the code under test."""
    _, links = naive_links(history, rules)
    _, refused = naive_people(history, rules)
    received, _ = naive_links(history, rules)
    stamps = list(links.values())
    times = [seen.evidence_at for seen in history if len(seen.identifiers) > 1]
    found = {
        "limit": bool(refused),
        "tie": len(set(stamps)) < len(stamps),
        "out of order": times != sorted(times),
        "late older link with a limit": bool(refused) and times != sorted(times),
        "same received_at": len(set(received.values())) < len(received),
        "alias": any(seen.previous for seen in history),
        "stand-in": any(end not in received for ends in links for end in ends),
        "nobody": bool(refused) and rules.types["anonymous_id"].on_conflict == "nobody",
    }
    return Counter(name for name, hit in found.items() if hit)
