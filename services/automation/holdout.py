"""Who is left out of a rule so that its effect can be measured: a share of the people, always the same ones."""

from hashlib import blake2b

WHOLE = 10_000  # shares are whole hundredths of a percent
HELD = "holdout"  # why an action is held


def share(text: object) -> int:
    """ "10%" or "2.5%" in hundredths of a percent. Raises ValueError, which says how a share is written."""
    number, percent, rest = text.partition("%") if isinstance(text, str) else ("", "", "")
    whole, point, places = number.strip().partition(".")
    written = whole.isdecimal() and whole.isascii() and len(whole) <= 3 and percent and not rest.strip()
    if written and (not point or (places.isdecimal() and places.isascii() and len(places) <= 2)):
        found = int(whole) * 100 + int(places.ljust(2, "0") or 0)
        if found < WHOLE:
            return found
    raise ValueError("a share is a number of percent from 0% to below 100%, such as `10%` or `2.5%`")


def held_out(workspace: str, rule: str, profile_id: str, share: int) -> bool:
    """Whether this person is in the rule's holdout of `share` hundredths of a percent.

    It depends on nothing but the three names: the same person has the same answer each time the rule is triggered, and
    whoever is in a holdout stays in it when its share grows. A person is known by the profile id at the trigger, so
    two people who become one have one answer from then on, which for one of them may be another.
    """
    named = f"{workspace}/{rule}/{profile_id}".encode()
    return int.from_bytes(blake2b(named, digest_size=8).digest(), "big") % WHOLE < share
