"""Random traits and audiences, and random histories for them: hostile values, ties, merges, times at the boundaries."""

from typing import Any

from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Touchpoint
from services.profile.definitions import KINDS, Audience, Definitions, Trait
from tests.conditions.random_conditions import comparisons, objects, properties, scalars, trees
from tests.profile.profile_histories import POOL
from tests.profile.profile_stages import NOON, touchpoint

MINUTE = 60_000
EVENTS = ["A", "B", "page", "identify"]
GROUPS = ["acme", "globex", "é'"]
TOLD = ["a", "b", "a.b", "city", "t1", "t2.a", "é"]
KEYS = ["email", "sms", "email/news", "a/b"]
WITHIN = ["1m", "2m", "3m"]
SAID = ["true", "false", '"granted"', '"denied"', "null", "1", '"yes"', '{"granted": true, "proof": "x"}',
        '{"granted": false}', '{"granted": 1}', '{"news": true}', '{"news": "denied", "": true}',
        '{"news": {"granted": false, "by": "x"}, "b": true}', "{}", "[]"]  # fmt: skip

traits_of = st.fixed_dictionaries(
    {"event": st.sampled_from(EVENTS), "kind": st.sampled_from(KINDS),
     "property": st.sampled_from(["a", "a", "b", "a.b"]),
     "within": st.none() | st.sampled_from(WITHIN), "where": st.none() | st.none() | trees(properties, 3)}
)  # fmt: skip


def _trait(name: str, said: dict[str, Any], of: str = "person") -> Trait:
    kind = "count" if of == "account" and said["kind"] == "days_since" else said["kind"]
    asked = {kind: True if kind in ("count", "days_since") else said["property"]}
    within = {"within": said["within"]} if said["within"] and kind != "days_since" and of == "person" else {}
    where = {"where": said["where"]} if said["where"] else {}
    return Trait.model_validate({"name": name, "event": said["event"], "of": of} | asked | within | where)


def leaves(traits: list[str], audiences: list[str]) -> st.SearchStrategy[Any]:
    """Every kind of leaf that an audience may have."""
    events, within = st.sampled_from(EVENTS), st.sampled_from(WITHIN)
    named = st.sampled_from([*traits, *traits, *TOLD, *(f"{name}.a" for name in traits)])
    asked = st.one_of(
        named.flatmap(lambda name: comparisons({"trait": name})),
        st.builds(lambda e, n: {"event": e, "at_least": n}, events, st.integers(1, 4)),
        st.builds(lambda e, n, w: {"event": e, "at_least": n, "within": w}, events, st.integers(1, 3), within),
        st.permutations(EVENTS).flatmap(
            lambda two: within.map(lambda w: {"did": two[0], "then_not": two[1], "within": w})
        ),
        st.builds(
            lambda c, p, a: {"consent": c, "is": a} | ({"purpose": p} if p else {}),
            st.sampled_from(["email", "sms", "a", "a/b"]), st.sampled_from(["", "news", "b"]),
            st.sampled_from(["granted", "denied", "unknown"]),
        ),
    )  # fmt: skip
    return asked | st.sampled_from(audiences).map(lambda name: {"audience": name}) if audiences else asked


@st.composite
def definitions(draw: st.DrawFn, traits: int = 10, audiences: int = 10, accounts: int = 6) -> Definitions:
    """Traits of random kinds, and audiences over those of persons, each other and everything else."""
    found = [_trait(f"t{n}", draw(traits_of)) for n in range(traits)]
    of_accounts = [_trait(f"s{n}", draw(traits_of), of="account") for n in range(accounts)]
    who: list[Audience] = []
    for n in range(audiences):
        asked = leaves([trait.name for trait in found], [audience.name for audience in who])
        who.append(Audience(name=f"x{n}", who=draw(trees(asked))))
    return Definitions([*found, *of_accounts], who)


def of_accounts(made: Definitions) -> st.SearchStrategy[Any]:
    """Conditions over the traits of an account, told and computed."""
    traits = [trait.name for trait in made.accounts.traits]
    named = st.sampled_from([*traits, *TOLD, *(f"{name}.a" for name in traits)])
    return trees(named.flatmap(lambda name: comparisons({"account": name})))


times = st.sampled_from([0, 0, 1, MINUTE, MINUTE + 1, 2 * MINUTE, 3 * MINUTE, 100 * MINUTE]).map(lambda ms: NOON + ms)
told = st.lists(st.tuples(st.sampled_from(TOLD), scalars | objects), max_size=4)
said = st.lists(st.tuples(st.sampled_from(["email", "sms", "a", ""]), st.sampled_from(SAID)), max_size=3)
consent_events = st.sampled_from(["Consent Granted", "Consent Denied", "Email Unsubscribed", "Email Marked as Spam"])
spoken = st.lists(
    st.tuples(
        st.sampled_from(["channel", "channel", "purpose"]),
        st.sampled_from(['"email"', '"sms"', '"news"', "1", '""', "null"]),
    ), max_size=3,
)  # fmt: skip


def _json(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"


@st.composite
def touchpoints(draw: st.DrawFn, workspace: str, message_id: str) -> Touchpoint:
    """One touchpoint, about half of them for an account. Message ids of different people may be the same."""
    event = draw(st.sampled_from([*EVENTS, "A", "A", "identify", "group", "group", "say"]))
    group = draw(st.sampled_from([*GROUPS, *([""] * 3 if event != "group" else [])]))
    traits = [*draw(told), *([("consent", _json(draw(said)))] if draw(st.booleans()) else [])]
    body = _json(draw(spoken)) if event == "say" else draw(objects)
    name = draw(consent_events) if event == "say" else event
    found = touchpoint(
        message_id, *draw(st.sets(st.sampled_from(POOL), min_size=1, max_size=2)), event=name, at=draw(times),
        received_at=NOON + 200 * MINUTE, workspace=workspace, source=draw(st.sampled_from(["web", "shop"])),
        group_id=group,
    )  # fmt: skip
    raws = {"properties": fast.msgspec.Raw(body.encode()), "traits": fast.msgspec.Raw(_json(traits).encode())}
    kind = {"type": "group", "event": ""} if event == "group" else {}
    return fast.Touchpoint(**{one: getattr(found, one) for one in found.__struct_fields__} | raws | kind)
