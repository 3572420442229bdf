"""Write what follows from the models: the JSON Schema of every message to schemas/json, and schemas/asyncapi.json.

`make schemas`. The same models give the same bytes.
"""

import json
from pathlib import Path
from typing import Any

from schemas import asyncapi, wire

FOLDER = Path(__file__).parent / "json"
ASYNCAPI = Path(__file__).parent / "asyncapi.json"


def json_schema(model: type[wire.Message]) -> str:
    """The schema of one message as the text of its file (JSON Schema 2020-12)."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="validation"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def texts() -> dict[str, str]:
    """Every file that belongs into the folder, by name."""
    return {f"{model.__name__}.schema.json": json_schema(model) for model in wire.Wire}


def main() -> None:
    """Bring the files up to date; those of messages that are no more go."""
    FOLDER.mkdir(exist_ok=True)
    wanted = texts()
    for stale in FOLDER.glob("*.schema.json"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    ASYNCAPI.write_text(asyncapi.document(), encoding="utf-8")


if __name__ == "__main__":
    main()
