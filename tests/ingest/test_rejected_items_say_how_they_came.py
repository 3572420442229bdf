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
