"""GET /v1/streams/{topic} on a cluster: the topics are Kafka's, and any of its clients reads them there."""

from typing import Any

from fastapi import APIRouter, HTTPException

from schemas.topics import TOPICS
from services.runtime.kafka.connection import topic_name
from services.runtime.settings import Settings


def router(settings: Settings, guard: Any) -> APIRouter:
    """One route, which says where to read instead; `guard` lets a reader in or answers 401."""
    api = APIRouter(prefix="/v1/streams", dependencies=[guard], include_in_schema=False)

    @api.get("/{topic}")
    async def stream(topic: str) -> None:
        known = TOPICS.get(topic)
        if known is None or not known.public:
            public = ", ".join(name for name, one in TOPICS.items() if one.public)
            raise HTTPException(404, {"code": "not_found", "message": f"there is no such topic: there are {public}"})
        message = (
            f"read the topic {topic_name(settings, topic)} from Kafka at {settings.kafka}, by a consumer of your own"
            " (docs/topics.md has one of 20 lines): a cluster does not serve streams over HTTP"
        )
        raise HTTPException(501, {"code": "read_kafka", "message": message})

    return api
