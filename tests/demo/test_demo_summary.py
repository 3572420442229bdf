"""The summary says DIFFERS and fails as soon as one figure is not what it must be; waiting for one has an end."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.commands.demo import summary, watch
from services.commands.demo.cdnow import PUBLISHED, Totals
from services.commands.demo.checks import AUDIENCE, TOUCHPOINTS, of_person, of_totals
from services.commands.demo.person import Person
from services.commands.demo.story import CONTACT, CUSTOMER, EMAIL, PHONE, VISITOR
from services.commands.demo.watch import Watch
from services.errors import RapportError

MEI = Person(
    "p1",
    (
        *(f"anonymous_id:{VISITOR}", f"email:{EMAIL}", f"user_id:{CUSTOMER}"),
        *(f"phone:{PHONE}", f"wecom_external_userid:{CONTACT}"),
    ),
    {},
    {},
    (AUDIENCE,),
    TOUCHPOINTS,
    0,
)


@given(st.integers(0, 3), st.sampled_from([-1, 1]))
def test_a_cent_a_customer_an_order_or_a_cd_too_many_or_too_few_is_seen(which: int, by: int) -> None:
    figures: list[Any] = list(PUBLISHED)
    figures[which] += by if which < 3 else Decimal(by) / 100
    found = Totals(*figures)
    assert [check.right for check in of_totals(PUBLISHED, found, "x")] == [at != which for at in range(4)]
    assert summary.wrong(of_totals(PUBLISHED, found, "x"))
    assert not summary.wrong(of_totals(PUBLISHED, PUBLISHED, "x"))


@pytest.mark.parametrize(
    "other", [{"identifiers": MEI.identifiers[1:]}, {"touchpoints": TOUCHPOINTS + 1}, {"audiences": ()}]
)
def test_a_story_that_ended_otherwise_is_seen(other: dict[str, Any]) -> None:
    assert all(check.right for check in of_person(MEI))
    assert [check.right for check in of_person(MEI._replace(**other))].count(False) == 1


def test_the_figures_stand_beside_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    summary.totals(PUBLISHED, PUBLISHED, PUBLISHED._replace(revenue=PUBLISHED.revenue - Decimal("0.01")))
    said = capsys.readouterr().out
    assert said.count("$2,500,315.63") == 2 and said.count("$2,500,315.62") == 1
    assert said.count("agrees") == 3 and said.count("DIFFERS") == 1


class Processes:
    """The platform's processes as `Watch` sees them: `dies` names one that has ended."""

    def __init__(self, dies: str = ""):
        self.dies = dies

    def watch(self, stopped: threading.Event) -> str | None:
        if not self.dies:
            stopped.wait()
        return self.dies or None


@pytest.fixture
def watches() -> Iterator[list[Watch]]:
    found: list[Watch] = []
    yield found
    for one in found:
        one.stop()


def watching(watches: list[Watch], dies: str = "") -> Watch:
    watches.append(Watch(cast(Any, Processes(dies))))
    return watches[-1]


def test_waiting_goes_on_while_there_is_progress_and_ends_when_it_is_enough(
    watches: list[Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.2)
    steps = iter(range(100))
    assert watching(watches).until("steps", lambda: next(steps), lambda step: step == 12) == 12


def test_waiting_for_what_does_not_come_ends_and_says_so(watches: list[Watch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.1)
    with pytest.raises(RapportError, match=r"the follow-ups did not come within .*; there is 3"):
        watching(watches).until("the follow-ups", lambda: 3, lambda found: found > 3)


def test_waiting_ends_when_a_process_of_the_platform_ends(watches: list[Watch]) -> None:
    with pytest.raises(RapportError, match="the engine process ended unexpectedly"):
        watching(watches, dies="engine").until("anything", lambda: 0, bool)
