"""What the collector tells about itself: documentation without the internet, health, readiness and metrics."""

import re

import pytest

from services.ingest.segment import CALLS
from tests.ingest.ingest_platform import Platform


def test_every_route_is_documented_with_its_answers(platform: Platform) -> None:
    document = platform.request("GET", "/openapi.json").json()
    assert document == platform.request("GET", "/openapi.json").json()
    tracked = {path.removeprefix("/v1/") for path in document["paths"] if path.startswith("/v1/")}
    assert tracked == {*CALLS, "batch", "import"}
    for name in tracked:
        operation = document["paths"][f"/v1/{name}"]["post"]
        assert {"200", "400", "401", "413", "429", "503"} <= set(operation["responses"])


def test_every_reference_in_the_document_leads_somewhere(platform: Platform) -> None:
    answer = platform.request("GET", "/openapi.json")
    for name in re.findall(r'"#/components/schemas/(\w+)"', answer.text):
        assert name in answer.json()["components"]["schemas"]


def test_the_documented_track_call_names_its_fields_as_they_are_sent(platform: Platform) -> None:
    track = platform.request("GET", "/openapi.json").json()["components"]["schemas"]["Track"]
    assert {"userId", "anonymousId", "messageId", "event", "properties", "sentAt"} <= set(track["properties"])
    assert track["required"] == ["event"]


def test_the_docs_page_loads_everything_from_here(platform: Platform) -> None:
    page = platform.request("GET", "/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    for path in loaded:
        assert path.startswith("/docs/static/")
        assert platform.request("GET", path).status_code == 200


def test_health_says_alive_and_readiness_says_why_not(platform: Platform) -> None:
    assert platform.request("GET", "/healthz").json() == {"status": "alive"}
    assert platform.request("GET", "/readyz").status_code == 200
    platform.reasons = ["the engine is 90 seconds behind"]
    answer = platform.request("GET", "/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, platform.reasons)


@pytest.mark.parametrize(
    "line",
    [
        'rapport_ingest_items_total{source="web",verdict="accepted"} 1.0',
        'rapport_ingest_items_total{source="web",verdict="duplicate"} 1.0',
        'rapport_ingest_items_total{source="web",verdict="rejected"} 1.0',
        'rapport_ingest_requests_total{status="200"} 1.0',
        'rapport_ingest_requests_total{status="401"} 1.0',
    ],
)
def test_metrics_count_items_by_verdict_and_requests_by_status(platform: Platform, line: str) -> None:
    call = {"type": "page", "userId": "u1", "messageId": "m"}
    platform.post("/v1/batch", {"batch": [call, call, {}]})
    platform.post("/v1/batch", {"batch": []}, "key-wrong")
    assert line in platform.request("GET", "/metrics").text
