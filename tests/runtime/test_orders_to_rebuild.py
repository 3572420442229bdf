"""An order to rebuild makes a past of what was read, and of nothing else: what waits on the log still acts."""

from collections.abc import Callable
from pathlib import Path

from schemas import fast
from schemas.fast import Command
from services.pipeline import STAGES
from services.runtime import frames, rebuild
from services.runtime.followups.ledger import Ledger
from services.runtime.orders import Orders
from tests.runtime.test_time_moves_people_in_the_engine import HOUR, MINUTE, NOON, Folder, touchpoint


def order_to_rebuild(folder: Folder, number: int, clock: Callable[[], int]) -> None:
    order = Command(workspace="main", command="rebuild", who="me", at=NOON)
    frames.append(folder.log, "commands", number, NOON, [fast.dumps(order)])
    orders = Orders(folder.log, folder.file.db, Ledger(folder.path / "ledger.db"), clock, folder.config.definitions)
    assert orders.obey(STAGES)


def restored(folder: Folder) -> dict[str, bool]:
    """Of every action the rule's cause: whether it counted as restored."""
    return {action.cause: action.touchpoint.restored for action in folder.actions()}


def test_what_was_not_read_is_no_past(tmp_path: Path) -> None:
    folder = Folder(tmp_path).append([touchpoint(1, 1)]).run(NOON + 3 * HOUR)
    assert restored(folder) == {f"m1@{NOON + HOUR}": False}
    folder.append([touchpoint(2, 2, at=NOON + 4 * HOUR)])  # the engine is behind by five hours
    order_to_rebuild(folder, 0, lambda: NOON + 9 * HOUR)
    assert rebuild.restored_before(folder.file.db) == 1
    folder.run(NOON + 10 * HOUR)
    assert restored(folder) == {f"m1@{NOON + HOUR}": False, f"m2@{NOON + 5 * HOUR}": False}


def test_a_rebuild_of_a_rebuild_remembers_what_the_first_had_to_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number in range(4):
        folder.append([touchpoint(number, number, at=NOON + number * MINUTE)])
    folder.run(NOON + 5 * MINUTE)
    order_to_rebuild(folder, 0, lambda: NOON + 6 * MINUTE)
    folder.run(NOON + 6 * MINUTE, turn=1, turns=2)
    order_to_rebuild(folder, 1, lambda: NOON + 7 * MINUTE)
    assert rebuild.restored_before(folder.file.db) == 4
    folder.run(NOON + 3 * HOUR)
    assert len(restored(folder)) == 4
