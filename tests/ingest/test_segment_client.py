"""Real HTTP: the unmodified Segment client and plain requests against the API under uvicorn."""

import socket
from collections.abc import Iterator

import httpx
import pytest
import segment.analytics

from tests.ingest.listening import ListeningPlatform


@pytest.fixture(scope="module")
def running() -> Iterator[ListeningPlatform]:
    platform = ListeningPlatform()
    yield platform
    platform.away()


@pytest.mark.parametrize("gzip", [False, True])
def test_the_unmodified_segment_client_sends_every_type_of_call(running: ListeningPlatform, gzip: bool) -> None:
    before = len(running.platform.journal.touchpoints)
    failures: list[Exception] = []
    client = segment.analytics.Client(
        "key-web", host=running.url, gzip=gzip, on_error=lambda error, items: failures.append(error), max_retries=1
    )
    client.page(anonymous_id="a1", name="Home", properties={"path": "/"})
    client.identify("u1", {"email": "ann@example.com", "note": "cut \ud83d"}, anonymous_id="a1")
    client.track("u1", "Order Completed", {"total": 19.99, "gift": "\U0001f381"})
    client.group("u1", "acme", {"name": "ACME"})
    client.screen("u1", name="Start")
    client.alias("a1", "u1")
    client.flush()
    client.shutdown()
    assert not failures
    sent = running.platform.touchpoints[before:]
    assert [touchpoint["type"] for touchpoint in sent] == ["page", "identify", "track", "group", "screen", "alias"]
    assert sent[1]["identifiers"] == ["user_id:u1", "email:ann@example.com", "anonymous_id:a1"]
    assert sent[1]["traits"]["note"] == "cut \ufffd"
    assert sent[2]["properties"] == {"total": 19.99, "gift": "\U0001f381"}
    assert all(touchpoint["sent_at"] and len(touchpoint["message_id"]) == 36 for touchpoint in sent)


def test_the_client_is_told_when_its_key_is_wrong(running: ListeningPlatform) -> None:
    client = segment.analytics.Client("key-wrong", host=running.url, sync_mode=True, max_retries=1)
    with pytest.raises(segment.analytics.request.APIError) as told:
        client.track("u1", "Order Completed")
    assert (told.value.status, told.value.code) == (401, "unauthorized")


def test_a_connection_serves_many_requests_and_survives_refused_ones(running: ListeningPlatform) -> None:
    with httpx.Client(base_url=running.url, auth=("key-web", "")) as client:
        for number in range(5):
            assert client.post("/v1/track", json={"userId": f"u{number}", "event": "e"}).json()["accepted"] == 1
            assert client.post("/v1/track", content=b"{").status_code == 400
            assert client.post("/v1/track", content=b" " * 2_000_000).status_code == 413
            assert client.get("/v1/nothing").status_code == 404
        chunks = iter([b'{"userId":"u1",', b'"event":"in pieces"}'])
        assert client.post("/v1/track", content=chunks).json()["accepted"] == 1
    assert running.platform.touchpoints[-1]["event"] == "in pieces"


def test_a_client_that_hangs_up_leaves_no_trace(running: ListeningPlatform) -> None:
    before = len(running.platform.journal.touchpoints)
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(b'POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"userId":')
    assert httpx.get(f"{running.url}/healthz").status_code == 200
    assert len(running.platform.journal.touchpoints) == before
