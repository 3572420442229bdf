"""The de-duplication memory against a plain set, over page splits and the end of the window."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import profile_id
from services.profile import seen
from services.profile.fold import DAY
from services.profile.seen import HOUR, Page
from tests.profile.profile_stages import NOON, touchpoint
from tests.profile.test_fold_tells_identity_and_owners import OnlyFold, kinds

WEEK = 7 * 24
ids = st.tuples(st.integers(0, 30), st.integers(0, 3 * WEEK), st.booleans())


def is_duplicate(page: Page, number: int, hour: int, imported: bool) -> bool:
    new = seen.made(f"m{number}", hour * HOUR, imported)
    if seen.duplicate(page, new, WEEK):
        return True
    assert seen.remember(page, new)
    return False


@given(st.lists(ids, max_size=60))
def test_a_page_remembers_what_a_list_would(arrivals: list[tuple[int, int, bool]]) -> None:
    page, accepted = Page(), list[tuple[int, int, bool]]()
    for number, hour, imported in arrivals:
        near = [a for a in accepted if a[0] == number and (imported or a[2] or abs(a[1] - hour) <= WEEK)]
        assert is_duplicate(page, number, hour, imported) == bool(near)
        if not near:
            accepted.append((number, hour, imported))


def test_an_import_is_a_duplicate_of_what_came_live_before_it_however_late_and_however_many_came_between() -> None:
    for between in (0, 63, 64, 500):
        fold = OnlyFold()
        fold.settle(touchpoint("live", "user_id:1"))
        fold.touch(*[touchpoint(f"m{n}", "user_id:1", at=NOON + DAY) for n in range(between)])
        fold.touch(touchpoint("new", "user_id:1", at=NOON + 300 * DAY))
        late = touchpoint("live", "user_id:1", at=NOON + 300 * DAY, imported=True)
        assert kinds(fold.touch(late)) == ["Duplicate"]


@pytest.mark.parametrize("imported", [False, True])
def test_thousands_of_ids_spread_over_pages_and_each_is_found_again(imported: bool) -> None:
    fold = OnlyFold()
    anchor = "user_id:1"
    fold.settle(touchpoint("first", anchor))
    crowd = [touchpoint(f"m{n}", anchor, received_at=NOON + n, imported=imported) for n in range(2_500)]
    for start in range(0, 2_500, 250):
        assert "Duplicate" not in kinds(fold.touch(*crowd[start : start + 250]))
    again = random.Random(1).sample(crowd, len(crowd))
    for start in range(0, 2_500, 500):
        assert kinds(fold.touch(*again[start : start + 500])) == ["Duplicate"] * 500
    pages = [key for key in fold.store if "/" in key]
    assert len(pages) > 16
    assert max(len(fold.store[key]) for key in pages) < 1_000
    assert len(fold.store[profile_id("main", anchor)]) < 1_000


def test_ids_in_pages_are_forgiven_after_the_window_too() -> None:
    fold = OnlyFold()
    fold.settle(touchpoint("first", "user_id:1"))
    fold.touch(*[touchpoint(f"m{n}", "user_id:1") for n in range(500)])
    later = [touchpoint(f"m{n}", "user_id:1", at=NOON + 8 * DAY) for n in range(500)]
    assert "Duplicate" not in kinds(fold.touch(*later))
    assert kinds(fold.touch(*later)) == ["Duplicate"] * 500


def test_bytes_across_two_entries_are_nobodys_id() -> None:
    new = seen.made("m1", NOON, imported=True)
    assert not seen.duplicate(Page(b"xxx" + new.hash + new.pack()[::-1]), new, WEEK)
    assert seen.duplicate(Page(b"xxx" + new.hash + new.pack()), new, WEEK)
