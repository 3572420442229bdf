"""Rows of a file become items of a batch: each has an id, and the same file again has the same ids."""

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.ndjson_file import rows
from services.ingest.imports.row import Row, batches

LONGEST = 10_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
events = st.dictionaries(
    st.sampled_from(["type", "event", "userId", "messageId", "properties", ' odd " name']), json_values, max_size=5
)
files = st.lists(events, max_size=12).map(
    lambda found: [json.dumps(event, ensure_ascii=False).encode() for event in found]
)


def read(lines: list[bytes]) -> list[Row]:
    return list(rows(io.BytesIO(b"\n".join(lines)), LONGEST))


def ids(lines: list[bytes]) -> list[str]:
    return [json.loads(row.item)["messageId"] for row in read(lines) if not row.problem]


@given(files)
def test_every_event_is_kept_and_gets_an_id_when_it_has_none(lines: list[bytes]) -> None:
    for line, row in zip(lines, read(lines), strict=True):
        before, after = json.loads(line), json.loads(row.item)
        if before.get("messageId") in (None, ""):
            assert after.pop("messageId").startswith("row-")
            before.pop("messageId", None)
        assert after == before and not row.problem


@given(files)
def test_the_same_file_again_has_the_same_ids(lines: list[bytes]) -> None:
    assert ids(lines) == ids(lines)


@given(files, st.randoms(use_true_random=False))
def test_rows_in_another_order_have_the_same_ids(lines: list[bytes], random: object) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sorted(map(str, ids(shuffled))) == sorted(map(str, ids(lines)))


@given(files, events)
def test_mending_or_adding_a_row_leaves_the_ids_of_all_others(lines: list[bytes], more: dict[str, object]) -> None:
    assert ids([*lines, json.dumps(more).encode()])[: len(lines)] == ids(lines)


def test_rows_that_are_equal_on_purpose_have_ids_of_their_own() -> None:
    line = b'{"type":"track","event":"Order Completed","userId":"u1"}'
    assert len(set(ids([line, line, line]))) == 3


def test_a_row_that_is_no_event_is_named_with_its_line_and_kept_as_text() -> None:
    bad = [b'{"type":', b"\xff{}", b"[1]", b'"x"', b"", b"{}trailing"]
    found = read([b'{"type":"page"}', *bad])
    assert [(row.number, bool(row.problem)) for row in found] == [(1, False), *((n, True) for n in (2, 3, 4, 5, 7))]
    assert all(isinstance(json.loads(row.item), str) for row in found[1:])
    assert "byte 1" in found[2].problem and "object" in found[3].problem


def test_a_row_that_is_too_long_is_cut_and_the_next_one_is_read_whole() -> None:
    found = read([b'{"userId":"' + b"x" * LONGEST * 3 + b'"}', b'{"userId":"u1"}'])
    assert [row.number for row in found] == [1, 2]
    assert "too long" in found[0].problem and len(found[0].item) < LONGEST
    assert json.loads(found[1].item)["userId"] == "u1"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=40), st.integers(1, 7), st.integers(50, 200))
def test_batches_keep_the_order_and_the_bounds(items: list[bytes], most_events: int, most_bytes: int) -> None:
    made = list(batches([Row(n, item) for n, item in enumerate(items)], most_events, most_bytes))
    assert [row.item for batch in made for row in batch] == items
    assert all(0 < len(batch) <= most_events for batch in made)
    assert all(len(b",".join(row.item for row in batch)) <= most_bytes for batch in made)
