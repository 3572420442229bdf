"""What a ClickHouse cluster hears instead of our migrations. No cluster is here to hear it: the text is looked at."""

import pytest

from services.errors import RapportError
from services.runtime.warehouse import migrations
from services.runtime.warehouse.replicated import replicated
from services.runtime.warehouse.tokens import statements, tokens
from tests.warehouse.warehouse_process import WarehouseProcess

MADE = [statement for one in migrations.load() for statement in statements(one.text)] + [migrations.RECORDS.strip()]


def escaped(text: str) -> str:
    """A parameter's value as ClickHouse reads it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def without(statement: str) -> str:
    """The statement without everything that only a cluster needs."""
    table = statement.split(" ON CLUSTER")[0].split()[-1]
    place = f"'/clickhouse/tables/{{shard}}/{table}', '{{replica}}'"
    plain = statement.replace(" ON CLUSTER 'c'", "").replace("ReplicatedReplacing", "Replacing")
    return plain.replace(f"({place})", "").replace(f"{place}, ", "")


@pytest.mark.parametrize("statement", MADE, ids=lambda statement: " ".join(statement.split()[:6]))
def test_a_statement_is_for_the_whole_cluster_and_else_as_it_was(statement: str) -> None:
    made = replicated(statement, "c")
    assert made.count("ON CLUSTER 'c'") == 1
    assert without(made) == statement
    words = [token.text.lower() for token in tokens(made) if token.kind == "word"]
    assert ("create" in words[:1] and "table" in words[:2]) == any(word.startswith("replicated") for word in words)
    assert not [word for word in words if word.endswith("mergetree") and not word.startswith("replicated")]


def test_clickhouses_own_parser_takes_every_statement(warehouse: WarehouseProcess) -> None:
    for statement in MADE:
        answer = warehouse.get("SELECT formatQuery({said:String})", param_said=escaped(replicated(statement, "c")))
        assert answer.status == 200, answer.body
        assert b"ON CLUSTER c" in answer.body
    assert warehouse.get(
        "SELECT formatQuery({said:String})", param_said="CREATE TABLE a ENGINE Memory ON CLUSTER c"
    ).code


@pytest.mark.parametrize(
    ("statement", "made"),
    [
        ("CREATE DATABASE IF NOT EXISTS d", "CREATE DATABASE IF NOT EXISTS d ON CLUSTER 'c'"),
        ("CREATE TABLE d.t (a Int8) ENGINE = MergeTree() ORDER BY a",
         "CREATE TABLE d.t ON CLUSTER 'c' (a Int8) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/t',"
         " '{replica}') ORDER BY a"),
        ("CREATE OR REPLACE DICTIONARY `x y` (a Int8) PRIMARY KEY a",
         "CREATE OR REPLACE DICTIONARY `x y` ON CLUSTER 'c' (a Int8) PRIMARY KEY a"),
        ("DROP VIEW IF EXISTS v", "DROP VIEW IF EXISTS v ON CLUSTER 'c'"),
        ("INSERT INTO t VALUES ('ENGINE = MergeTree')", "INSERT INTO t VALUES ('ENGINE = MergeTree')"),
        ("SELECT 1", "SELECT 1"),
    ],
)  # fmt: skip
def test_each_kind_of_statement_has_its_form(statement: str, made: str) -> None:
    assert replicated(statement, "c") == made


@pytest.mark.parametrize("statement", ["CREATE TABLE t (a Int8) ENGINE = Memory", "CREATE FUNCTION f AS (a) -> a"])
def test_what_has_no_form_for_a_cluster_is_refused(statement: str) -> None:
    with pytest.raises(RapportError, match="no form for a cluster"):
        replicated(statement, "c")
