"""A message to other systems on the public topic `actions`: the action itself, with what the rule says in it.

It is there as soon as the rule decides, so nothing can hold it back afterwards, and nothing is rendered: `data` is what
stands in the file. The touchpoint and the person's id are in the message anyway.
"""

from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, Field

from services.automation.fields import Strict

LARGEST = 8 * 1024  # bytes of `data` as JSON


def _small(data: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(msgspec.json.encode(data))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("`data` is texts, numbers, true and false, and lists and objects of these") from None
    if size > LARGEST:
        raise ValueError(f"`data` has {size} bytes as JSON; at most {LARGEST} are possible")
    return data


class MessageStep(Strict):
    """A message on the topic `actions`, with this `data`."""

    data: Annotated[dict[str, Any], AfterValidator(_small)] = Field({}, max_length=50)
