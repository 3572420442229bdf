"""Law 5 under crashes: whatever ends the process, and between whichever two steps, no e-mail, SMS or Slack message
reaches anybody twice, and a webhook or a task that arrives again says so by its id."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.automation.actions.webhook import webhook_id
from services.runtime.followups.delivery import Sender
from services.runtime.followups.ledger import Claim, Ledger, Send
from services.runtime.followups.sending import Result
from tests.automation.causes import calling, cause, rule, touchpoint
from tests.runtime.delivering import DAY, World, every, settled


class Crash(BaseException):
    """The process ended here."""


class Fuse:
    """Ends the process at step number `at`; from then on nothing that it does has any effect."""

    def __init__(self, at: int, passed: Counter[str]):
        self.left, self.passed = at, passed

    def step(self, name: str) -> None:
        self.left -= 1
        if self.left < 0:
            if self.left == -1:
                self.passed[name] += 1
            raise Crash(name)


class FusedLedger(Ledger):
    """A ledger whose process can end before and after every transaction."""

    fuse: Fuse

    def _around(self, name: str, call: Any, *args: Any, **more: Any) -> Any:
        self.fuse.step(f"before {name}")
        found = call(*args, **more)
        self.fuse.step(f"after {name}")
        return found

    def take(self, *args: Any, **more: Any) -> Any:
        return self._around("take", super().take, *args, **more)

    def note(self, *args: Any, **more: Any) -> Any:
        return self._around("note", super().note, *args, **more)

    def recover(self, *args: Any, **more: Any) -> Any:
        return self._around("recover", super().recover, *args, **more)


class FusedSender:
    """A sender whose process can end before and after the call."""

    def __init__(self, inner: Sender, fuse: Fuse):
        self.inner, self.fuse = inner, fuse

    async def send(self, made: Any) -> Result:
        self.fuse.step("before send")
        found = await self.inner.send(made)
        self.fuse.step("after send")
        return found

    async def close(self) -> None:
        await self.inner.close()


async def crashing_life(world: World, path: Path, fuse: Fuse) -> bool:
    """One life of the platform. Returns whether it came to its end by itself."""
    ledger = FusedLedger(path)
    ledger.fuse = fuse
    senders: dict[str, Sender] = {kind: FusedSender(s, fuse) for kind, s in world.senders().items()}
    try:
        await settled(world.delivery(ledger, senders), ledger, world)
    except Crash:
        return False
    finally:
        ledger.close()
    return True


def check(world: World, rows: list[Send], fed: set[str]) -> None:
    """What law 5 promises."""
    calls = [call for call in world.web.calls if "webhook-id" in call.headers]
    texts = [call.body for call in world.web.calls if "webhook-id" not in call.headers]
    once = Counter([str(message["Message-ID"]) for message in world.mail.messages]) + Counter(texts)
    assert all(count == 1 for count in once.values()), "something reached somebody twice that cannot be told"
    assert {send.key for send in rows} == fed, "every follow-up has its row"
    for send in rows:
        assert send.status == "sent" or (send.kind in ONCE and send.status == "uncertain"), send
    assert len(once) >= sum(send.status == "sent" for send in rows if send.kind in ONCE)
    told = {webhook_id(send.key) for send in rows if send.kind not in ONCE}
    assert {call.headers["webhook-id"] for call in calls} == told


STEPS = range(5)
ONCE = frozenset({"email", "sms", "slack"})  # kinds whose receiver cannot tell a repetition


def every_kind(world: World) -> list[Any]:
    email = rule().model_dump(by_alias=True)["then"][0]
    text = "{{ touchpoint.message_id }}"
    twilio = {"account_env": "TWILIO_SID", "token_env": "TWILIO_TOKEN", "from": "Shop", "to": "+4915123456789"}
    others: list[dict[str, Any]] = [
        {"sms": twilio | {"text": text, "consent": "unless_denied"}},
        {"slack": {"url_env": "SLACK_URL", "text": text}},
        {"task": {"title": "Call", "url": world.url("/tasks"), "secret_env": "CRM_SECRET"}},
    ]
    return [rule(name="all", then=[email, calling(world.url()), *others])]


def test_the_process_may_end_between_every_two_steps(shared: tuple[World, asyncio.Runner], tmp_path: Path) -> None:
    world, runner = shared
    passed: Counter[str] = Counter()
    for at in range(100):
        world.reset()
        world.rules = every_kind(world)
        world.decide(cause())
        path = tmp_path / f"{at}.db"
        ended = runner.run(crashing_life(world, path, Fuse(at, passed)))
        world.now += DAY
        rows = runner.run(world.run(path))
        check(world, rows, {f"main/all/{step}//m1" for step in STEPS})
        if ended:
            break
    assert ended and len(passed) == 8, f"every step was one to end at: {passed}"


lives = st.lists(st.tuples(st.lists(st.integers(0, 4), max_size=5), st.integers(0, 25)), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives)
def test_whatever_comes_again_and_whenever_it_ends_nothing_is_sent_twice(
    shared: tuple[World, asyncio.Runner], lives: list[tuple[list[int], int]]
) -> None:
    world, runner = shared
    world.reset()
    world.rules = every_kind(world)
    numbers: set[int] = set()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        for causes, at in lives:
            numbers |= set(causes)
            world.decide(*(cause(touchpoint(f"m{number}")) for number in causes))
            runner.run(crashing_life(world, path, Fuse(at, Counter())))
            world.now += DAY
        for _ in range(3):
            rows = runner.run(world.run(path, attempts=99))
            world.now += DAY
        check(world, rows, {f"main/all/{step}//m{number}" for number in numbers for step in STEPS})


def test_a_restart_while_nothing_was_under_way_repeats_nothing(
    shared: tuple[World, asyncio.Runner], tmp_path: Path
) -> None:
    world, runner = shared
    world.reset()
    world.rules = every_kind(world)
    world.decide(cause())
    for _ in range(3):
        assert {s.status for s in runner.run(world.run(tmp_path / "ledger.db"))} == {"sent"}
        world.now += DAY
    assert (len(world.mail.messages), len(world.web.calls)) == (1, 4)


def test_an_uncertain_email_is_for_a_person_and_says_why(shared: tuple[World, asyncio.Runner], tmp_path: Path) -> None:
    world, runner = shared
    world.reset()
    world.rules = [rule()]
    world.decide(cause())
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    ledger.take({"first": 1}, world.topic.lines, world.now)
    ledger.note([], [Claim(every(ledger)[0], "ann@example.com")], world.now)
    ledger.close()
    (row,) = runner.run(world.run(path))
    assert (row.status, row.reason, row.recipient) == (
        "uncertain", "the platform ended during the attempt", "ann@example.com",
    )  # fmt: skip
    assert not world.mail.messages
