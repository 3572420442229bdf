"""Sends follow-ups: takes actions from the log, keeps them in the ledger, checks once more, sends, writes down.

The order of the steps is what makes law 5 hold, and a test ends the process between every two of them:
taken into the ledger (a known key is absorbed) → checked and made, without any effect → claimed `attempting` on disk →
sent → settled on disk. An end between claim and settlement is found at the next start (`Ledger.recover`). Claims and
settlements of many follow-ups share a transaction, so that the disk is waited for once a turn.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog
from prometheus_client import Counter

from schemas.fast import Action, Profile
from services.automation.actions.email import Email
from services.automation.actions.webhook import WebhookCall
from services.automation.check import CompiledRule, RuleId, hold
from services.errors import Rejected, Retry
from services.runtime.disk import Trouble, passes
from services.runtime.followups.ledger import Claim, Ledger, Send, Settled
from services.runtime.followups.renderer import Renderer
from services.runtime.followups.sending import Result, pause

MOST_TAKEN = 500  # actions read from the log at once
GRACE = 10.0  # seconds that calls under way get when the platform stops

_ended = Counter("rapport_followups_total", "Follow-ups by kind and what came of a try", ["kind", "status"])
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
    """How delivery goes about it: tries per follow-up, calls under way at once per kind, seconds between two looks at
    an idle log, and between two turns of a busy one, so that one transaction notes what several calls came to."""

    attempts: int = 10
    at_once: int = 16
    poll: float = 0.1
    gather: float = 0.005


class Ready(NamedTuple):
    """A follow-up that was checked and made: the next step is its claim."""

    send: Send
    made: Email | WebhookCall


Ended = Ready | Settled


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
        self._under_way: dict[str, dict[str, asyncio.Task[Ended]]] = {kind: {} for kind in senders}
        self._ended: list[Ended] = []  # not under way any more, and not noted yet
        self._errors: list[BaseException] = []  # what ended tasks raised
        self._trouble = Trouble("delivery")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Calls under way get `GRACE` seconds to end. A bug in one of them is raised here.

        While the disk is full or fails, nothing is begun, and what has come to an end is kept until it can be noted.
        """
        recovered = self._ledger.recover(self._clock())
        if recovered:
            _log.warning("follow-ups were under way when the platform ended", count=recovered)
        try:
            while not stop.is_set():
                try:
                    busy = self.turn()
                except sqlite3.OperationalError as error:
                    await self._trouble.back_off(error, stop)
                    continue
                self._trouble.over()
                if not busy:
                    await self._wait(stop)
                await asyncio.sleep(self._pace.gather)
        finally:
            await self._end()

    def turn(self) -> int:
        """Take what is new, note what is done, begin what is due. Returns how many of all these there were."""
        return self._take() + self._note() + self._begin()

    def _take(self) -> int:
        offset = self._ledger.position(self._actions.incarnation)
        after, actions = self._actions.read(offset, MOST_TAKEN)
        if after != offset:
            self._ledger.take(self._actions.incarnation, after, actions, self._clock())
        return len(actions)

    def _note(self) -> int:
        """Note everything that has come to an end since the last turn, then make the calls that this claimed."""
        self._gather()
        ended = self._ended
        settled = [end for end in ended if isinstance(end, Settled)]
        ready = [end for end in ended if isinstance(end, Ready)]
        if ended:
            claims = [Claim(send, _recipient(made)) for send, made in ready]
            claimed = self._ledger.note(settled, claims, self._clock())
            self._ended = []
            for send, (_, made) in zip(claimed, ready, strict=True):
                self._under_way[send.kind][send.key] = asyncio.create_task(self._send(send, made))
        for end in settled:
            _tell(end)
        self._raise()
        return len(ended)

    def _gather(self) -> None:
        """Take what the tasks that are done came to, and what they raised; they are not under way any more."""
        for under_way in self._under_way.values():
            for key in [key for key, task in under_way.items() if task.done()]:
                task = under_way.pop(key)
                if error := task.exception():
                    self._errors.append(error)
                else:
                    self._ended.append(task.result())

    def _raise(self) -> None:
        """Raise what tasks raised: a bug, if one is among it, before an error that passes."""
        errors, self._errors = self._errors, []
        for error in sorted(errors, key=passes):
            raise error

    def _begin(self) -> int:
        begun = 0
        for kind, under_way in self._under_way.items():
            free = self._pace.at_once - len(under_way)
            for send in self._ledger.due(kind, self._clock(), free, frozenset(under_way)) if free else ():
                under_way[send.key] = asyncio.create_task(self._prepare(send))
                begun += 1
        return begun

    async def _prepare(self, send: Send) -> Ended:
        """Check once more and make what is to be sent. Has no effect, so it may be done again after a crash."""
        action = _action(send.action)
        profile = self._profile_of(action.workspace, action.anchor)
        rule = self.rules.get((action.workspace, action.rule))
        reason = hold(rule, action, profile)
        if reason:
            return Settled(send, "held", reason)
        assert rule is not None and profile is not None
        try:
            return Ready(send, await self._renderer.make(rule.rule.then[action.step], action, profile, self._clock()))
        except Rejected as wrong:
            return Settled(send, "failed", wrong.reason)
        except Retry as later:
            return self._settled(send._replace(attempt=send.attempt + 1), Result("retry", str(later)))

    async def _send(self, send: Send, made: Email | WebhookCall) -> Ended:
        return self._settled(send, await self._senders[send.kind].send(made))

    def _settled(self, send: Send, result: Result) -> Settled:
        if result.status != "retry":
            return Settled(send, result.status, result.reason)
        if send.attempt >= self._pace.attempts:
            return Settled(send, "dead", result.reason)
        again = self._clock() + pause(send.attempt, result.after, self._random)
        return Settled(send, "waiting", result.reason, again)

    async def _wait(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        tasks = [task for under_way in self._under_way.values() for task in under_way.values()]
        await asyncio.wait([stopped, *tasks], timeout=self._pace.poll, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    async def _end(self) -> None:
        """Let what is under way come to its end and note it; what takes too long is as after a crash."""
        tasks = [task for under_way in self._under_way.values() for task in under_way.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        self._gather()
        late = [task for under_way in self._under_way.values() for task in under_way.values()]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.gather(self._renderer.close(), *(sender.close() for sender in self._senders.values()))
        self._ledger.note([end for end in self._ended if isinstance(end, Settled)], [], self._clock())
        self._raise()


def _tell(end: Settled) -> None:
    _ended.labels(end.send.kind, end.status).inc()
    if end.status != "sent":
        told = {"key": end.send.key, "status": end.status, "reason": end.reason, "attempt": end.send.attempt}
        _log.info("follow-up not sent", **told)


def _recipient(made: Email | WebhookCall) -> str:
    """Whom it goes to, for the ledger: the address, or the URL's host (paths may hold secrets) or variable."""
    if isinstance(made, Email):
        return made.to
    return made.url.split("/")[2] if made.url else made.url_env
