"""Sends follow-ups: takes actions from the log, keeps them in the ledger, checks once more, sends, writes down.

The order of the steps is what makes law 5 hold, and a test ends the process between every two of them:
taken into the ledger (a known key is absorbed) → checked and made, without any effect → claimed `attempting` on disk,
if the caps still allow it → sent → settled on disk. An end between claim and settlement is found at the next start
(`Ledger.recover`). Claims and settlements of many follow-ups share a transaction, so that the disk is waited for once
a turn.
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
from services.automation.actions.slack import SlackMessage
from services.automation.actions.sms import Sms
from services.automation.check import CompiledRule, RuleId, hold
from services.automation.definitions import Rule
from services.automation.follow_up import Made
from services.automation.sending import Sending
from services.automation.steps import TO_THE_PERSON
from services.conditions.subject import Facts, account_of, account_traits, facts
from services.errors import Rejected, Retry
from services.runtime.disk import Trouble, passes
from services.runtime.followups.caps import Limit, Person, limits
from services.runtime.followups.ledger import Claim, Ledger, Send, Settled
from services.runtime.followups.quiet import quiet_until, shown, zone_of
from services.runtime.followups.renderer import Renderer
from services.runtime.followups.sending import Result, pause

MOST_TAKEN = 500  # actions read from the log at once
ONE_BY_ONE = frozenset({"slack"})  # kinds of which one is under way at once: the receiver wants them slowly
GRACE = 10.0  # seconds that calls under way get when the platform stops

ANYHOW = Sending()  # without caps and quiet hours

_ended = Counter("rapport_followups_total", "Follow-ups by kind and what came of a try", ["kind", "status"])
_log = structlog.get_logger()
_action = msgspec.json.Decoder(Action).decode


class Actions(Protocol):
    """The topic `actions`: one log, or one for each of its partitions. `incarnations` name these very logs: a log made
    anew has another name."""

    @property
    def incarnations(self) -> Sequence[str]: ...

    def read(self, positions: Mapping[str, int], limit: int) -> tuple[Mapping[str, int], Sequence[Action]]:
        """The actions from these offsets on, about `limit` at most, and the offsets to read next, of those logs that
        had something to read. An incarnation without a position was never read."""


class Sender(Protocol):
    """One way out (MailSender, WebhookSender, …)."""

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
    made: Made
    person: Person
    bounds: tuple[Limit, ...]


class Aside(NamedTuple):
    """A follow-up whose caps may have room when what is under way has ended; `settled` had ended when that was seen."""

    send: Send
    settled: int


Ended = Ready | Settled | Aside


class Delivery:
    """Sends what the rules decided. `rules` by (workspace, name) are the ones in force and may be replaced at any time.

    `profile_of(workspace, anchor)` is the person who owns the identifier now, or None; `bounced(workspace, address)` is
    whether an address has refused e-mail for good; `account(workspace, group)` is an account by its group id, or None.
    While `paused()`, nothing is begun and nothing sent: the people are computed anew, so nobody is as they are, or it
    is not sure that nobody else sends. `clock` is epoch ms, `random` is in [0, 1). People, accounts and addresses are
    looked up in threads; any of these may raise Retry.
    """

    def __init__(
        self, ledger: Ledger, actions: Actions, profile_of: Callable[[str, str], Profile | None],
        rules: Mapping[RuleId, CompiledRule], senders: Mapping[str, Sender], renderer: Renderer,
        clock: Callable[[], int], random: Callable[[], float], pace: Pace = Pace(),
        sending: Sending = ANYHOW, bounced: Callable[[str, str], bool] = lambda workspace, address: False,
        paused: Callable[[], bool] = lambda: False,
        account: Callable[[str, str], Profile | None] = lambda workspace, group: None,
    ):  # fmt: skip
        self.rules = rules
        self._ledger, self._actions, self._profile_of = ledger, actions, profile_of
        self._senders, self._renderer = senders, renderer
        self._clock, self._random, self._pace = clock, random, pace
        self._sending, self._bounced, self._paused = sending, bounced, paused
        self._account = account
        self._under_way: dict[str, dict[str, asyncio.Task[Ended]]] = {kind: {} for kind in senders}
        self._ended: list[Ended] = []  # not under way any more, and not noted yet
        self._aside: set[str] = set()  # keys that are due and wait for something under way to end
        self._settled_so_far = 0
        self._errors: list[BaseException] = []  # what ended tasks raised
        self._trouble = Trouble("delivery")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Calls under way get `GRACE` seconds to end. A bug in one of them is raised here.

        While the disk is full or fails, nothing is begun, and what has come to an end is kept until it can be noted.
        While people cannot be looked up, what is due stays due.
        """
        recovered = self._ledger.recover(self._clock())
        if recovered:
            _log.warning("follow-ups were under way when the platform ended", count=recovered)
        try:
            while not stop.is_set():
                try:
                    busy = self.turn()
                except (sqlite3.OperationalError, Retry) as error:
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
        positions = self._ledger.positions(self._actions.incarnations)
        after, actions = self._actions.read(positions, MOST_TAKEN)
        if after:
            self._ledger.take(after, actions, self._clock())
        return len(actions)

    def _note(self) -> int:
        """Note everything that has come to an end since the last turn, then make the calls that this claimed. While
        paused nothing is claimed: it stays due, and is looked at again."""
        self._gather()
        ended = self._ended
        settled = [end for end in ended if isinstance(end, Settled)]
        ready = [] if self._paused() else [end for end in ended if isinstance(end, Ready)]
        if settled or ready:
            claims = [Claim(one.send, _recipient(one.made), one.person, one.bounds) for one in ready]
            claimed = self._ledger.note(settled, claims, self._clock())
            made = {one.send.key: one.made for one in ready}
            for send in claimed:
                self._under_way[send.kind][send.key] = asyncio.create_task(self._send(send, made[send.key]))
        self._ended = []
        self._put_aside(settled, [end for end in ended if isinstance(end, Aside)])
        for end in settled:
            _tell(end)
        self._raise()
        return len(ended)

    def _put_aside(self, settled: Sequence[Settled], aside: Sequence[Aside]) -> None:
        """Whatever has come to an end may have made room: then everybody who waits for that looks again."""
        if settled:
            self._settled_so_far += len(settled)
            self._aside.clear()
        self._aside.update(end.send.key for end in aside if end.settled == self._settled_so_far)

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
        if self._paused():
            return 0
        for kind, under_way in self._under_way.items():
            free = (1 if kind in ONE_BY_ONE else self._pace.at_once) - len(under_way)
            but = frozenset(self._aside.union(under_way))
            for send in self._ledger.due(kind, self._clock(), free, but) if free else ():
                under_way[send.key] = asyncio.create_task(self._prepare(send))
                begun += 1
        return begun

    async def _prepare(self, send: Send) -> Ended:
        """Check once more and make what is to be sent. Has no effect, so it may be done again after a crash."""
        action = _action(send.action)
        profile, account = await asyncio.to_thread(self._look_up, action)
        found = self.rules.get((action.workspace, action.rule))
        if reason := hold(found, action, _subject(profile, action, account)):
            return Settled(send, "held", reason)
        assert found is not None and profile is not None
        person = Person(action.workspace, (*profile.identifiers, action.anchor))
        bounds = limits(found.rule, send.kind, send.key, self._sending)
        if later := self._not_now(send, found.rule, action, profile) or self._no_room(send, person, bounds):
            return later
        try:
            made = await self._renderer.make(found.rule.then[action.step], action, profile, self._clock(), account)
        except Rejected as wrong:
            return Settled(send, "failed", wrong.reason)
        except Retry as error:
            return self._settled(send._replace(attempt=send.attempt + 1), Result("retry", str(error)))
        if isinstance(made, Email) and await asyncio.to_thread(self._bounced, action.workspace, made.to):
            return Settled(send, "held", "the person's address has refused e-mail for good (Email Bounced)")
        return Ready(send, made, person, bounds)

    def _look_up(self, action: Action) -> tuple[Profile | None, Profile | None]:
        """The person who is meant, and the account that the cause names or theirs is."""
        profile = self._profile_of(action.workspace, action.anchor)
        group = account_of(profile, action.touchpoint) if profile is not None else ""
        return profile, self._account(action.workspace, group) if group else None

    def _not_now(self, send: Send, rule: Rule, action: Action, profile: Profile) -> Settled | None:
        """The follow-up as waiting, where it is night for the person."""
        quiet = self._sending.quiet
        if quiet is None or send.kind not in TO_THE_PERSON or rule.quiet_hours == "ignore":
            return None
        place = zone_of(profile, action.touchpoint, quiet)
        until = quiet_until(quiet, place, self._clock())
        return Settled(send, "waiting", f"quiet hours until {shown(until, place)}", until) if until else None

    def _no_room(self, send: Send, person: Person, bounds: tuple[Limit, ...]) -> Settled | Aside | None:
        """The follow-up as held or put aside, where a cap is reached or may be."""
        room = self._ledger.room(person, bounds, self._clock())
        if room.full:
            return Settled(send, "held", room.full)
        return Aside(send, self._settled_so_far) if room.busy else None

    async def _send(self, send: Send, made: Made) -> Ended:
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


def _subject(profile: Profile | None, action: Action, account: Profile | None) -> Facts | None:
    """The person, the cause and the account, as conditions look at them; None when nobody is there any more."""
    if profile is None or profile.deleted:
        return None
    return facts(profile, action.touchpoint, account_traits(account) if account is not None else None)


def _recipient(made: Made) -> str:
    """Whom it goes to, for the ledger: an address, a number, the host of a URL (paths may hold secrets), a variable."""
    if isinstance(made, Email | Sms):
        return made.to
    if isinstance(made, SlackMessage):
        return made.url_env
    return made.url.split("/")[2] if made.url else made.url_env
