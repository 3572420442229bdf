"""`rapport worker delivery`: follow-ups leave once, whichever worker sends, and whatever ends it or goes away."""

import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas import fast
from services.automation.actions.webhook import webhook_id
from services.runtime.kafka.lease import LEASE
from services.runtime.redis.connection import connect
from services.runtime.settings import Settings
from tests.cluster.engines import published, wait_for
from tests.cluster.followups import SECRET, decided, follow, forget, installation, kept, publish, sending
from tests.runtime.sinks import MailSink, WebSink, mail_sink, web_sink


class Place:
    """An installation with its sinks, and the rule in force."""

    def __init__(self, settings: Settings, rules: list[Any], mail: MailSink, web: WebSink):
        self.settings, self.rules, self.mail, self.web = settings, rules, mail, web

    def with_data(self, folder: Path) -> Settings:
        return self.settings.model_copy(update={"data": folder / "other"})

    def decide(self, *numbers: int) -> None:
        publish(self.settings, decided(self.rules, *numbers))

    def settled(self, count: int, within: float = 30) -> None:
        """Once so many follow-ups have come to an end."""
        ended = lambda: [s for s in kept(self.settings) if s.status in ("sent", "uncertain")]  # noqa: E731
        wait_for(lambda: len(ended()) >= count, within)

    def check(self, numbers: range, uncertain: int = 0) -> None:
        """Every follow-up of these has its row, and nothing reached anybody twice that cannot be told."""
        rows = kept(self.settings)
        assert {send.key for send in rows} == {f"main/thanks/{step}//m{n}" for n in numbers for step in (0, 1)}
        mails = Counter(str(message["Message-ID"]) for message in self.mail.messages)
        assert set(mails.values()) <= {1}, mails
        assert sum(send.status == "uncertain" for send in rows) == uncertain
        assert len(mails) >= len(numbers) - uncertain
        calls = {call.headers["webhook-id"] for call in self.web.calls}
        assert calls == {webhook_id(send.key) for send in rows if send.kind == "webhook"}


@pytest.fixture
def place(tmp_path: Path, kafka: Any, redis_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("CRM_SECRET", SECRET)
    with mail_sink() as (mail, mail_port), web_sink() as (web, web_port):
        settings = installation(kafka.address, redis_server.url, tmp_path, smtp_port=mail_port)
        forget(settings)
        yield Place(settings, follow(settings, f"http://127.0.0.1:{web_port}/hook"), mail, web)


def test_follow_ups_leave_once_and_what_became_of_them_is_told(place: Place) -> None:
    place.decide(1, 2)
    publish(place.settings, [b"no action", b'{"v":1}'])
    with sending(place.settings) as worker:
        worker.ready()
        place.decide(3)
        place.settled(6)
        wait_for(lambda: len(published(place.settings, "deliveries")) >= 12, 10)
    place.decide(1, 2, 3, 4)  # published again by the rules' stage, which may
    with sending(place.settings) as worker:
        place.settled(8)
    place.check(range(1, 5))
    told = published(place.settings, "deliveries")
    assert Counter(one["status"] for one in told) == {"waiting": 8, "sent": 8}, "nothing is told twice, either"
    with sqlite3.connect(place.settings.data / "ledger.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM frames").fetchone() == (0,), "what Kafka has leaves the ledger"
    assert "is no action" in worker.log.read_text()


def test_a_worker_killed_in_the_middle_of_calls_repeats_only_what_says_so(place: Place) -> None:
    place.web.answer = lambda call: time.sleep(0.3) or (204, {})  # type: ignore[func-returns-value]
    place.decide(*range(1, 31))
    with sending(place.settings) as worker:
        wait_for(lambda: len(place.web.calls) > 5, 30)
        worker.kill()
    cut = [send for send in kept(place.settings) if send.status == "attempting"]
    assert cut, "it was killed in the middle of calls"
    place.web.answer = lambda call: (204, {})
    with sending(place.settings):
        place.settled(60)
    place.check(range(1, 31), uncertain=sum(send.kind == "email" for send in cut))


def test_another_worker_with_another_ledger_is_refused_and_told_what_to_do(place: Place, tmp_path: Path) -> None:
    place.decide(1)
    other = place.with_data(tmp_path)
    with sending(place.settings) as worker:
        worker.ready()
        place.settled(2)
        with sending(other, "other") as second:
            assert "it does not know what was sent, so it sends nothing" in second.refused()
        with sending(place.settings, "same") as third:
            assert "another process has the data folder" in third.refused()
        place.decide(2)
        place.settled(4)
        assert worker.process.poll() is None, "the one that sends is not disturbed"
    client = connect(place.settings)
    client.hset("rapport:{about}", "ledger", "released")
    with sending(other, "other") as second:
        second.ready()
        place.decide(3)
        wait_for(lambda: len(place.mail.messages) == 3, 20)
    assert {send.key for send in kept(other)} == {"main/thanks/0//m3", "main/thanks/1//m3"}, "and nothing from before"


def test_an_older_copy_of_the_ledger_sends_nothing(place: Place, tmp_path: Path) -> None:
    with sending(place.settings) as worker:
        worker.ready()
    other = place.with_data(tmp_path)
    other.data.mkdir()
    (other.data / "ledger.db").write_bytes((place.settings.data / "ledger.db").read_bytes())
    place.decide(1)
    with sending(place.settings) as worker:
        place.settled(2)
        worker.ready()
        time.sleep(1.5)  # it tells where it is once a second
    with sending(other, "other") as second:
        assert "it is an older copy, which does not know what was sent since" in second.refused()
    place.check(range(1, 2))


def test_a_worker_that_was_taken_for_dead_sends_nothing_when_it_comes_back(place: Place, tmp_path: Path) -> None:
    other = place.with_data(tmp_path)
    with sending(place.settings) as zombie:
        zombie.ready()
        os.kill(zombie.process.pid, signal.SIGSTOP)
        other.data.mkdir()
        for name in ("ledger.db", "ledger.db-wal"):  # as of a volume that was attached to another machine
            (other.data / name).write_bytes((place.settings.data / name).read_bytes())
        with sending(other, "other") as worker:
            worker.ready(30 + LEASE)
            place.decide(1, 2, 3)
            wait_for(lambda: len(place.mail.messages) == 3, 20)
            os.kill(zombie.process.pid, signal.SIGCONT)
            assert "another delivery worker has taken over the sending" in zombie.refused()
            place.decide(4)
            wait_for(lambda: len(place.mail.messages) == 4, 20)
            assert worker.process.poll() is None
    assert not [send for send in kept(place.settings) if send.status == "sent"]
    assert len({str(message["Message-ID"]) for message in place.mail.messages}) == 4


def test_orders_about_the_ledger_reach_it(place: Place) -> None:
    place.mail.answer = "550 no such user"
    place.decide(1)
    with sending(place.settings) as worker:
        worker.ready()
        wait_for(lambda: [s for s in kept(place.settings) if s.status == "failed"], 20)
        place.mail.answer = ""
        _order(place.settings, "resend", "main/thanks/0//m1")
        wait_for(lambda: len(place.mail.messages) == 1, 20)
    place.check(range(1, 2))


def _order(settings: Settings, command: str, argument: str) -> None:
    order = fast.Command(workspace="main", command=command, argument=argument, who="test", at=0)  # type: ignore[arg-type]
    producer = Producer({"bootstrap.servers": settings.kafka})
    producer.produce(f"{settings.kafka_prefix}commands", fast.dumps(order), partition=0)
    assert producer.flush(10) == 0
