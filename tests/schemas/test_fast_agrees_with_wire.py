"""The structs of schemas/fast.py and the models of schemas/wire.py are one definition: same verdict, same JSON."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import fast, wire
from tests.schemas.wire_documents import damaged, documents

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
models = pytest.mark.parametrize("model", wire.Wire, ids=lambda model: model.__name__)


def by_wire(model: type[wire.Message], line: bytes) -> Any:
    """The message as pydantic reads and writes it; None when refused."""
    try:
        return json.loads(model.model_validate_json(line).model_dump_json())
    except ValidationError:
        return None


def by_fast(model: type[wire.Message], line: bytes) -> Any:
    """The message as msgspec reads and writes it; None when refused."""
    try:
        return json.loads(fast.dumps(msgspec.json.decode(line, type=getattr(fast, model.__name__))))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


@models
def test_every_valid_message_is_read_and_written_alike(model: type[wire.Message]) -> None:
    @settings(QUICK, max_examples=40)
    @given(documents(model))
    def check(document: Any) -> None:
        line = json.dumps(document).encode()
        read = by_wire(model, line)
        assert read is not None
        assert read == by_fast(model, line)
        assert read == {**read, **{name: value for name, value in document.items() if not isinstance(value, dict)}}

    check()


def test_a_damaged_message_gets_the_same_verdict() -> None:
    verdicts: Counter[tuple[str, bool]] = Counter()

    @settings(QUICK, max_examples=1000)
    @given(st.sampled_from(wire.Wire).flatmap(lambda model: st.tuples(st.just(model), damaged(model))))
    def check(case: tuple[type[wire.Message], Any]) -> None:
        model, document = case
        line = json.dumps(document).encode()
        read = by_wire(model, line)
        assert read == by_fast(model, line)
        verdicts[model.__name__, read is None] += 1

    check()
    for model in wire.Wire:
        assert verdicts[model.__name__, True] > 0  # the damage was real
    assert sum(verdicts[model.__name__, False] for model in wire.Wire) > 20  # and some of it changes nothing


PROFILE = "p" + "0" * 32
LINE = {"workspace": "main", "owner": PROFILE, "anchor": "email:a", "version": 0, "n": 1, "cell": {}}


@pytest.mark.parametrize(
    ("field", "text", "accepted"),
    [
        ("cell", b'{"a": {"b": [1, 2.50]}}', True),
        ("cell", b"null", True),
        ("cell", b"[]", False),
        ("cell", b'"{}"', False),
        ("cell", b'{"a": NaN}', False),
        ("cell", b'{"a": Infinity}', False),
        ("cell", b'{"a": "\xff"}', False),
        ("cell", b'{"a": "\\ud800"}', False),
        ("cell", b'{"a": 01}', False),
        ("cell", b'{"a": "\x01"}', False),
        ("n", b"1.0", False),
        ("n", b"true", False),
        ("n", b'"1"', False),
        ("n", b"-1", False),
        ("n", b"9223372036854775807", True),
        ("n", b"9223372036854775808", False),
        ("v", b"true", False),
        ("v", b"1.0", False),
        ("v", b"2", False),
        ("workspace", b'"main\\n"', False),
        ("owner", json.dumps(PROFILE + "\n").encode(), False),
        ("anchor", "\"email:\U0001f600\"".encode(), True),
        ("gone", b"1", False),
    ],
)  # fmt: skip
def test_what_json_can_play_on_us(field: str, text: bytes, accepted: bool) -> None:
    rest = json.dumps({name: value for name, value in LINE.items() if name != field})
    line = rest[:-1].encode() + f', "{field}": '.encode() + text + b"}"
    assert (by_wire(wire.CellMessage, line) is not None) == accepted
    assert by_wire(wire.CellMessage, line) == by_fast(wire.CellMessage, line)


@given(st.text())
def test_the_limits_of_a_string_count_characters_in_both(text: str) -> None:
    line = json.dumps({**LINE, "anchor": "x:" + text}).encode()
    assert by_wire(wire.CellMessage, line) == by_fast(wire.CellMessage, line)
