"""Whatever comes, the API answers: never a 5xx, and every item is on the log once, accepted or refused."""

import gzip
import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas import fast, wire
from services.ingest.api import ROUTES
from services.ingest.segment import CALLS
from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform

hostile = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
paths = st.sampled_from(sorted(ROUTES))
text = st.text(max_size=12) | st.sampled_from(
    ["", "null", "\0", "\ud83d", "a" * 600, "2026-01-31T12:00:00Z", "__proto__"]
)
numbers = (
    st.integers()
    | st.sampled_from([10**400, -(10**18), 2**63, 2**64])
    | st.floats(allow_nan=False, allow_infinity=False)
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("userId", "anonymousId", "messageId", "timestamp", "sentAt", "originalTimestamp", "properties", "traits"),
    *("context", "event", "name", "category", "groupId", "previousId", "integrations", "writeKey"),
)
good = {"type": "track", "event": "e", "userId": "u1", "groupId": "g", "previousId": "p"}
spoiled = st.tuples(st.sampled_from(["type", *FIELDS]), anything).map(lambda change: good | dict([change]))
worse = st.fixed_dictionaries({"type": st.sampled_from(sorted(CALLS))}, optional=dict.fromkeys(FIELDS, anything))
calls = spoiled | worse | anything
envelopes = st.fixed_dictionaries({}, optional=dict.fromkeys(("context", "sentAt", "writeKey"), anything))
batches = st.builds(lambda items, rest: {"batch": items} | rest, st.lists(calls, max_size=5), st.just({}) | envelopes)


def dumped(value: Any, ascii_only: bool) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@hostile
@given(paths, st.binary(max_size=200), st.sampled_from(["", "gzip", "identity", "br"]))
def test_hostile_bytes_are_never_a_5xx(shared_platform: Platform, path: str, body: bytes, encoding: str) -> None:
    answer = shared_platform.post(path, body, content_encoding=encoding)
    assert answer.status_code in (200, 400, 413, 415)
    assert answer.json()


@hostile
@given(paths, st.binary(max_size=300))
def test_hostile_bytes_inside_gzip_and_inside_a_batch_are_never_a_5xx(
    shared_platform: Platform, path: str, noise: bytes
) -> None:
    body = gzip.compress(b'{"batch":[{"type":"track","userId":"' + noise + b'"}]}')
    assert shared_platform.post(path, body, content_encoding="gzip").status_code in (200, 400)


@hostile
@given(st.sampled_from(["batch", "import", *CALLS]), batches | calls, st.booleans())
@example("batch", {"batch": [{"type": "track", "event": "e", "userId": "u", "properties": {"x": 10**400}}]}, True)
@example("track", {"userId": "u", "event": "cut emoji \ud83d"}, True)
@example("track", {"userId": "u", "event": "\\ud83d", "traits": {"\udc00": "\ud83d\ude00"}}, True)
def test_hostile_calls_are_judged_one_by_one_and_everything_accepted_can_be_read(
    name: str, body: Any, ascii_only: bool
) -> None:
    platform = Platform(Limits())
    answer = platform.post(f"/v1/{name}", dumped(body, ascii_only))
    assert answer.status_code in (200, 400)
    told = answer.json()
    if answer.status_code == 400:
        assert not platform.journal.touchpoints + platform.journal.rejected
        return
    assert len(platform.journal.touchpoints) == told["accepted"] + told["duplicates"]
    assert len(platform.journal.rejected) == told["rejected"]
    assert len(told["items"]) == told["accepted"] + told["duplicates"] + told["rejected"]
    for line in platform.journal.touchpoints:
        assert b"\n" not in line
        wire.Touchpoint.model_validate_json(line)
        for raw in (json.loads(line)[part] for part in ("properties", "traits", "context")):
            assert fast.loads(fast.raw(raw)) == raw
    for line in platform.journal.rejected:
        assert b"\n" not in line
        assert wire.RejectedItem.model_validate_json(line).reason


def test_the_hostile_calls_reach_all_verdicts() -> None:
    seen: set[str] = set()

    @settings(max_examples=150, database=None, derandomize=True)
    @given(batches)
    def look(body: Any) -> None:
        answer = Platform(Limits()).post("/v1/batch", dumped(body, True)).json()
        seen.update(verdict.get("code", verdict["status"]) for verdict in answer.get("items", []))

    look()
    assert {"accepted", "no_identifier", "unknown_type", "not_an_object", "invalid_field"} <= seen
