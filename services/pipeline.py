"""The map: which processor reads and writes which topic.

    touchpoints ─► fold ─► evidence ─► identity ─► membership ─► fold ─► cells ─► assemble ─► causes ─► rules ─► actions

`schemas/topics.py` has the same arrows as data; a test compares the two.
"""

from collections.abc import Mapping

from services.automation.rules import Rules
from services.configuration import Config
from services.identity.processor import Identity
from services.processor import Processor
from services.profile.assemble import Assemble
from services.profile.fold import Fold

DAY = 24 * 3600 * 1000
STAGES = ("fold", "identity", "assemble", "rules")
