"""What is possible and probably not meant about a platform: said when it starts, and it starts all the same."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing

from services.automation.definitions import Rule
from services.configuration import Config
from services.runtime import frames, past
from services.runtime.files import Files


def doubts(config: Config, files: Files, environment: Mapping[str, str]) -> Iterator[str]:
    """Sentences about the configuration, the data folder and the environment that the platform runs in."""
    yield from config.warnings
    yield from filter(None, (_unset(rule, environment) for rule in config.rules))
    yield from _no_way_back(config, environment)
    yield from not_counted_yet(config, files)


def not_counted_yet(config: Config, files: Files) -> Iterator[str]:
    """A sentence when traits, audiences or the rules of identity have changed since the people were computed."""
    try:
        with closing(frames.open_reader(files.state)) as state:
            said = past.changed(state, config)
    except sqlite3.OperationalError:  # nothing has run in this folder yet
        return
    if said:
        yield said


def _no_way_back(config: Config, environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence when e-mails are to have links back to us, and the environment does not say where and how."""
    names = ("RAPPORT_LINK_SECRET", "RAPPORT_PUBLIC_URL")
    missing = [name for name in names if not environment.get(name)]
    mails = [step.email for rule in config.rules if rule.enabled for step in rule.then if step.email]
    asked = any("unsubscribe_url" in f"{mail.text} {mail.html}" for mail in mails)
    if len(missing) == 1 or (missing and asked):
        are = "is" if len(missing) == 1 else "are"
        yield (
            f"{' and '.join(missing)} {are} not set, so e-mails go out without a link to unsubscribe, and nobody hears"
            " of openings and clicks (docs/email.md)"
        )


def _unset(rule: Rule, environment: Mapping[str, str]) -> str:
    missing = sorted(rule.unset(environment)) if rule.enabled else []
    if not missing:
        return ""
    are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return (
        f"{' and '.join(missing)} {are} not set, so what the rule {rule.name} decides is held: set {them}, start again,"
        f" then `rapport resend --rule {rule.name}`; or switch the rule off (enabled: false)"
    )
