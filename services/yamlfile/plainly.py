"""What pydantic expected, in words for people who do not program."""

from typing import Any

from pydantic_core import ErrorDetails

PATTERNS = {
    r"^[a-z][a-z0-9_]*$": "a name of small letters, digits and _ that begins with a letter, such as big_spenders",
    r"^[a-z][a-z0-9_]{0,63}$": "a name of small letters, digits and _ that begins with a letter, such as loyalty_card",
    r"^[a-z][a-z0-9_-]*$": "a name of small letters, digits, _ and - that begins with a letter, such as welcome-back",
    r"^[a-z0-9][a-z0-9_-]*$": "a name of small letters, digits, _ and -, such as web-shop",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable, in capitals, such as CRM_SECRET",
    r"^[A-Za-z0-9_.]+$": "letters, digits, _ and dots, such as order.placed",
    r"^[!-9;-~]+$": "a key of letters, digits and signs, without spaces and colons",
    r"^([A-Z]{2})?$": "a country in two capital letters, such as CN",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": 'a time of day in quotes, such as "21:00"',
    r"^https?://[^\s/?#@]+([/?#]\S*)?$": "an address that begins with https://, such as https://crm.example/hooks",
}
_WORDS = (  # pydantic's words: ours
    ("a valid string", "a text"),
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
    ("a valid boolean", "true or false"),
    ("a valid list", "a list (lines that begin with `- `)"),
    ("a valid tuple", "a list (lines that begin with `- `)"),
    ("a valid dictionary", "names with values (`name: value`)"),
    ("a valid timedelta", "a duration such as 1h or 30m"),
    ("a valid decimal", "a number"),
    ("String should match pattern", "expected a text that matches"),
)


def plainly(error: ErrorDetails) -> str:
    """What was expected ("expected a whole number"); a validator's own message as it is."""
    bounds = error.get("ctx", {})
    match error["type"]:
        case "too_short":
            return f"expected {_entries('at least', bounds['min_length'])}, got {bounds['actual_length'] or 'none'}"
        case "too_long":
            return f"expected {_entries('at most', bounds['max_length'])}, got {bounds['actual_length'] or 'more'}"
        case "string_too_short":
            least = bounds["min_length"]
            return "expected a text that is not empty" if least == 1 else f"expected at least {least} characters"
        case "string_too_long":
            return f"expected at most {bounds['max_length']} characters"
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return f"expected {_bound(**bounds)}"
        case "string_pattern_mismatch" if bounds["pattern"] in PATTERNS:
            return f"expected {PATTERNS[bounds['pattern']]}"
        case "union_tag_invalid":
            return f"its {bounds['discriminator']} is '{bounds['tag']}'; there are {bounds['expected_tags']}"
        case "union_tag_not_found":
            return f"it must name its {bounds['discriminator']}"
        case "literal_error" if bounds["expected"] in ("True", "False"):
            return f"expected {bounds['expected'].lower()}"
    return _translated(error["msg"].removeprefix("Value error, "))


def _entries(least_or_most: str, number: int) -> str:
    return f"{least_or_most} {number} {'entry' if number == 1 else 'entries'}"


def _bound(ge: Any = None, le: Any = None, gt: Any = None, lt: Any = None) -> str:
    """The bound that was given, as people say it."""
    if ge is not None:
        return f"{_shown(ge)} or more"
    if le is not None:
        return f"{_shown(le)} or less"
    return f"more than {_shown(gt)}" if gt is not None else f"less than {_shown(lt)}"


def _shown(bound: Any) -> str:
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() else str(bound)


def _translated(message: str) -> str:
    if not message.startswith(("Input should be ", "String should ")):
        return message
    for theirs, ours in _WORDS:
        message = message.replace(theirs, ours)
    for start in (", unable", " or instance of", " in duration", ", got", ", invalid"):
        message = message.partition(start)[0]
    return message.replace("Input should be ", "expected ")
