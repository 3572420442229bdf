"""The tracking plan as it stands in plan.yaml: per source and event a JSON Schema, and what to do about a violation.

    unplanned: {web: flag}
    events:
      - event: Order Completed
        source: shop
        on_violation: block
        properties: {required: [order_id, total], properties: {total: {type: number, minimum: 0}}}
      - type: identify
        traits: schemas/customer.json

A schema is of draft 2020-12 unless its `$schema` says otherwise. It may stand in a JSON file of the configuration
folder, such as one that pydantic's `Model.model_json_schema()` made.
"""

from typing import Annotated, Any, Literal

from jsonschema_rs import RegexOptions, ValidationError, Validator, validator_for
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST = 2_000  # planned events in one file
PARTS = ("properties", "traits")

Action = Literal["block", "omit", "flag"]
Type = Literal["track", "identify", "page", "screen", "group", "alias"]
Schema = dict[str, Any]
SourceName = Annotated[str, Field(max_length=64)]


def compiled(schema: Any) -> Validator:
    """The schema ready to be asked. Patterns take linear time, `format` is checked, nothing is fetched from anywhere.

    Raises ValueError when it is no JSON Schema.
    """
    try:
        return validator_for(schema, pattern_options=RegexOptions(), validate_formats=True, offline=True)
    except (ValidationError, ValueError) as wrong:
        place = ".".join(map(str, getattr(wrong, "instance_path", [])))
        said = str(getattr(wrong, "message", wrong)).splitlines()[0][:200]
        raise ValueError(f"this is no JSON Schema{f' (at {place})' if place else ''}: {said}") from None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Planned(_Strict):
    """What one event, or one type of call, looks like. Without `source` it is meant of every source that has no entry
    of its own for it; without `event` of every call of the type. A file name stands for the schema in that file.

    `block` rejects the call; `omit` leaves out what violates the schema and lets the rest pass; `flag` lets it pass.
    What passed carries its violations.
    """

    source: SourceName | None = None
    type: Type = "track"
    event: str = Field("", max_length=256)
    on_violation: Action = "flag"
    properties: Schema | Annotated[str, Field(max_length=256)] | None = None
    traits: Schema | Annotated[str, Field(max_length=256)] | None = None

    @field_validator(*PARTS)
    @classmethod
    def _a_schema(cls, value: Any) -> Any:
        if isinstance(value, dict):
            compiled(value)
        return value

    @model_validator(mode="after")
    def _something(self) -> "Planned":
        if self.type == "track" and not self.event:
            raise ValueError("name the event; or another type of call, such as `type: identify`")
        return self


class PlanFile(_Strict):
    """plan.yaml. `unplanned` says, by source, what becomes of track events that the plan does not name; of a source
    that is not there they are simply accepted."""

    unplanned: dict[SourceName, Literal["allow", "flag", "block"]] = {}
    events: Annotated[tuple[Planned, ...], Field(max_length=MOST)] = ()
