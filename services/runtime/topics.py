"""Which file of the data folder holds a topic of an embedded platform."""

from pathlib import Path

from schemas.topics import TOPICS
from services.runtime.files import Files


def file_of(files: Files, topic: str) -> Path:
    """The file that the topic's producer writes."""
    producers = TOPICS[topic].producers
    if "collectors" in producers:
        return files.log
    return files.ledger if "delivery" in producers else files.state
