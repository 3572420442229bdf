"""Frames become rows: every line once, with its place; of documents only the newest."""

from hypothesis import given
from hypothesis import strategies as st

from schemas import fast
from schemas.identifiers import profile_id
from services.runtime.frames import StoredFrame
from services.runtime.warehouse import rows
from tests.warehouse.warehouse_lines import touchpoint

SIZES = st.lists(st.integers(1, 5), max_size=8)


def own_id(workspace: str, identifier: str) -> bytes:
    return profile_id(workspace, identifier).encode()


def cut(lines: list[bytes], sizes: list[int], ended: bool = False) -> list[StoredFrame]:
    """Frames of these sizes with the lines, at odd offsets as after a trim."""
    frames = []
    for at, size in enumerate(sizes):
        part, lines = lines[:size], lines[size:]
        frames.append(StoredFrame(10 + at, size, 0, b"\n".join(part) + (b"\n" if ended else b"")))
    return frames


@given(SIZES, st.booleans())
def test_every_line_is_a_row_at_its_place(sizes: list[int], ended: bool) -> None:
    lines = [touchpoint(n) for n in range(sum(sizes))]
    batch, extra = rows.touchpoints(rows.lines_of({3: cut(lines, sizes, ended)}))
    table = rows.table(batch, "here", extra)
    assert table["payload"].to_pylist() == lines
    places = [(10 + at, index) for at, size in enumerate(sizes) for index in range(size)]
    assert list(zip(table["offset"].to_pylist(), table["index"].to_pylist(), strict=True)) == places
    assert set(table["incarnation"].to_pylist()) <= {b"here"}
    assert table["anchor_id"].to_pylist() == [own_id("main", f"user_id:u{n % 7}") for n in range(len(lines))]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=20))
def test_of_each_profile_the_newest_document_is_kept(documents: list[tuple[str, int]]) -> None:
    lines = [
        fast.dumps({"workspace": "main", "profile_id": name, "version": version, "n": n})
        for n, (name, version) in enumerate(documents)
    ]
    kept, _ = rows.profiles(rows.lines_of({3: cut(lines, [len(lines)])}))
    found = {line["profile_id"]: line for line in map(fast.loads, kept.lines)}
    assert len(found) == len(kept.lines)
    for name in {name for name, _ in documents}:
        versions = [(version, n) for n, (one, version) in enumerate(documents) if one == name]
        assert (found[name]["version"], found[name]["n"]) == max(versions)
    assert [lines[index] for index in kept.indexes] == kept.lines


def test_membership_is_kept_by_identifier_and_workspace() -> None:
    told = [("main", "a:1", 1), ("other", "a:1", 7), ("main", "a:1", 2), ("main", "b:1", 1)]
    lines = [fast.dumps({"workspace": w, "identifier": i, "version": v}) for w, i, v in told]
    kept, extra = rows.membership(rows.lines_of({3: cut(lines, [2, 2])}))
    assert kept.lines == lines[1:]
    assert extra["identifier_id"].to_pylist() == [own_id(w, i) for w, i, _ in told[1:]]
