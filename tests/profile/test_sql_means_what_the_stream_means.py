"""Law 3: audiences and traits of the stream and of ClickHouse, over the same touchpoints and at the same instant."""

from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas import fast
from services.conditions import exact
from services.conditions.compile import compiled
from services.conditions.sql import predicate
from services.conditions.sql_text import column, written
from services.conditions.subject import Facts, account_traits
from services.profile.definitions import Definitions
from services.profile.person import joined, redirect
from services.profile.sql import QueryOfAccounts, accounts_sql, audience_sql, audiences_sql, traits_sql
from services.profile.view import View
from tests.conditions.random_conditions import parse
from tests.profile.profile_stages import NOON, Stages
from tests.profile.random_definitions import MINUTE, definitions, of_accounts, touchpoints
from tests.warehouse.warehouse_process import WarehouseProcess

INSTANTS = [NOON + MINUTE, NOON + 2 * MINUTE + 1, NOON + 103 * MINUTE, NOON + 3 * 86_400_000]
LAW = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
_numbers = count()


def rows(warehouse: WarehouseProcess, sql: str, workspace: str, now: int) -> list[list[Any]]:
    answer = warehouse.get(
        "", body=sql.encode(), default_format="JSONCompactEachRow", param_workspace=workspace, param_now=str(now),
        output_format_json_quote_64bit_integers="1",
    )  # fmt: skip
    assert answer.status == 200, answer.body.decode()[:3_000]
    return [exact.value(line) for line in answer.body.splitlines()]


def views(stages: Stages, definitions: Definitions, now: int) -> dict[str, View]:
    people = {owner: person for owner, person in stages.persons().items() if not redirect(person)}
    found = {owner: View(joined(person), definitions, now) for owner, person in people.items()}
    return {owner: view for owner, view in found.items() if view.cell.touchpoints}


def seen(kind: str, said: Any) -> Any:
    """A trait's column as the value that the stream has."""
    if said is None:
        return None
    if kind in ("sum", "average", "min", "max", "count", "distinct", "days_since"):
        return int(said)
    if kind == "unique":
        return [exact.value(text) for text in said] or None
    return None if not said else exact.sent(said.encode()) if said[0] in "[{" else exact.value(said)


def wanted(kind: str, value: Any) -> Any:
    if value is not None and kind in ("sum", "average", "min", "max"):
        return int(value * 10**9)
    return value


@settings(LAW, max_examples=5)
@given(st.data())
def test_no_difference_over_people(warehouse: WarehouseProcess, data: st.DataObject) -> None:
    workspace = f"w{next(_numbers)}"
    made = data.draw(definitions())
    history = [data.draw(touchpoints(workspace, f"m{n % 30}{'é' * (n % 2)}")) for n in range(40)]
    history = list({(one.anchor, one.message_id): one for one in history}.values())
    stages = Stages(made).arrive(*history)
    warehouse.publish("touchpoints", [fast.dumps(one) for one in history])
    warehouse.publish("membership", [fast.dumps(one) for one in stages.published["membership"]])
    warehouse.caught_up("touchpoints")
    if stages.published["membership"]:
        warehouse.caught_up("membership")
    names = [trait.name for trait in made.of_persons]
    for now in INSTANTS:
        people = views(stages, made, now)
        got = {owner: tuple(inside) for owner, inside in rows(warehouse, audiences_sql(made), workspace, now)}
        assert got == {owner: view.audiences for owner, view in people.items()}, now
        for owner, *values in rows(warehouse, traits_sql(made, names), workspace, now):
            for trait, said in zip(made.of_persons, values, strict=True):
                told = wanted(trait.kind, people[owner].trait(trait.name))
                assert seen(trait.kind, said) == told, (trait, now, said, told)
    one = data.draw(st.sampled_from(made.audiences)).name
    inside = {row[0] for row in rows(warehouse, audience_sql(made, one), workspace, now)}
    assert inside == {owner for owner, view in people.items() if one in view.audiences}
    asked = data.draw(st.lists(of_accounts(made), min_size=8, max_size=8))
    no_difference_over_accounts(warehouse, made, stages, workspace, asked)


def no_difference_over_accounts(
    warehouse: WarehouseProcess, made: Definitions, stages: Stages, workspace: str, conditions: list[Any]
) -> None:
    """Computed traits, and what rules ask of the document that was published."""
    documents = {one.identifiers[0].partition(":")[2]: one for one in stages.published["accounts"]}
    names = [trait.name for trait in made.accounts.traits]
    got = rows(warehouse, accounts_sql(made, names), workspace, 0)
    assert {account for account, *_ in got} == set(documents)
    for account, *values in got:
        computed = exact.document(documents[account].computed)
        for trait, said in zip(made.accounts.traits, values, strict=True):
            told = wanted(trait.kind, computed.get(trait.name))
            assert seen(trait.kind, said) == told, (trait, account, said, told)
    query, trees = QueryOfAccounts(made.accounts), [parse(one) for one in conditions]
    answers = [predicate(tree, query).as_(f"c{n}") for n, tree in enumerate(trees)]
    for account, *holds in rows(warehouse, written(query.rows([column("group_id"), *answers])), workspace, 0):
        facts = Facts(accounts=account_traits(documents[account]))
        for tree, one in zip(trees, holds, strict=True):
            assert one == compiled(tree)(facts), (tree, account)
