"""The bytes of a body as text: halves of surrogate pairs are mended, everything else stays as it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.body import text
from services.ingest.refusal import Refusal

units = st.sampled_from(["\ud83d", "\ude00", "\\", "ud83d", "a", '"', "\u4e2d", "\U0001f600", "\ufffd"])


@given(st.lists(units).map("".join))
def test_half_a_pair_becomes_a_replacement_character_and_nothing_else_changes(written: str) -> None:
    whole = written.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for ascii_only in (True, False):
        if ascii_only or written == whole:
            sent = json.dumps(written, ensure_ascii=ascii_only).encode()
            read = json.loads(text(sent))
            assert read.encode("utf-8").decode() == read
            assert read.replace("\ufffd", "") == "".join(c for c in whole if c != "\ufffd")
            if written == whole:
                assert read == written


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\uDE00 x"', rb'"\ufffd x"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
    ],
)
def test_escapes_are_read_as_json_reads_them(sent: bytes, read: bytes) -> None:
    assert text(sent) == read


def test_bytes_that_are_no_utf8_are_refused_with_their_place() -> None:
    with pytest.raises(Refusal, match="byte 2"):
        text(b'{"\xff"}')
