"""The rules of identifiers: priority, limit, normalisation and blocked values of every type (identity.md)."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Annotated, Literal, Self
from unicodedata import category, normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.identifiers import ACCOUNT
from services.identifiers.email import email
from services.identifiers.phone import phone

LONGEST = 512  # characters of a value
NO_RULE = 1_000_000  # the priority of a type that the rules no longer name: behind all others
_REMEMBERED = 65_536  # cleaned values; about 25 MB when full
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, formats, surrogates, line separators
_NORMALISE: dict[str, Callable[[str, str], str | None]] = {"email": email, "phone": phone}
_EXPECTED = {
    "email": "is no e-mail address like ann@example.com",
    "phone": "is no telephone number like +8613800138000 (one without a country code needs a region)",
}


def _not_reserved(name: str) -> str:
    if name == ACCOUNT:
        raise ValueError(f"`{ACCOUNT}` is the type that accounts go by; call this one something else")
    return name


TypeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$"), AfterValidator(_not_reserved)]
Region = Annotated[str, Field(pattern=r"^([A-Z]{2})?$", description="two-letter country of numbers without a code")]

DEFAULT_BLOCKED = (
    "-1", "null", "none", "undefined", "anonymous", "guest", "nan", "true", "false", "[object object]",
)  # fmt: skip


class IdentifierType(BaseModel):
    """The rule of one type: 1 is the strongest `priority`; `limit` is the number of values that one person may have.

    `on_conflict: nobody` leaves a value of this type to itself as soon as a link to it is refused, instead of leaving
    it to the first person that it was linked to (a shared tablet). `blocked` values are compared without case.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    priority: int = Field(ge=1, le=1000)
    limit: int = Field(ge=1, le=10_000)
    normalise: Literal["none", "email", "phone"] = "none"
    blocked: tuple[str, ...] = ()
    on_conflict: Literal["first", "nobody"] = "first"


class IdentityRules(BaseModel):
    """The rules of every type, the values that are blocked in all of them, and the region of telephone numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    types: dict[TypeName, IdentifierType]
    blocked: tuple[str, ...] = DEFAULT_BLOCKED
    region: Region = ""

    def clean(self, kind: str, value: object, region: str = "") -> str | None:
        """The identifier ("type:value", normalised), or None when this value identifies nobody.

        Text is stripped and written as Unicode NFC; whole numbers become their text. Unusable are: a type without a
        rule, blocked values, zeros and dashes only, control characters, more than 512 characters. `region` (default:
        the rules') is the country of telephone numbers without a country code. Cleaning twice changes nothing; no
        JSON value raises.
        """
        if type(value) is str and len(value) <= LONGEST:
            return self._remembered(kind, value, region)
        return self._judge(kind, value, region)[0]

    def why_not(self, kind: str, value: object, region: str = "") -> str:
        """A sentence saying why `clean` gave None; empty when it did not."""
        return self._judge(kind, value, region)[1]

    def rank(self, identifier: str) -> tuple[int, str]:
        """What identifiers are sorted by, strongest first: priority, then the text. Types without a rule come last."""
        rule = self.types.get(identifier.partition(":")[0])
        return (rule.priority if rule else NO_RULE, identifier)

    def __copy__(self) -> Self:
        """Copies (model_copy, too) do not take along what was worked out from the rules before a change."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when normalisation, blocked values, priorities or limits do."""
        parts = sorted((name, rule.model_dump_json()) for name, rule in self.types.items())
        return blake2b(repr((parts, sorted(self.blocked), self.region)).encode(), digest_size=8).hexdigest()

    @cached_property
    def _remembered(self) -> Callable[[str, str, str], str | None]:
        def clean(kind: str, value: str, region: str) -> str | None:
            return self._judge(kind, value, region)[0]

        return lru_cache(_REMEMBERED)(clean)

    @cached_property
    def _blocked(self) -> dict[str, frozenset[str]]:
        """By type: what is blocked, as it is written in the rules and as it would be normalised; without case."""
        return {name: self._blocked_of(rule) for name, rule in self.types.items()}

    def _blocked_of(self, rule: IdentifierType) -> frozenset[str]:
        written = [_text(value).casefold() for value in (*self.blocked, *rule.blocked)]
        normaliser = _NORMALISE.get(rule.normalise)
        normalised = [normaliser(value, self.region) for value in written] if normaliser else []
        return frozenset([*written, *(value.casefold() for value in normalised if value)])

    def _judge(self, kind: str, value: object, region: str) -> tuple[str | None, str]:
        """(identifier, "") or (None, why not)."""
        rule = self.types.get(kind)
        if rule is None:
            return None, f"there is no rule for identifiers of type {_short(kind)}"
        text = _text(value)
        problem = _problem(text, value)
        if problem:
            return None, f"{kind} {problem}"
        blocked = self._blocked[kind]
        if text.casefold() in blocked or not text.strip("0-"):
            return None, f"{kind} {_short(text)} is a blocked value: it stands for nobody"
        normaliser = _NORMALISE.get(rule.normalise)
        if normaliser:
            normalised = normaliser(text, region or self.region)
            if normalised is None:
                return None, f"{kind} {_short(text)} {_EXPECTED[rule.normalise]}"
            if normalised.casefold() in blocked:
                return None, f"{kind} {_short(text)} is a blocked value: it stands for nobody"
            text = normalised
        return f"{kind}:{text}", ""


def _text(value: object) -> str:
    """The value as text: stripped and NFC; whole numbers in digits; anything else is empty."""
    if isinstance(value, str):
        stripped = value.strip()
        return stripped if stripped.isascii() or len(stripped) > LONGEST else normalize("NFC", stripped)
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):  # beyond 2**53 two ids would become one
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else ""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 1024 else ""
    return ""


def _problem(text: str, value: object) -> str:
    """What makes this text unusable for any type; empty when nothing does."""
    if not text:
        blank = isinstance(value, str)
        return "is empty" if blank else f"must be text or a whole number, not {_short(value)}"
    if len(text) > LONGEST:
        return f"has {len(text)} characters, more than {LONGEST}"
    if not text.isprintable() and any(category(c) in _UNSEEN for c in text):
        return f"{_short(text)} contains control characters"
    return ""


def _short(value: object) -> str:
    """The value as it is quoted in a sentence: at most about 60 characters."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 1024:
        return "a number of more than 300 digits"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _defaults() -> dict[str, IdentifierType]:
    """identity.md, "Default rules". Platform and device ids stand between telephone numbers and anonymous ids."""
    platform = (
        "wechat_unionid", "wecom_external_userid", "wechat_openid", "line_user_id", "facebook_psid", "whatsapp_id",
        "x_user_id", "device_id", "ios_idfa", "ios_id", "android_idfa", "android_id",
    )  # fmt: skip
    return {
        "user_id": IdentifierType(priority=1, limit=1),
        "email": IdentifierType(priority=2, limit=5, normalise="email"),
        "phone": IdentifierType(priority=3, limit=5, normalise="phone"),
        **{name: IdentifierType(priority=10 + n, limit=5) for n, name in enumerate(platform)},
        "anonymous_id": IdentifierType(priority=100, limit=50),
    }


DEFAULT_RULES = IdentityRules(types=_defaults())
