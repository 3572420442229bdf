"""What the collector tells about itself: documentation without the internet, health, readiness and metrics."""

import re

import pytest
from fastapi import APIRouter, HTTPException

from services.ingest.api import ROUTES
from services.ingest.pixel import PIXELS
from services.ingest.segment import CALLS
from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform


def test_every_route_is_documented_with_its_answers(platform: Platform) -> None:
    document = platform.request("GET", "/openapi.json").json()
    assert document == platform.request("GET", "/openapi.json").json()
    assert {path for path, methods in document["paths"].items() if "post" in methods} == set(ROUTES)
    assert set(ROUTES) >= {f"/v1/{name}" for name in (*CALLS, "batch", "import")}
    for path in ROUTES:
        operation = document["paths"][path]["post"]
        assert {"200", "400", "401", "413", "429", "503"} <= set(operation["responses"])
    for path in PIXELS:
        assert {"200", "401", "429", "503"} <= set(document["paths"][path]["get"]["responses"])


def test_every_error_is_described_as_it_is_answered(platform: Platform) -> None:
    document = platform.request("GET", "/openapi.json").json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            refused = [answer for status, answer in operation["responses"].items() if status >= "400"]
            shapes = [content["schema"] for answer in refused for content in answer["content"].values()]
            assert shapes
            assert path in PIXELS or all(shape == {"$ref": "#/components/schemas/Error"} for shape in shapes)
    assert "HTTPValidationError" not in str(document)


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


def test_the_front_door_leads_to_the_docs(platform: Platform) -> None:
    assert platform.request("GET", "/").headers["location"] == "/docs"


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


def test_errors_outside_the_tracking_api_carry_a_code_and_a_message_too() -> None:
    router = APIRouter()

    @router.get("/v1/profiles")
    async def profiles(limit: int) -> int:
        raise HTTPException(404, {"code": "no_such_profile", "message": f"not among {limit}"})

    platform = Platform(Limits(), [router])
    answers = [platform.request("GET", path) for path in ("/v1/tracks", "/v1/profiles?limit=x", "/v1/profiles?limit=1")]
    assert [answer.status_code for answer in answers] == [404, 422, 404]
    assert [answer.json()["code"] for answer in answers] == ["not_found", "invalid_request", "no_such_profile"]
    assert "/docs" in answers[0].json()["message"]
    assert "limit" in answers[1].json()["message"]
    assert platform.request("GET", "/openapi.json").json()["paths"]["/v1/profiles"]
