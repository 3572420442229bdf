"""From what pydantic finds wrong to sentences with file, line and what would be right."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from services.errors import ConfigError
from services.yamlfile.document import Document, Place
from services.yamlfile.plainly import plainly

MOST = 50  # problems told at once

Model = TypeVar("Model", bound=BaseModel)

_SECRET = re.compile(r"key|secret|password|token", re.IGNORECASE)


def parse(document: Document, model: type[Model]) -> Model:
    """What the document says as an instance of `model`. Raises ConfigError with everything that is wrong at once."""
    try:  # a file of nothing but comments says nothing wrong
        return model.model_validate({} if document.value is None else document.value)
    except ValidationError as wrong:
        found = [_sentence(document, model, error) for error in wrong.errors(include_url=False)]
    ordered = [sentence for _, sentence in sorted(dict.fromkeys(found), key=lambda pair: pair[0])]
    more = [f"{document.name}: and {len(ordered) - MOST} more"] if len(ordered) > MOST else []
    raise ConfigError(ordered[:MOST] + more)


def _sentence(document: Document, model: type[BaseModel], error: ErrorDetails) -> tuple[int, str]:
    """(line, the sentence about one error)."""
    missing = error["type"] == "missing"
    place = _place(document, error["loc"][:-1] if missing else error["loc"])
    what = f'lacks "{error["loc"][-1]}"' if missing else _what(model, place, error)
    name = _dotted(place)
    return document.line(place), document.problem(place, f'"{name}" {what}' if name else f"the file {what}")


def _what(model: type[BaseModel], place: Place, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        around = (_inside(model, place[:length]) for length in range(len(place) - 1, -1, -1))
        return _unknown(str(place[-1]), sorted(_names(next(filter(None, around)))))
    message = plainly(error)
    if error["type"] in ("too_short", "too_long"):  # these say themselves how many there are
        return message
    if message.startswith("expected "):
        return message + _got(place, error["input"]) + _hint(error)
    whole = isinstance(error["input"], dict | list)  # the message is about several parts: quoting them does not help
    return f"is not right: {message}" + ("" if whole else _got(place, error["input"]))


def _hint(error: ErrorDetails) -> str:
    """What the reader probably meant."""
    value = error["input"]
    if error["type"] == "literal_error" and isinstance(value, str):
        close = get_close_matches(value, re.findall(r"'([^']+)'", error["msg"]), 1)
        return f'; did you mean "{close[0]}"?' if close else ""
    if error["type"] == "string_type" and isinstance(value, int | float):
        return "; put it in quotes"
    return ""


def _unknown(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1, 0.5)
    if close:
        return f'is not known here; did you mean "{close[0]}"?'
    return f"is not known here; possible are {', '.join(known)}" if known else "is not known here"


def _got(place: Place, value: Any) -> str:
    """What stood there, shortened; never a secret."""
    if any(_SECRET.search(str(part)) for part in place[-1:]):
        return ""
    if isinstance(value, dict | list):
        return f", got {'names with values' if isinstance(value, dict) else 'a list'}"
    if value is None:
        return ", got nothing"
    if isinstance(value, bool):
        return f", got {str(value).lower()}"
    text = str(value)
    short = text if len(text) <= 60 else text[:57] + "..."
    return f', got "{short}"' if isinstance(value, str) else f", got {short}"


def _place(document: Document, loc: Iterable[str | int]) -> Place:
    """pydantic's location without what is not in the file, such as the names of a union's members."""
    place: Place = ()
    for part in loc:
        if (*place, part) in document.lines:
            place = (*place, part)
    return place


def _dotted(place: Place) -> str:
    """("rules", 0, "wait") as it is shown: rules[0].wait"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _inside(annotation: Any, place: Place) -> list[type[BaseModel]]:
    """The models that may stand at this place of a model, by its annotations."""
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        return _inside(kind, place) or [found for rule in metadata for found in _inside(_input(rule), place)]
    if get_origin(annotation) in (Union, UnionType):
        return [model for part in get_args(annotation) for model in _inside(part, place)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not place:
            return [annotation]
        fields = [field for name, field in annotation.model_fields.items() if place[0] in _spellings(annotation, name)]
        kinds = [kind for field in fields for kind in (field.annotation, *map(_input, field.metadata))]
        return [model for kind in kinds for model in _inside(kind, place[1:])]
    if get_args(annotation) and place:  # list[X], tuple[X, ...], dict[str, X]
        values = [part for part in get_args(annotation) if part is not Ellipsis]
        return _inside(values[-1], place[1:])
    return []


def _input(rule: Any) -> Any:
    """What a validator that does everything itself says it takes."""
    return rule.json_schema_input_type if isinstance(rule, PlainValidator) else None


def _spellings(model: type[BaseModel], name: str) -> list[str]:
    """How a field may be written in a file."""
    field = model.model_fields[name]
    choices = getattr(field.validation_alias, "choices", [field.validation_alias])
    aliases = [choice for choice in choices if isinstance(choice, str)]
    return aliases or [name]


def _names(models: list[type[BaseModel]]) -> set[str]:
    return {spelling for model in models for name in model.model_fields for spelling in _spellings(model, name)}
