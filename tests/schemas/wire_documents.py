"""Hypothesis strategies for messages of the wire as JSON documents, made from the generated JSON Schema."""

from functools import cache
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

Document = dict[str, Any]

WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, 1.5, -0.0, 1e300, 2**53, 2**63 - 1, 2**63, 2**64, 10**40),
    *("", "x", "1", "true", "user_id:", "User:x", "p" + "0" * 32, "p" + "0" * 32 + "\n", "main\n", "é" * 601, "\x00"),
    *([], {}, [None], ["user_id:1"], [["user_id:1"]], {"v": 1}, {"a": [1, {"b": None}]}),
)

_text = st.text(max_size=8)
_json: st.SearchStrategy[Any] = st.sampled_from(WRONG) | st.floats(allow_nan=False, allow_infinity=False) | _text
_profile = st.integers(0, 2**128 - 1).map(lambda number: f"p{number:032x}")
_BY_PATTERN = {  # a pattern that is not here makes a test fail: add its strategy
    None: _text,
    r"^[a-z0-9][a-z0-9_-]*$": st.sampled_from(["main", "0", "a-b_c", "z" * 64]),
    r"^[a-z][a-z0-9_]*:": st.builds("{}:{}".format, st.sampled_from(["email", "x", "a_1"]), st.text(min_size=1)),
    r"^p[0-9a-f]{32}$": _profile,
}


@cache
def documents(model: type[BaseModel]) -> st.SearchStrategy[Document]:
    """Valid messages of this model, with and without their optional fields."""
    schema = model.model_json_schema()
    return _of(schema, schema.get("$defs", {}))


def _of(schema: Document, defs: Document) -> st.SearchStrategy[Any]:
    """Values that this part of a JSON Schema allows."""
    if "$ref" in schema:
        return _of(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return st.one_of([_of(part, defs) for part in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if "properties" in schema:
        fields = {name: _of(part, defs) for name, part in schema["properties"].items()}
        optional = {name: fields.pop(name) for name in list(fields) if name not in schema["required"]}
        return st.fixed_dictionaries(fields, optional=optional)
    return _plain(schema, defs)


def _plain(schema: Document, defs: Document) -> st.SearchStrategy[Any]:
    """Values of one JSON type."""
    match schema["type"]:
        case "string":
            return _BY_PATTERN[schema.get("pattern")].filter(lambda text: len(text) >= schema.get("minLength", 0))
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "array" if "prefixItems" in schema:
            return st.tuples(*(_of(part, defs) for part in schema["prefixItems"])).map(list)
        case "array":
            return st.lists(_of(schema["items"], defs), max_size=3)
        case "object":
            return st.dictionaries(st.text(max_size=5), _json, max_size=3)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    raise ValueError(f"no strategy for {schema}")


@st.composite
def damaged(draw: st.DrawFn, model: type[BaseModel]) -> Document:
    """A message with one value replaced, dropped or added somewhere: often wrong, sometimes still right."""
    document: Document = draw(documents(model))
    place: Any = document
    while True:
        if isinstance(place, dict) and draw(st.integers(0, 9)) == 0:
            place[draw(st.sampled_from(["extra", "V", "workspace ", ""]))] = draw(st.sampled_from(WRONG))
            return document
        if not place:
            return document
        step = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[step], dict | list) and place[step] and draw(st.booleans()):
            place = place[step]
        elif draw(st.integers(0, 4)) == 0:
            del place[step]
            return document
        else:
            place[step] = draw(st.sampled_from(WRONG))
            return document
