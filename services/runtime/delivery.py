"""Sends follow-ups: takes actions from the log, keeps them in the ledger, checks once more, sends, writes down.

The order of the steps is what makes law 5 hold, and a test ends the process between every two of them:
taken into the ledger (a known key is absorbed) → checked and made, without any effect → claimed `attempting` on disk →
sent → settled on disk. An end between claim and settlement is found at the next start (`Ledger.recover`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog
from prometheus_client import Counter

from schemas.fast import Action, Profile
from services.automation.actions.email import Email
from services.automation.actions.webhook import WebhookCall
from services.automation.check import CompiledRule, RuleId, hold
from services.errors import Rejected, Retry
from services.runtime.ledger import Ledger, Send, Status
from services.runtime.renderer import Renderer
from services.runtime.sending import Result, pause

MOST_TAKEN = 500  # actions read from the log at once
GRACE = 10.0  # seconds that calls under way get when the platform stops

_settled = Counter("rapport_followups_total", "Follow-ups by kind and what came of a try", ["kind", "status"])
_log = structlog.get_logger()
_action = msgspec.json.Decoder(Action).decode


class Actions(Protocol):
    """The topic `actions`. `incarnation` names this very log: a log made anew has another name."""

    incarnation: str

    def read(self, offset: int, limit: int) -> tuple[int, Sequence[Action]]:
        """The actions from `offset` on, about `limit` at most, and the offset to read next."""


class Sender(Protocol):
    """One way out (MailSender, WebhookSender)."""

    async def send(self, made: Any) -> Result:
        """Make one try."""

    async def close(self) -> None:
        """Give back what it holds."""


@dataclass(frozen=True)
class Pace:
    """How delivery goes about it: tries per follow-up, calls under way at once per kind, seconds between looks."""

    attempts: int = 10
    at_once: int = 8
    poll: float = 0.1


class Delivery:
    """Sends what the rules decided. `rules` by (workspace, name) are the ones in force and may be replaced at any time.

    `profile_of(workspace, anchor)` is the person who owns the identifier now, or None. `clock` is epoch ms, `random`
    is in [0, 1).
    """

    def __init__(
        self, ledger: Ledger, actions: Actions, profile_of: Callable[[str, str], Profile | None],
        rules: Mapping[RuleId, CompiledRule], senders: Mapping[str, Sender], renderer: Renderer,
        clock: Callable[[], int], random: Callable[[], float], pace: Pace = Pace(),
    ):  # fmt: skip
        self.rules = rules
        self._ledger, self._actions, self._profile_of = ledger, actions, profile_of
        self._senders, self._renderer = senders, renderer
        self._clock, self._random, self._pace = clock, random, pace
        self._under_way: dict[str, dict[str, asyncio.Task[None]]] = {kind: {} for kind in senders}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Calls under way get `GRACE` seconds to end. A bug in one of them is raised here."""
        recovered = self._ledger.recover(self._clock())
        if recovered:
            _log.warning("follow-ups were under way when the platform ended", count=recovered)
        try:
            while not stop.is_set():
                if not self.turn():
                    await self._wait(stop)
        finally:
            await self._end()

    def turn(self) -> int:
        """Take what is new and begin what is due. Returns how many actions were read and follow-ups begun."""
        read = self._take()
        begun = 0
        for kind, under_way in self._under_way.items():
            for key, task in list(under_way.items()):
                if task.done():
                    del under_way[key]
                    task.result()
            free = self._pace.at_once - len(under_way)
            for send in self._ledger.due(kind, self._clock(), free, frozenset(under_way)) if free else ():
                under_way[send.key] = asyncio.create_task(self._deliver(send))
                begun += 1
        return read + begun

    def _take(self) -> int:
        offset = self._ledger.position(self._actions.incarnation)
        after, actions = self._actions.read(offset, MOST_TAKEN)
        if after != offset:
            self._ledger.take(self._actions.incarnation, after, actions, self._clock())
        return len(actions)

    async def _wait(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        tasks = [task for under_way in self._under_way.values() for task in under_way.values()]
        await asyncio.wait([stopped, *tasks], timeout=self._pace.poll, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    async def _deliver(self, send: Send) -> None:
        """One follow-up from waiting to whatever comes of it."""
        action = _action(send.action)
        profile = self._profile_of(action.workspace, action.anchor)
        rule = self.rules.get((action.workspace, action.rule))
        reason = hold(rule, action, profile)
        if reason:
            return self._settle(send, Result("failed", reason), held=True)
        assert rule is not None and profile is not None
        try:
            made = await self._renderer.make(rule.rule.then[action.step], action, profile, self._clock())
        except Rejected as wrong:
            return self._settle(send, Result("failed", wrong.reason))
        except Retry as later:
            return self._settle(send._replace(attempt=send.attempt + 1), Result("retry", str(later)))
        claimed = self._ledger.claim(send, _recipient(made), self._clock())
        self._settle(claimed, await self._senders[send.kind].send(made))

    def _settle(self, send: Send, result: Result, held: bool = False) -> None:
        now, next_at = self._clock(), 0
        status: Status
        if result.status != "retry":
            status = "held" if held else result.status
        elif send.attempt >= self._pace.attempts:
            status = "dead"
        else:
            status, next_at = "waiting", now + pause(send.attempt, result.after, self._random)
        self._ledger.settle(send, status, now, result.reason, next_at)
        _settled.labels(send.kind, status).inc()
        if status != "sent":
            _log.info("follow-up not sent", key=send.key, status=status, reason=result.reason, attempt=send.attempt)

    async def _end(self) -> None:
        tasks = [task for under_way in self._under_way.values() for task in under_way.values()]
        done, late = await asyncio.wait(tasks, timeout=GRACE) if tasks else (set(), set())
        for task in late:
            task.cancel()  # its row stays `attempting`, as after a crash
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.gather(self._renderer.close(), *(sender.close() for sender in self._senders.values()))
        failed = [error for task in done if (error := task.exception())]
        if failed:
            raise failed[0]


def _recipient(made: Email | WebhookCall) -> str:
    """Whom it goes to, for the ledger: the address, or the URL's host (paths may hold secrets) or variable."""
    if isinstance(made, Email):
        return made.to
    return made.url.split("/")[2] if made.url else made.url_env
