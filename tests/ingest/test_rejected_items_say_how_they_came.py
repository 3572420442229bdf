"""An item that is refused is kept with how it came: a body of `POST /v1/track` does not say itself what it is."""

import pytest

from services.ingest.segment import CALLS
from tests.ingest.ingest_platform import Platform


@pytest.mark.parametrize("call", CALLS)
def test_a_single_call_is_kept_with_its_name(platform: Platform, call: str) -> None:
    assert platform.post(f"/v1/{call}", {"nobody": 1}).json()["rejected"] == 1
    assert [item["kind"] for item in platform.rejected] == [call]


def test_an_item_of_a_batch_says_its_own_type(platform: Platform) -> None:
    for route in ("batch", "import"):
        assert platform.post(f"/v1/{route}", {"batch": [{"type": "track"}, 7]}).json()["rejected"] == 2
    assert platform.post("/v1/batch", {"batch": [{}], "context": 7}).json()["rejected"] == 1
    assert {item["kind"] for item in platform.rejected} == {""}


@pytest.mark.parametrize("name", ["writeKey", "write\\u004bey"])
def test_a_write_key_is_not_kept_with_what_was_refused(platform: Platform, name: str) -> None:
    """Whoever reads the warehouse reads what was refused; the key of a trusted source is a secret."""
    body = f'{{"{name}":"key-shop", "userId":"u", "total": 10.0, "n": 12345678901234567890.5}}'.encode()
    assert platform.post("/v1/track", body, "").json()["rejected"] == 1
    assert platform.post("/v1/batch", b'{"batch":[' + body + b'],"writeKey":"key-shop"}', "").json()["rejected"] == 1
    assert all(b"key-shop" not in line for line in platform.journal.rejected)
    assert [item["raw"] for item in platform.rejected] == ['{"userId":"u","total":10.0,"n":12345678901234567890.5}'] * 2
