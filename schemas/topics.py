"""Every topic as data: what is on it, what its key is, who writes it and who reads it.

Producers and consumers are the names of processors (services/pipeline.py) and of what is around them: the collectors,
the engine, delivery and the warehouse writer. Retention is in hours; None keeps the last message of every key.
"""

from typing import NamedTuple

from schemas import wire

DAY = 24


class Topic(NamedTuple):
    """One topic. `partitions` is fixed for a generation; `frames` tells whether a message holds many lines."""

    name: str
    model: type[wire.Message]
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    public: bool = False
    frames: bool = True
    partitions: int = 64
    retention: int | None = 30 * DAY


_ALL = (
    Topic("touchpoints", wire.Touchpoint, "profile_id(anchor)", ("collectors",), ("fold", "warehouse")),
    Topic("rejected", wire.RejectedItem, "source", ("collectors",), ("warehouse",), partitions=8),
    Topic("commands", wire.Command, "command", ("collectors",), ("engine",), partitions=1),
    Topic("evidence", wire.Evidence, "workspace", ("fold",), ("identity",), partitions=1),
    Topic("membership", wire.Membership, "profile_id(identifier)", ("identity",), ("fold", "warehouse")),
    Topic("cells", wire.CellMessage, "owner", ("fold", "assemble"), ("assemble",)),
    Topic("contributions", wire.Contribution, "profile_id(account)", ("fold",), ("accounts",)),
    Topic("causes", wire.Cause, "profile_id", ("assemble",), ("rules",)),
    Topic("duplicates", wire.Duplicate, "anchor", ("fold",), ("warehouse",)),
    Topic("identity-changes", wire.IdentityChange, "profile_id", ("identity",), ("warehouse",), True, False),
    Topic("profiles", wire.Profile, "profile_id", ("assemble",), ("warehouse",), True, False, retention=None),
    Topic("accounts", wire.Profile, "profile_id", ("accounts",), ("rules", "warehouse"), True, False, retention=None),
    Topic("audience-changes", wire.AudienceChange, "profile_id", ("assemble",), ("warehouse",), True, False),
    Topic("events", wire.Event, "profile_id", ("assemble",), (), True, False),
    Topic("actions", wire.Action, "profile_id", ("rules",), ("delivery", "warehouse"), True, False),
    Topic("deliveries", wire.Delivery, "key", ("delivery",), ("warehouse",)),
)

TOPICS: dict[str, Topic] = {topic.name: topic for topic in _ALL}
