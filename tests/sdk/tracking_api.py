"""The real tracking API as the client sees it."""

from pathlib import Path
from typing import Any

from rapport_sdk import Client, Rejection

from tests.ingest.listening import ListeningPlatform


class TrackingApi(ListeningPlatform):
    """An API that listens, what it got, and clients of it."""

    @property
    def sent(self) -> list[str]:
        """The message ids of what was accepted, in order, with what came twice."""
        return [touchpoint["message_id"] for touchpoint in self.platform.touchpoints]

    def refusals(self, status: int) -> float:
        """How many requests were answered with this status."""
        return self.platform.registry.get_sample_value("rapport_ingest_requests_total", {"status": str(status)}) or 0.0

    def client(self, buffer: Path, refused: list[Rejection] | None = None, **given: Any) -> Client:
        heard = list[Rejection]() if refused is None else refused
        usual = {"interval": 0.02, "on_error": heard.append}
        return Client("key-shop", self.url, buffer=buffer, **{**usual, **given})
