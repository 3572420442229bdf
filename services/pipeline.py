"""The map: which processor reads and writes which topic.

    touchpoints ─► fold ─► evidence ─► identity ─► membership ─► fold ─► cells ─► assemble ─► causes ─► rules ─► actions
                   fold ─► contributions ─► accounts ─► accounts ─► rules

`schemas/topics.py` has the same arrows as data; a test compares the two.
"""

from collections.abc import Mapping

from services.automation import bounces
from services.automation.rules import Rules
from services.configuration import Config
from services.identity.processor import Identity
from services.processor import Processor
from services.profile.accounts import Accounts
from services.profile.assemble import Assemble
from services.profile.fold import Fold
from services.profile.turning import LATEST

DAY = 24 * 3600 * 1000
STAGES = ("fold", "identity", "assemble", "accounts", "rules")


def processors(
    config: Config, generation: int, live_at: Mapping[tuple[str, str], int], dedup_days: int, past: int = 0,
    since: int = LATEST, events: bool = False,
) -> list[Processor]:  # fmt: skip
    """Every stage, in the order in which a touchpoint passes them. Only what some rule listens to becomes a cause,
    and bounces, which the rules keep. What fell due up to `past` (epoch ms) was dealt with before a rebuild; the
    definitions are in force since `since`. `events`: publish every touchpoint with its person."""
    triggers = [bounces.EVENT, *(rule.when.event for rule in config.rules if rule.when.event)]
    watched = [rule.when.enters for rule in config.rules if rule.when.enters]
    return [
        Fold(config.definitions, window=dedup_days * DAY),
        Identity(config.identity, generation),
        Assemble(config.definitions, generation, triggers, watched, past, since, events),
        Accounts(config.definitions, generation),
        Rules(config.rules, live_at),
    ]
