"""A mapping that may fit a file, by the names of its columns and the values in its first rows. Pure.

It is a beginning for a person to go over: every line says what it was made of.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

_WHO = (  # part of a call, and what its column is likely to be called, without signs and in small letters
    (
        "userId",
        r"(user|customer|client|member|kunden|contact)(id|no|nr|number|nummer)|kunde|customer|用户id|会员号|客户编号",
    ),
    ("anonymousId", r"(anonymous|visitor|cookie|device)id"),
    ("email", r"e?mail(address|adresse)?|邮箱|电子邮件"),
    ("phone", r"(tele)?(phone|fon)(number|nummer)?|mobile(phone|number)?|mobil|tel|handy|手机号?|电话"),
)  # fmt: skip
_ROW = re.compile(
    r"(order|transaction|invoice|receipt|event|message|row|bestell)(id|no|nr|number|nummer)|订单号|单号|编号"
)
_TIME = re.compile(r"(.*(at|time|date|timestamp|datum|zeit)|ts|时间|日期|.*时间)")
_FORMATS = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y",
    "%Y年%m月%d日 %H:%M", "%Y年%m月%d日", "%Y%m%d",
)  # fmt: skip
_NUMBERS = (
    (re.compile(r"[+-]?\d+(\.\d+)?"), ""),
    (re.compile(r"[+-]?\d{1,3}(,\d{3})*(\.\d+)?"), ', thousands: ","'),
    (re.compile(r"[+-]?\d+(,\d+)?"), ', decimal: ","'),
    (re.compile(r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?"), ', decimal: ",", thousands: "."'),
)
_WORDS = {"true", "false", "yes", "no"}
_ZEROS = re.compile(r"0\d+")  # 00123 would lose its zeros as a number
_NAMES = re.compile(r"(id|no|nr|number|code|zip|plz|phone|号)$")  # these name something, also when they are digits

Column = Sequence[Any]  # the values of a column, without empty ones


class Guess(NamedTuple):
    """What was found of a file."""

    who: dict[str, str]
    time: tuple[str, str] | None  # column, format
    row: str
    others: dict[str, str]  # column: the value's line


def guess(columns: Mapping[str, Column]) -> Guess:
    """What each column is likely to be."""
    left = dict(columns)
    who: dict[str, str] = {}
    for part, pattern in _WHO:
        name = next((name for name in left if re.fullmatch(pattern, _bare(name))), None)
        if name is not None:
            who[part] = name
            left.pop(name)
    if "email" not in who:
        name = next((name for name, values in left.items() if _most(_is_email, values)), None)
        if name is not None:
            who["email"] = name
            left.pop(name)
    time = _time(left)
    if time:
        left.pop(time[0])
    row = next((name for name in left if _ROW.fullmatch(_bare(name))), "")
    keys = {name: re.sub(r"\W+", "_", name.strip().lower()).strip("_") for name in left}
    twice = {key for key in keys.values() if list(keys.values()).count(key) > 1 or not key}
    named = {name: name if key in twice else key for name, key in keys.items()}
    return Guess(who, time, row, {name: _value(named[name], name, left[name]) for name in left})


def proposal(columns: Mapping[str, Column], extra: Sequence[str] = ()) -> str:
    """The mapping as YAML, with comments. `extra` are lines that say how the file is written."""
    found = guess(columns)
    is_track = bool(found.time or found.row)
    lines = ["# Proposed from the file's first rows. Go over it, then try it with --dry-run.", *_kind(is_track)]
    lines += [f"{part}: {quoted(name)}" for part, name in found.who.items()]
    lines += [] if found.who else ["userId: NAME OF THE COLUMN THAT SAYS WHO   # or anonymousId, email, phone"]
    if found.time:
        column, form = found.time
        written = "" if form == "iso" else f", format: {quoted(form)}"
        lines.append(f"timestamp: {{column: {quoted(column)}{written}, zone: UTC}}   # whose clock? Europe/Berlin, say")
    if found.row:
        lines.append(
            f"id: [{quoted(found.row)}]   # what names a row: the same one again, also changed, doubles nothing"
        )
    lines += [*extra, "properties:" if is_track else "traits:"]
    lines += [f"  {line}" for line in found.others.values()] or ["  {}"]
    return "\n".join(lines) + "\n"


def _kind(is_track: bool) -> list[str]:
    if is_track:
        return ["type: track", "event: Order Completed   # what happened: one name for all rows, or {column: …}"]
    return ["type: identify   # no time and no row number: rows seem to be people"]


def quoted(text: str) -> str:
    """A text as YAML, in quotes where it needs them."""
    if re.fullmatch(r"[A-Za-z_\u4e00-\u9fff][\w -]*(?<! )", text) and text.lower() not in ("true", "false", "null"):
        return text
    said = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in said)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _is_email(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\S+@\S+\.\S+", value.strip()))


def _most(holds: Callable[[Any], Any], values: Column) -> bool:
    """Whether it holds for nine of ten values: a file from life has some that are wrong."""
    return bool(values) and sum(map(bool, map(holds, values))) * 10 >= len(values) * 9


def _time(left: Mapping[str, Column]) -> tuple[str, str] | None:
    """The column that says when, and how its times are written."""
    for name in sorted(left, key=lambda name: not _TIME.fullmatch(_bare(name))):
        if _most(lambda value: isinstance(value, datetime), left[name]):
            return name, "iso"
        if _TIME.fullmatch(_bare(name)):
            form = next((form for form in ("iso", *_FORMATS) if _most(partial(_reads, form), left[name])), "")
            if form:
                return name, form
    return None


def _reads(form: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value.strip()) if form == "iso" else datetime.strptime(value.strip(), form)
    except ValueError:
        return False
    return True


def _value(key: str, name: str, values: Column) -> str:
    """The line of one property or trait."""
    key = quoted(key)
    texts = [value.strip() for value in values if isinstance(value, str)]
    kind = _kind_of(texts) if len(texts) == len(values) and not _NAMES.search(_bare(name)) else ""
    return f"{key}: {{column: {quoted(name)}{kind}}}" if kind else f"{key}: {quoted(name)}"


def _kind_of(texts: Sequence[str]) -> str:
    """What the mapping says of a column of such texts; empty for text."""
    if any(map(_ZEROS.fullmatch, texts)):
        return ""
    for pattern, kind in _NUMBERS:
        if _most(pattern.fullmatch, texts):
            return f", type: number{kind}"
    return ", type: boolean" if _most(lambda text: text.lower() in _WORDS, texts) else ""
