"""Kafka, or Redis, is away for a while: what was answered is kept, nothing is sent that is not sure, all goes on by
itself."""

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.collecting import IngestWorker, collecting, lying
from tests.cluster.engines import wait_for
from tests.cluster.followups import PARTITIONS, SECRET, decided, follow, forget, installation, kept, publish, sending
from tests.ingest.test_tracking_verdicts import ORDER
from tests.runtime.sinks import mail_sink, web_sink

MANY = 150  # webhooks, of which 16 are under way at once


class Clients(threading.Thread):
    """Sends one event after another, and remembers how each was answered."""

    def __init__(self, worker: IngestWorker, name: str):
        super().__init__(daemon=True)
        self.worker, self.prefix, self.ended = worker, name, threading.Event()
        self.answered: dict[str, int] = {}
        self.hints: Counter[str] = Counter()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            found = self.worker.post(
                "/v1/track", ORDER | {"messageId": f"{self.prefix}{number}", "userId": f"u{number}"}
            )
            self.answered[f"{self.prefix}{number}"] = found.status_code
            if found.status_code != 200:
                self.hints[found.headers.get("retry-after", "")] += 1
                time.sleep(0.05)


def test_while_kafka_is_away_clients_are_told_to_come_again_and_nothing_answered_is_lost(
    tmp_path: Path, own_kafka: Any, own_redis: Any
) -> None:
    settings = installation(own_kafka.address, own_redis.url, tmp_path)
    forget(settings)
    (broker,) = own_kafka.brokers
    with collecting(settings, tmp_path) as worker:
        clients = [Clients(worker, name) for name in "abcd"]
        for one in clients:
            one.start()
        wait_for(lambda: all(len(one.answered) > 20 for one in clients), 20)
        broker.process.kill()
        wait_for(lambda: all(one.hints for one in clients), 40)
        assert any("Kafka" in reason and "nothing is accepted" in reason for reason in worker.reasons())
        broker.restart()
        wait_for(lambda: worker.post("/v1/track", ORDER).status_code == 200, 40)
        before = [len(one.answered) for one in clients]
        wait_for(lambda: all(len(one.answered) > n + 20 for one, n in zip(clients, before, strict=True)), 20)
        for one in clients:
            one.ended.set()
            one.join(40)
        wait_for(lambda: not worker.reasons(), 10)
        own_redis.process.kill()
        wait_for(lambda: worker.reasons(), 20)
        assert worker.http.get("/v1/profiles/by/user_id/ann").status_code == 503
        assert worker.post("/v1/track", ORDER | {"messageId": "without Redis"}).status_code == 200
        own_redis.start()
        wait_for(lambda: not worker.reasons(), 20)
        assert worker.http.get("/v1/profiles/by/user_id/nobody").status_code == 404
    answered = {message: status for one in clients for message, status in one.answered.items()}
    assert set(answered.values()) == {200, 503}
    assert not {hint for one in clients for hint in one.hints} & {"", "0"}, "each says when to come again"
    there = {line["message_id"] for _, line in lying(settings, "touchpoints", PARTITIONS)}
    assert {message for message, status in answered.items() if status == 200} <= there


def test_while_kafka_is_away_nothing_is_sent_and_then_everything_once(
    tmp_path: Path, own_kafka: Any, own_redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_SECRET", SECRET)
    (broker,) = own_kafka.brokers
    with mail_sink() as (mail, mail_port), web_sink() as (web, web_port):
        settings = installation(own_kafka.address, own_redis.url, tmp_path, smtp_port=mail_port)
        forget(settings)
        rules = follow(settings, f"http://127.0.0.1:{web_port}/hook")
        with sending(settings) as worker:
            worker.ready(60)
            web.answer = lambda call: time.sleep(1.5) or (204, {})  # type: ignore[func-returns-value]
            publish(settings, decided(rules, *range(MANY)))
            wait_for(lambda: len(kept(settings)) == 2 * MANY and len(web.calls) > 5, 30)
            broker.process.kill()
            wait_for(lambda: "this is the one worker that sends" in worker.reasons(), 30)
            time.sleep(0.5)
            begun = len(web.calls)
            web.answer = lambda call: (204, {})
            time.sleep(2)
            assert len(web.calls) == begun < MANY, "nothing is sent while nobody says that we are the one"
            broker.restart()
            wait_for(lambda: all(send.status == "sent" for send in kept(settings)), 60)
            wait_for(lambda: not worker.reasons(), 60)  # each part of it notices by itself
        assert len(web.calls) == len({call.headers["webhook-id"] for call in web.calls}) == MANY
        assert len(mail.messages) == len({str(message["Message-ID"]) for message in mail.messages}) == MANY
