"""Keep a copy of all profiles in a SQLite file, in step with Kafka's topic `profiles`, whatever is killed meanwhile.

python examples/keep_profiles_from_kafka.py 127.0.0.1:9092 profiles profiles.db
"""

import json
import sqlite3
import sys

from confluent_kafka import Consumer


def opened(path):
    copy = sqlite3.connect(path)
    copy.execute("CREATE TABLE IF NOT EXISTS profiles (id TEXT PRIMARY KEY, version INT, redirect TEXT, document TEXT)")
    return copy


def keep(copy, key, value):
    if value is None:  # a tombstone: nothing is left under this key, its version neither
        return copy.execute("DELETE FROM profiles WHERE id = ?", (key,))
    it = json.loads(value)  # who is nobody any more keeps the version, so that no older record brings them back
    row = (key, it["version"], it["redirect"], None if it["deleted"] else value)
    newer = "SELECT 1 FROM profiles WHERE id = ? AND version > ?"
    return copy.execute(f"REPLACE INTO profiles SELECT ?, ?, ?, ? WHERE NOT EXISTS ({newer})", (*row, *row[:2]))


def follow(brokers, topic, path):
    copy = opened(path)
    settings = {"bootstrap.servers": brokers, "isolation.level": "read_committed", "enable.auto.offset.store": False}
    whose = {"group.id": f"copy of {topic} in {path}", "group.instance.id": "1"}  # once killed, it goes on at once
    consumer = Consumer(settings | whose | {"auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    while True:
        messages = [message for message in consumer.consume(500, timeout=1.0) if not message.error()]
        with copy:  # first the copy, then the position: what comes twice changes nothing
            for message in messages:
                keep(copy, message.key().decode(), message.value())
        for message in messages:
            consumer.store_offsets(message)


if __name__ == "__main__":
    follow(*sys.argv[1:])
