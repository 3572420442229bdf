"""The tracking API described for programs: OpenAPI paths and schemas, made from the models of `segment.py`.

And what every route has in common: what an error looks like.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from services.ingest.segment import CALLS, Batch

_REF = "#/components/schemas/{model}"
_TEXT = {"type": "string"}
_VERDICT = {
    "type": "object",
    "required": ["messageId", "status"],
    "properties": {
        "messageId": {**_TEXT, "description": "as it was sent, or as it was made here"},
        "status": {"enum": ["accepted", "duplicate", "rejected"]},
        "code": {**_TEXT, "description": "why it was rejected, for programs: a stable name"},
        "field": {**_TEXT, "description": "which field was wrong"},
        "expected": {**_TEXT, "description": "what was expected there"},
        "got": {**_TEXT, "description": "what came"},
        "reason": {**_TEXT, "description": "why it was rejected, for people: a whole sentence"},
        "hint": {**_TEXT, "description": "what was probably meant"},
        "violations": {
            "type": "array",
            "items": _TEXT,
            "description": "how an accepted item departs from the tracking plan: where, and what is wrong",
        },
    },
}
_REPORT = {
    "type": "object",
    "required": ["success", "accepted", "duplicates", "rejected", "items"],
    "properties": {
        "success": {"const": True},
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {"type": "integer"},
        "items": {"type": "array", "items": {"$ref": _REF.format(model="Verdict")}},
    },
}
_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {**_TEXT, "description": "a stable name, for programs"},
        "message": {**_TEXT, "description": "what was wrong and what would be right, for people"},
    },
}
_REFUSALS = {
    "400": "The body is no JSON, no UTF-8, or not of the right shape; nothing was kept.",
    "401": "No write key, or one that is not known; nothing was kept.",
    "408": "The body did not arrive in time; nothing was kept.",
    "413": "The body is too large, or the batch has too many events; nothing was kept.",
    "414": "The query is too large; nothing was kept.",
    "415": "The body is compressed by something else than gzip; nothing was kept.",
    "429": "The source sends too fast: wait for Retry-After seconds; nothing was kept.",
    "503": "It could not be made durable: wait for Retry-After seconds; nothing was kept.",
}

_PIXEL = ("401", "414", "429", "503")  # of the refusals, those that a pixel can get
_MISREAD = "A parameter is not of its kind, too long, or out of its range."
_FASTAPI = ("HTTPValidationError", "ValidationError")  # its errors, in the place of which ours are answered
_OTHERS = "tracking by other SDKs"
_MANY = {
    "batch": ("Batch", ""),
    "import": ("Batch", "Past calls, in batches. Their ids are remembered for ever, so that an import never doubles."),
}


def describe(document: dict[str, Any], routes: Mapping[str, str], pixels: Mapping[str, str]) -> dict[str, Any]:
    """Add the tracking API to an OpenAPI document, and give it back. `routes` and `pixels` are calls by their paths."""
    models = [(model, "validation") for model in (*CALLS.values(), Batch)]
    _, schemas = models_json_schema(models, by_alias=True, ref_template=_REF)  # type: ignore[arg-type]
    components = document.setdefault("components", {})
    found = {"Verdict": _VERDICT, "Report": _REPORT, "Error": _ERROR, **schemas["$defs"]}
    components.setdefault("schemas", {}).update(found)
    components.setdefault("securitySchemes", {})["writeKey"] = {
        "type": "http",
        "scheme": "basic",
        "description": "the write key as user name, with an empty password (or `writeKey` in the body, or in "
        "the query when the source is not trusted)",
    }
    paths = document.setdefault("paths", {})
    _explain_errors(paths)
    for name in _FASTAPI:
        components["schemas"].pop(name, None)
    for path, name in routes.items():
        paths[path] = {"post": _operation(path, name)}
    for path, name in pixels.items():
        paths[path] = {"get": _pixel(path, name)}
    return document


def _explain_errors(paths: dict[str, Any]) -> None:
    """Give every error of every route its shape."""
    for operation in (operation for methods in paths.values() for operation in methods.values()):
        answers = operation["responses"]
        for status in [status for status in answers if status >= "400"]:
            told = _MISREAD if status == "422" else answers[status]["description"]
            answers[status] = {"description": told, **_json("Error")}


def _tag(path: str, name: str) -> str:
    return "tracking" if path in (f"/v1/{name}", f"/v1/pixel/{name}.gif") else _OTHERS


def _id(path: str) -> str:
    return path.strip("/").removesuffix(".gif").replace("/", "_").removeprefix("v1_")


def _operation(path: str, name: str) -> dict[str, Any]:
    model, text = _MANY[name] if name in _MANY else (CALLS[name].__name__, "")
    text = text or (Batch if name in _MANY else CALLS[name]).__doc__ or ""
    kept = {"description": "Every accepted item is on disk, and `items` says what became of each.", **_json("Report")}
    refused = {status: {"description": why, **_json("Error")} for status, why in _REFUSALS.items()}
    plain = {"schema": {**_TEXT, "description": "the same JSON, as navigator.sendBeacon sends it"}}
    return {
        "tags": [_tag(path, name)],
        "operationId": _id(path),
        "summary": text.strip().split(". ")[0].rstrip("."),
        "description": " ".join(text.split()),
        "security": [{"writeKey": []}, {}],
        "requestBody": {"required": True, "content": {**_json(model)["content"], "text/plain": plain}},
        "responses": {"200": kept, **refused},
    }


def _pixel(path: str, name: str) -> dict[str, Any]:
    image = {"image/gif": {"schema": {"type": "string", "format": "binary"}}}
    refused = {status: {"description": why, "content": image} for status, why in _REFUSALS.items() if status in _PIXEL}
    fields = ("writeKey", "event" if name == "track" else "name", "anonymousId", "userId", "messageId", "timestamp")
    return {
        "tags": [_tag(path, name)],
        "operationId": f"{_id(path)}_pixel".removeprefix("pixel_"),
        "summary": f"A {name} call as an image",
        "description": "The fields of the call are the query's; a dot goes one level deeper: `properties.plan=pro`.",
        "parameters": [{"name": field, "in": "query", "schema": _TEXT} for field in fields],
        "responses": {
            "200": {"description": "The call is on disk, accepted or rejected.", "content": image},
            **refused,
        },
    }


def _json(model: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}}
