"""The contract of a provider's file: options, how to know that a request is genuine, and what its events say.

Everything here and in the providers' files is pure: the time comes with the request, secrets are given.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Env = Annotated[str, Field(max_length=128, pattern=r"^[A-Z][A-Z0-9_]*$")]
Secrets = Mapping[str, str]  # by option without its ending: what the variable of `secret_env` holds is `secret`
REPLAYED = 48 * 3600  # seconds: a signed time further from ours is no retry; younger ones are known by their event ids
_SUFFIX = "_env"


class Request(NamedTuple):
    """One request as it came: header names in lower case, the query undecoded, `at` in epoch milliseconds."""

    headers: Mapping[str, str]
    query: str
    body: bytes
    at: int


class Answer(NamedTuple):
    """What the provider wants to hear when its events are on disk."""

    body: bytes
    media_type: str = "text/plain"


class Event(NamedTuple):
    """One thing that happened, as a `track` call will say it.

    `id` is the provider's own and tells repetitions; `at` is epoch milliseconds, None when the provider does not say;
    `who` are (type, value) of identifiers, to be normalised. Without any, the event is rejected with that reason.
    """

    name: str
    id: str
    at: int | None
    who: tuple[tuple[str, str], ...]
    properties: Mapping[str, Any]


class Webhook(BaseModel):
    """What stands under `webhook:` of a source, and the provider's rules. Options that end in `_env` name variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    answer: ClassVar[Answer] = Answer(b"ok")

    @cached_property
    def variables(self) -> dict[str, str]:
        """The environment variables that hold the secrets, by the secret's name."""
        options = type(self).model_fields
        return {name.removesuffix(_SUFFIX): getattr(self, name) for name in options if name.endswith(_SUFFIX)}

    def check(self, secrets: Secrets) -> None:
        """Raise ValueError, saying what would be right, when these can be no secrets of this provider."""

    def opened(self, request: Request, secrets: Secrets) -> bytes:
        """The content, known to be the provider's. Any exception at all means that it is not."""
        raise NotImplementedError

    def challenge(self, request: Request, secrets: Secrets) -> bytes | None:
        """The answer to a GET by which the provider tries the address; None when it has no such thing.

        Any exception means that the request is not the provider's.
        """
        return None

    def items(self, content: bytes) -> Iterable[Any]:
        """The content cut into values that JSON can say, one per event. Raises UNREADABLE (calls.py)."""
        raise NotImplementedError

    def event(self, item: Any) -> Event:
        """What one item says. Raises UNREADABLE; that rejects this item only."""
        raise NotImplementedError


def fresh(seconds: str, at: int) -> None:
    """Raise ValueError when a signed time (epoch seconds) is so far from `at` (epoch ms) that it is a replay."""
    if abs(int(seconds) - at // 1000) > REPLAYED:
        raise ValueError("the signed time is not near ours")
