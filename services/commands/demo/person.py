"""The person of the story, as the profile API shows her."""

from typing import Any, NamedTuple

import httpx

from services.commands.reach import said
from services.errors import RapportError


class Person(NamedTuple):
    """What the summary tells of a profile."""

    profile_id: str
    identifiers: tuple[str, ...]
    traits: dict[str, Any]
    computed: dict[str, Any]
    audiences: tuple[str, ...]
    touchpoints: int
    first_seen: int


def look_up(http: httpx.Client, kind: str, value: str) -> Person | None:
    """The person known by this identifier; None when nobody is."""
    answer = http.get(f"/v1/profiles/by/{kind}/{value}")
    if answer.status_code == 404:
        return None
    if answer.status_code != 200:
        raise RapportError(f"the profile of {kind} {value} cannot be read: {said(answer)}")
    found = answer.json()
    return Person(
        found["profile_id"],
        tuple(found["identifiers"]),
        {name: told["value"] for name, told in found["traits"].items()},
        found["computed"],
        tuple(found["audiences"]),
        found["touchpoints"],
        found["first_seen"],
    )


def timeline(http: httpx.Client, profile_id: str) -> list[dict[str, Any]]:
    """The newest touchpoints of the person, newest first."""
    answer = http.get(f"/v1/profiles/{profile_id}/timeline")
    if answer.status_code != 200:
        raise RapportError(f"the timeline of {profile_id} cannot be read: {said(answer)}")
    touchpoints: list[dict[str, Any]] = answer.json()["touchpoints"]
    return touchpoints
