"""Law 3 for conditions over one event: closures and ClickHouse find no difference, whatever the values are."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from services.conditions import exact
from services.conditions.compile import compiled
from services.conditions.sql import over_properties
from services.conditions.sql_json import Properties, members
from services.conditions.sql_text import Sql, call, column, written
from services.conditions.subject import Facts
from tests.conditions.random_conditions import objects, parse, properties, trees
from tests.warehouse.warehouse_process import WarehouseProcess


def over(jsons: list[str], expressions: list[Sql], properties: Properties) -> str:
    """One row for each JSON text with what the expressions are of it; the object's members are `m`."""
    rows = exp.select(call("arrayJoin", call("array", *(call("tuple", *row) for row in enumerate(jsons)))).as_("row"))
    parsed = exp.select(
        call("tupleElement", column("row"), 1).as_("n"), members(call("tupleElement", column("row"), 2)).as_("m")
    ).from_(rows.subquery())
    inner = exp.select("n", *properties.columns()).from_(parsed.subquery())
    columns = [one.as_(f"c{number}") for number, one in enumerate(expressions)]
    return written(exp.select("n", *columns).from_(inner.subquery()).order_by("n"))


def answers(warehouse: WarehouseProcess, jsons: list[str], make: Callable[[Properties], list[Sql]]) -> list[list[Any]]:
    properties = Properties(column("m"))
    expressions = make(properties)
    sql = over(jsons, expressions, properties)
    answer = warehouse.get("", body=sql.encode(), default_format="JSONCompactEachRow")
    assert answer.status == 200, answer.body.decode()[:2_000]
    return [exact.value(line)[1:] for line in answer.body.splitlines()]


LAW = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
documents = st.lists(objects, min_size=12, max_size=12)
conditions = st.lists(trees(properties), min_size=15, max_size=15)


@settings(LAW, max_examples=25)
@given(jsons=documents, written_trees=conditions)
def test_no_difference_over_properties(warehouse: WarehouseProcess, jsons: list[str], written_trees: list[Any]) -> None:
    nodes = [parse(one) for one in written_trees]
    got = answers(warehouse, jsons, lambda asking: [over_properties(node, asking) for node in nodes])
    closures = [compiled(node) for node in nodes]
    subjects = [Facts(properties=exact.properties(json.encode())) for json in jsons]
    assert got == [[int(holds(subject)) for holds in closures] for subject in subjects]


@settings(LAW, max_examples=25)
@given(jsons=documents)
def test_a_value_has_one_text(warehouse: WarehouseProcess, jsons: list[str]) -> None:
    wanted = ["a", "b", "a.b", "b.a", ""]
    got = answers(warehouse, jsons, lambda asking: [asking.property(name).text for name in wanted])
    for json, texts in zip(jsons, got, strict=True):
        values = exact.properties(json.encode())
        for name, text in zip(wanted, texts, strict=True):
            value = exact.find(values, name)
            read = exact.sent(text.encode()) if text[:1] in ("{", "[") else exact.value(text)
            assert value is None if text in ("", "null") else read == value, (json, name)
            if text[:1] not in ("", "{", "["):
                assert text == exact.text(value)


def test_a_condition_as_large_as_may_be(warehouse: WarehouseProcess) -> None:
    leaves = [{"property": "a", "in": [f"{n}{'é' * 500}" for n in range(4)]} for _ in range(180)]
    tree = parse({"any": [{"not": {"not": {"all": leaves}}}, {"property": "a.b.c.d", "exists": False}]})
    assert answers(warehouse, ['{"a":1}'], lambda asking: [over_properties(tree, asking)]) == [[1]]
