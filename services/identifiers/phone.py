"""One way of writing a telephone number."""

import re

import phonenumbers

_LONGEST = 40  # E.164 has 15 digits; the rest is room for how people write them
_WRITTEN = re.compile(r"(?:tel:)?[+\uff0b]?[\d\s().\-/\u2010-\u2015]+")


def phone(text: str, region: str) -> str | None:
    """The number as E.164 ("+8613800138000"), or None when it is no number or nobody knows its country.

    `region` is the two-letter country of numbers written without one. A number with an extension is none: a whole
    company shares it. Possible lengths are checked, not whether the range is in use, which changes every month.
    """
    if len(text) > _LONGEST or not _WRITTEN.fullmatch(text):
        return None
    number = _parse(text, region or None)
    return number if number and _parse(number, None) == number else None


def _parse(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_possible_number(number):
        return None
    written: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written
