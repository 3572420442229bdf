"""What our migrations say to a ClickHouse cluster instead: replicated tables, made on every replica.

This is the only place that knows. It is for one shard with several replicas, whose macros {shard} and {replica} the
servers define; the user `writer` needs the right to use the cluster (GRANT CLUSTER ON *.*). It takes two servers and a
ClickHouse Keeper, which our tests have not: what they look at is the text of every statement. Nothing else changes:
tables still replace by position, and a worker's inserts are confirmed by a majority (`insert_quorum`).
"""

from services.errors import RapportError
from services.runtime.warehouse.tokens import Token, tokens

_MADE = frozenset({"table", "view", "dictionary", "database"})


def replicated(statement: str, cluster: str) -> str:
    """The statement as every replica of the cluster should carry it out; what only inserts or asks stays as it is.

    Raises RapportError for a statement of which this cannot be said.
    """
    parts = [part for part in tokens(statement) if part.text != ";"]
    words = [part.text.lower() if part.kind == "word" else "" for part in parts]
    if not words or words[0] not in ("create", "alter", "drop", "truncate"):
        return statement
    kind = next((at for at, word in enumerate(words[:4]) if word in _MADE), None)
    if kind is None:
        raise RapportError(f"this statement has no form for a cluster: {statement[:200]}")
    at = kind + 1 + 3 * (words[kind + 1 : kind + 4] == ["if", "not", "exists"])
    at += 2 * (words[at : at + 2] == ["if", "exists"])
    if at + 2 < len(parts) and parts[at + 1].text == ".":
        at += 2
    edits = [(_end(statement, parts[at]), _end(statement, parts[at]), f" ON CLUSTER '{cluster}'")]
    if words[0] == "create" and words[kind] == "table":
        edits += _engine(parts, words, parts[at].text, statement)
    for begin, end, text in reversed(edits):
        statement = statement[:begin] + text + statement[end:]
    return statement


def _engine(parts: list[Token], words: list[str], table: str, statement: str) -> list[tuple[int, int, str]]:
    """The engine's place in the statement, and its replicated form."""
    for at in range(len(parts) - 2):
        engine = parts[at + 2]
        if words[at] == "engine" and parts[at + 1].text == "=" and words[at + 2].endswith("mergetree"):
            place = f"'/clickhouse/tables/{{shard}}/{table}', '{{replica}}'"
            begin, end = engine.at, engine.at + len(engine.text)
            if at + 3 < len(parts) and parts[at + 3].text == "(":
                bare = parts[at + 4].text == ")"
                return [(begin, parts[at + 3].at + 1, f"Replicated{engine.text}({place}{'' if bare else ', '}")]
            return [(begin, end, f"Replicated{engine.text}({place})")]
    raise RapportError(f"a table that is not of the MergeTree family has no form for a cluster: {statement[:200]}")


def _end(statement: str, part: Token) -> int:
    """Where the name ends, its quotes included."""
    return part.at + len(part.text) + (2 if part.kind == "name" else 0)
