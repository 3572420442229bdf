"""Analysts see how the sender of a touchpoint was known, and what the tracking plan has against it."""

from schemas import fast
from tests.warehouse.warehouse_lines import touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess


def told(n: int, trust: str, violations: list[str]) -> bytes:
    """A line that says this where the collector writes it, and the contrary among its properties."""
    said = fast.loads(touchpoint(n, workspace="trust"))
    objects = {name: said.pop(name) for name in ("properties", "traits", "context")}
    objects["properties"] = {"trust": "server", "violations": ["none"], "total": 1}
    return fast.dumps(said | {"trust": trust, "violations": violations} | objects)


def test_trust_and_violations_are_those_of_the_envelope(warehouse: WarehouseProcess) -> None:
    wrong = ["properties.total: is \"12,-\"; 'number' was expected", "properties.sku: is not there"]
    lines = [told(1, "signed", []), told(2, "public", wrong)]
    before = fast.loads(touchpoint(3, workspace="trust"))
    lines.append(fast.dumps(before | {"properties": {"trust": "server"}}))
    warehouse.publish("touchpoints", lines)
    warehouse.caught_up("touchpoints")
    shown = warehouse.rows(
        "SELECT trust, violations, properties.total FROM touchpoints WHERE workspace = 'trust' ORDER BY message_id"
    )
    assert shown == [["signed", [], 1], ["public", wrong, 1], ["", [], None]]
