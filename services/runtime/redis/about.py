"""What all workers share: how the installation is cut, when rules went live, and since when definitions are in force.

It lies in one hash. Whoever changes a field compares it with what it read, so the first worker to come decides, and all
others with the same configuration find what it decided.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

from services.automation.check import RuleId
from services.configuration import Config
from services.errors import RapportError, Retry
from services.runtime import going_live, in_force
from services.runtime.redis import layout
from services.runtime.redis.connection import Client, explained
from services.runtime.redis.layout import PREFIX

RELEASED = "released"  # instead of the name of a ledger: by hand, where that one is lost for good
TRIES = 50  # of a change that others come in the way of

_SWAP = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
T = TypeVar("T")


def fingerprint(config: Config) -> str:
    """16 hexadecimal digits that change with whatever the stages and delivery do by their configuration."""
    rules = sorted((rule.workspace, rule.name, rule.fingerprint()) for rule in config.rules)
    said = (config.identity.fingerprint, config.definitions.fingerprint, rules, config.sending)
    return blake2b(repr(said).encode(), digest_size=8).hexdigest()


class About:
    """Reads and settles what is shared. Every method may raise Retry."""

    def __init__(self, client: Client, prefix: str = PREFIX):
        self._client, self._prefix, self._key = client, prefix, layout.about(prefix)

    def settle(self, partitions: int, dedup_days: int) -> None:
        """Hold the installation to its first worker's settings, for good: where a record lies, and which touchpoint is
        a duplicate, follow from them. Raises RapportError for other ones."""
        self._settle("partitions", partitions, "records lie in")
        self._settle("dedup_days", dedup_days, "duplicates are judged by")

    def go_live(self, rules: Mapping[RuleId, str], now: int) -> dict[RuleId, int]:
        """When each rule went live (epoch ms): `rules` are the fingerprints by (workspace, name), all that there are.
        New ones do so at `now`. See services/runtime/going_live.py for what that means."""

        def decide(noted: str) -> tuple[str, dict[RuleId, int]]:
            known = {(w, r): (print_, at) for w, r, print_, at in json.loads(noted or "[]")}
            live = going_live.live(known, rules, now)
            rows = [(*rule, *one) for rule, one in sorted(live.items())]
            return json.dumps(rows), {rule: at for rule, (_, at) in live.items()}

        return self._agree("rules", decide)

    def in_force(self, fingerprint: str, now: int, partitions: int) -> int:
        """The instant (epoch ms) at which the definitions with this fingerprint came into force; see `in_force.agreed`.
        `partitions` is how many the assemble stage has."""
        waiting = self._earliest("assemble", partitions)
        return self._agree("in_force", lambda noted: in_force.agreed(noted, fingerprint, now, waiting))

    def generation(self) -> int:
        """Which generation of records this is; 0 is the first."""
        with explained():
            found: Any = self._client.hget(self._key, "generation")
        return int(found or 0)

    def ledger(self) -> str:
        """The name of the ledger that the installation's follow-ups are kept in; RELEASED when a person has given that
        one up; empty when there never was one."""
        with explained():
            found: Any = self._client.hget(self._key, "ledger")
        return found.decode() if found else ""

    def claim_ledger(self, name: str, former: str) -> bool:
        """Make it this one, if it is still `former` or this one. Returns whether it is."""
        return self._agree("ledger", lambda noted: (name, True) if noted in (former, name) else (noted, False))

    def announce(self, fingerprint: str) -> None:
        """Say which configuration the worker that starts now has: from now on it is the newest."""
        with explained():
            self._client.hset(self._key, "configuration", fingerprint)

    def newest(self, fingerprint: str) -> bool:
        """Whether the worker that started last has the configuration with this fingerprint, too. If not, there are two
        at work: start all workers with the same."""
        with explained():
            found: Any = self._client.hget(self._key, "configuration")
        return found is None or found.decode() == fingerprint

    def _settle(self, name: str, value: int, what: str) -> None:
        settled = self._agree(name, lambda noted: (noted or str(value), int(noted or value)))
        if settled != value:
            variable = f"RAPPORT_{name.upper()}"
            raise RapportError(
                f"{variable} is {value} here, but {what} {settled} in this Redis, and that stands: start every process"
                f" with {variable}={settled}, or use another Redis and read all anew"
            )

    def _agree(self, field: str, decide: Callable[[str], tuple[str, T]]) -> T:
        """`decide` gets what is noted in the field ("" for nothing) and says what to note instead, and its result.
        When somebody else has noted something meanwhile, it decides again."""
        with explained():
            for _ in range(TRIES):
                found: Any = self._client.hget(self._key, field)
                noted = found.decode() if found else ""
                new, result = decide(noted)
                if new == noted or self._client.eval(_SWAP, 1, self._key, field, noted, new):
                    return result
        raise Retry(f"other workers keep changing `{field}` of {self._key}")

    def _earliest(self, stage: str, partitions: int) -> int | None:
        """When the earliest wake-up of a stage is due (epoch ms)."""
        with explained(), self._client.pipeline(transaction=False) as pipe:
            for partition in range(partitions):
                pipe.zrange(layout.keys(self._prefix, stage, partition).wakeups, 0, 0)
            found: list[list[bytes]] = pipe.execute()
        return min((layout.wakeup(one[0]).due for one in found if one), default=None)
