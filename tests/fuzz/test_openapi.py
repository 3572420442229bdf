"""Whatever a program makes of the API's own description, the answers are those that it describes, and never a 5xx."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from services.ingest.api import ROUTES
from services.ingest.pixel import PIXELS
from services.ingest.segment import CALLS
from tests.e2e.running import Platform

EXAMPLES = 6  # of one operation and one way to make them
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
OTHERS = {path for path, name in ROUTES.items() if path != f"/v1/{name}"}  # other names of the same
KNOWN = {
    "write_key": ["key-web", "key-server"],
    "source": ["mails", "calls", "chats", "wecom", "silent"],
    "kind": ["user_id", "email", "phone"],
    "value": ["ann"],
    "group_id": ["acme"],
}


@pytest.fixture(scope="module")
def described(fuzzed: Platform) -> Any:
    """The API as it describes itself."""
    return schemathesis.openapi.from_url(f"{fuzzed.running.url}/openapi.json")


def test_everything_that_the_collector_takes_and_tells_is_described(described: Any) -> None:
    paths = set(described.raw_schema["paths"])
    assert paths >= {*ROUTES, *PIXELS, "/v1/webhooks/{source}", "/v1/projects/{write_key}/settings"}
    assert paths >= {
        f"/v1/streams/{topic}" for topic in ("profiles", "audience-changes", "identity-changes", "actions")
    }
    assert paths >= {f"/v1/profiles/{{profile_id}}{part}" for part in ("", "/timeline", "/consent")}
    assert paths >= {"/v1/profiles/by/{kind}/{value}", "/v1/accounts/{group_id}"}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_answers_are_those_that_are_described(fuzzed: Platform, described: Any, mode: GenerationMode) -> None:
    ann = fuzzed.profile("user_id", "ann")
    assert ann is not None
    known = KNOWN | {"profile_id": [ann["profile_id"]]}
    asked = 0
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path in OTHERS:
            continue
        asking = settings(
            max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip

        @asking
        @given(operation.as_strategy(generation_mode=mode), st.data())
        def ask(case: Any, data: Any) -> None:
            _make_likely(case, data, known)
            case.call_and_validate(checks=CHECKS, timeout=30)

        try:
            ask()
        except Unsatisfiable:  # there are no wrong parameters where every text is one
            assert mode == GenerationMode.NEGATIVE
        else:
            asked += 1
    assert asked >= len(CALLS)


def _make_likely(case: Any, data: Any, known: dict[str, list[str]]) -> None:
    """Often ask for what there is, with a key that is known; a stream must come to an end."""
    for name in case.path_parameters or {}:
        if name in known and data.draw(st.booleans()):
            case.path_parameters[name] = data.draw(st.sampled_from(known[name]))
    if case.path.startswith("/v1/streams"):
        case.query = {**(case.query or {}), "follow": "false"}
    if case.path in ROUTES and data.draw(st.booleans()):
        case.headers = {**(case.headers or {}), "Authorization": "Basic a2V5LXdlYjo="}  # key-web
