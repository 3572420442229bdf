"""A delivery with everything it needs, where the test holds the clock, the log, the people and the rules."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.fast import Action, Cause, Profile
from services.automation.check import compile_rules
from services.automation.definitions import Rule
from services.automation.rules import Rules
from services.automation.sending import Sending
from services.processor import Frame
from services.runtime.followups.calling import Caller
from services.runtime.followups.delivery import Delivery, Pace, Sender
from services.runtime.followups.ledger import Ledger, Send, rows
from services.runtime.followups.mail import MailSender, MailServer
from services.runtime.followups.renderer import Renderer
from services.runtime.followups.slack import SlackSender
from services.runtime.followups.twilio import TwilioSender
from services.runtime.followups.webhook import WebhookSender
from tests.automation.causes import NOON, live, person
from tests.runtime.sinks import MailSink, WebSink, mail_sink, web_sink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SID = "AC" + "0" * 32
DAY = 86_400_000
KINDS = ("email", "sms", "webhook", "task", "slack")


class ActionsTopic:
    """The topic `actions` as a list."""

    def __init__(self) -> None:
        self.incarnation = "first"
        self.lines: list[Action] = []

    @property
    def incarnations(self) -> Sequence[str]:
        return (self.incarnation,)

    def read(self, positions: Mapping[str, int], limit: int) -> tuple[Mapping[str, int], Sequence[Action]]:
        offset = positions.get(self.incarnation, 0)
        found = self.lines[offset : offset + limit]
        return ({self.incarnation: offset + len(found)} if found else {}), found


class LastingRenderer(Renderer):
    """A renderer that outlives the deliveries that use it, because starting one takes long."""

    async def close(self) -> None:
        pass

    async def end(self) -> None:
        await super().close()


class World:
    """The sinks, the log of actions, the people, the rules and the time; deliveries come and go."""

    def __init__(self, mail: MailSink, mail_port: int, web: WebSink, web_port: int, renderer: LastingRenderer):
        self.mail, self.web, self.web_port, self.renderer = mail, web, web_port, renderer
        self.server = MailServer(port=mail_port)
        self.reset()

    def reset(self) -> None:
        """Nothing has happened yet."""
        self.mail.__init__()  # type: ignore[misc]
        self.web.__init__()  # type: ignore[misc]
        self.topic, self.now = ActionsTopic(), NOON
        self.person: Profile | None = person(name="Ann")
        self.rules: list[Rule] = []
        self.sending, self.paused = Sending(), False
        self.bounced: set[tuple[str, str]] = set()
        self.environment = {
            "CRM_SECRET": SECRET, "SLACK_URL": self.url("/slack"), "TWILIO_SID": SID, "TWILIO_TOKEN": "t0ken",
        }  # fmt: skip

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """A URL of the HTTP sink."""
        return f"http://{host}:{self.web_port}{path}"

    def decide(self, *causes: Cause) -> None:
        """Put on the log what the rules decide at once."""
        frame = Frame("causes", 0, causes, NOON)
        self.topic.lines += [e.message for e in Rules(self.rules, live(*self.rules)).decide(frame, {}).emits]

    def senders(self, private: frozenset[str] = frozenset({"127.0.0.1"})) -> dict[str, Sender]:
        """The real senders."""
        caller = Caller(private)
        calls = WebhookSender(caller, self.environment, lambda: self.now)
        return {
            "email": MailSender(self.server), "webhook": calls, "task": calls,
            "sms": TwilioSender(caller, self.environment, lambda: self.now, self.url("")),
            "slack": SlackSender(caller, self.environment, lambda: self.now, apart=0.0),
        }  # fmt: skip

    def delivery(self, ledger: Ledger, senders: dict[str, Sender] | None = None, attempts: int = 3) -> Delivery:
        """A delivery over this ledger, in this world."""
        return Delivery(
            ledger, self.topic, lambda workspace, anchor: self.person, compile_rules(self.rules, self.environment),
            senders or self.senders(), self.renderer, lambda: self.now, lambda: 0.5,
            Pace(attempts=attempts, poll=0.002, gather=0.0), self.sending,
            lambda workspace, address: (workspace, address) in self.bounced, lambda: self.paused,
        )  # fmt: skip

    async def run(self, path: Path, **more: object) -> list[Send]:
        """One life of the platform: start, until nothing is due and nothing under way, stop. The ledger's rows."""
        ledger = Ledger(path)
        try:
            delivery = self.delivery(ledger, **more)  # type: ignore[arg-type]
            await settled(delivery, ledger, self)
            return every(ledger)
        finally:
            ledger.close()


async def settled(delivery: Delivery, ledger: Ledger, world: World) -> None:
    """Run until everything that was on the log is taken and nothing is due or under way."""
    stop = asyncio.Event()
    running = asyncio.create_task(delivery.run(stop))
    while not running.done():
        taken = ledger.positions(world.topic.incarnations).get(world.topic.incarnation, 0) == len(world.topic.lines)
        due = [kind for kind in KINDS if ledger.due(kind, world.now, 1)]
        if taken and not due and not [s for s in every(ledger) if s.status == "attempting"]:
            stop.set()
        await asyncio.sleep(0.001)
    await running


def every(ledger: Ledger) -> list[Send]:
    """All rows."""
    return rows(ledger._db, ["waiting", "attempting", "sent", "held", "failed", "uncertain", "dead"], limit=-1)


@contextmanager
def a_world() -> Iterator[tuple[World, asyncio.Runner]]:
    """A world, and the loop that everything in it runs on."""
    with mail_sink() as mail, web_sink() as web, asyncio.Runner() as runner:
        renderer = LastingRenderer()
        yield World(*mail, *web, renderer), runner
        runner.run(renderer.end())
