"""Who is one person, written a second time and as plainly as possible: after the model of the protocol, for tests."""

from schemas.identifiers import profile_id
from services.identifiers import IdentityRules
from tests.identity.identity_stage import WORKSPACE, Seen


def naive_links(history: list[Seen], rules: IdentityRules) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """(identifier → earliest received_at, pair → earliest evidence_at) of a set of touchpoints."""
    received: dict[str, int] = {}
    links: dict[tuple[str, str], int] = {}

    def link(one: str, other: str, at: int) -> None:
        if one != other:
            ends = (min(one, other), max(one, other))
            links[ends] = min(at, links.get(ends, at))

    for seen in history:
        anchor = min(seen.identifiers, key=rules.rank)
        for identifier in seen.identifiers:
            received[identifier] = min(seen.received_at, received.get(identifier, seen.received_at))
            link(anchor, identifier, seen.evidence_at)
    for seen in history:
        if seen.previous:
            anchor = min(seen.identifiers, key=rules.rank)
            may_be = {rules.clean(name, seen.previous) for name in rules.types}
            for identifier in may_be & set(received) or {rules.clean("anonymous_id", seen.previous)} - {None}:
                link(anchor, identifier, seen.evidence_at)
    return received, links


def naive_people(history: list[Seen], rules: IdentityRules) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """(identifier → profile id, links that do not hold)."""
    received, links = naive_links(history, rules)
    everyone = set(received) | {end for ends in links for end in ends}
    contested: set[str] = set()
    while True:
        groups = [{identifier} for identifier in everyone]
        refused, before = set(), set(contested)
        for _, ends in sorted((at, ends) for ends, at in links.items()):
            one = next(group for group in groups if ends[0] in group)
            other = next(group for group in groups if ends[1] in group)
            if one is other or contested & set(ends):
                continue
            union = one | other
            if any(sum(i.startswith(f"{name}:") for i in union) > rule.limit for name, rule in rules.types.items()):
                refused.add(ends)
                contested_now = {i for i in ends if rules.types[i.split(":")[0]].on_conflict == "nobody"}
                before |= contested_now
                continue
            groups = [group for group in groups if group is not one and group is not other] + [union]
        if before == contested:
            break
        contested = before
    refused |= {ends for ends in links if contested & set(ends)}
    owner = {}
    for group in groups:
        if known := [identifier for identifier in group if identifier in received]:
            first = min(known, key=lambda identifier: (received[identifier], rules.rank(identifier)))
            owner |= {identifier: profile_id(WORKSPACE, first) for identifier in known}
    return owner, refused
