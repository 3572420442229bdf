"""YAML files of the configuration folder: read into pydantic models, with errors that name file and line."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from services.yamlfile.document import Document, read
from services.yamlfile.explain import parse

Model = TypeVar("Model", bound=BaseModel)


def load(path: Path, model: type[Model]) -> Model:
    """The file as an instance of `model`. Raises ConfigError with a sentence for everything that is wrong in it."""
    return parse(read(path), model)


__all__ = ["Document", "load", "parse", "read"]
