"""When rules go live, whichever place keeps it."""

from collections.abc import Mapping

from services.automation.check import RuleId


def live(
    known: Mapping[RuleId, tuple[str, int]], rules: Mapping[RuleId, str], now: int
) -> dict[RuleId, tuple[str, int]]:
    """The fingerprint of each rule and the instant (epoch ms) at which it went live: `rules` are the fingerprints by
    (workspace, name), all that there are; `known` is what this gave the last time.

    A rule is live from the first start that saw it as it is. One that was edited, switched off and on, or taken out
    and put back, goes live anew; so it never acts on what an earlier version of it let pass.
    """
    return {
        rule: known[rule] if rule in known and known[rule][0] == fingerprint else (fingerprint, now)
        for rule, fingerprint in rules.items()
    }
