"""kill -9 of the real processes under load: what was answered is there once, and the books balance."""

import http.client
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.e2e.running import Platform, eventually

SOURCES = """
sources:
  - {name: server, write_key: key-server, channel: server, trusted: true}
"""
KILLS = 3
SENDERS = 4


class Sender(threading.Thread):
    """A client that sends batches and sends each again, as it was, until it is answered."""

    def __init__(self, platform: Platform, number: int, stop: threading.Event):
        super().__init__(daemon=True)
        self.platform, self.number, self.stop = platform, number, stop
        self.random = random.Random(number)
        self.answered: set[str] = set()
        self.refused: set[str] = set()
        self.batches = 0

    def batch(self) -> list[dict[str, Any]]:
        self.batches += 1
        found = []
        for n in range(self.random.randint(1, 60)):
            who = self.random.randrange(40)
            call = {"type": "track", "event": "Order Completed", "messageId": f"{self.number}-{self.batches}-{n}"}
            call |= {"userId": f"u{who}"} if self.random.random() < 0.9 else {}
            call |= {"anonymousId": f"a{who}"} if self.random.random() < 0.5 else {}
            call |= {"context": {"groupId": f"company {who % 3}"}} if self.random.random() < 0.5 else {}
            found.append(call | {"properties": {"total": self.random.randint(1, 99) / 10}})
        return found

    def run(self) -> None:
        while not self.stop.is_set():
            items = self.batch()
            while not self._sent(items) and not self.stop.is_set():
                time.sleep(0.05)

    def _sent(self, items: list[dict[str, Any]]) -> bool:
        try:
            answer = self.platform.post("batch", {"batch": items})
        except (OSError, http.client.HTTPException, ValueError):
            return False
        for item, verdict in zip(items, answer["items"], strict=True):
            (self.refused if verdict["status"] == "rejected" else self.answered).add(str(item["messageId"]))
        return True


def more_answered(senders: list[Sender]) -> None:
    """Wait until another 500 items have been answered."""
    target = sum(len(sender.answered) for sender in senders) + 500
    eventually(lambda: sum(len(sender.answered) for sender in senders) > target)


def test_what_was_answered_is_there_once_after_every_kill(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "sources.yaml").write_text(SOURCES)
    platform, stop = Platform(tmp_path / "data", config, {}), threading.Event()
    platform.start()
    senders = [Sender(platform, n, stop) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        more_answered(senders)
        platform.kill()
        platform.start()
    more_answered(senders)
    stop.set()
    for sender in senders:
        sender.join(30)
    report = json.loads(platform.rapport("audit", "--json"))
    answered = set().union(*(s.answered for s in senders))
    refused = set().union(*(s.refused for s in senders))
    rows = platform.select("SELECT message_id, count() FROM touchpoints GROUP BY message_id")
    assert refused and len(answered) > 500 * KILLS
    assert {row[0] for row in rows} >= answered and not refused & {row[0] for row in rows}
    assert max(row[1] for row in rows) == 1
    people = platform.select("SELECT sum(touchpoints) FROM profiles")
    assert people[0][0] == len(rows), report
    platform.stop()
