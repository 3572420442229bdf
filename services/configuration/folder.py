"""Read the configuration folder.

    config/
      sources.yaml      who may send; the only file that must be there
      limits.yaml       how much may be sent at once
      identity.yaml     whose identifiers are whose: changes to the default rules
      traits.yaml       traits computed from events
      audiences.yaml    groups of people that are entered and exited
      plan.yaml         the tracking plan: what events look like, and what becomes of those that do not
      sending.yaml      how often and when people are written to
      rules/*.yaml      follow-ups, one rule a file
      templates/        texts that rules name as `text_file` and `html_file`

Instead of sources.yaml, traits.yaml, audiences.yaml or plan.yaml there may be a folder of that name with several such
files.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from services.automation.definitions import Rule
from services.automation.sending import Sending
from services.configuration.checks import Entry, cross_check, doubts
from services.configuration.sections import AudiencesFile, IdentityFile, SourcesFile, TraitsFile
from services.configuration.templates import with_templates
from services.configuration.tracking_plan import plan_of
from services.errors import ConfigError
from services.identifiers.rules import IdentityRules
from services.ingest.plan.definitions import PlanFile
from services.ingest.plan.judging import EVERYTHING, Plan
from services.ingest.sources import Limits, Source
from services.profile.definitions import Audience, Definitions, Trait
from services.yamlfile import Document, parse, read

MOST_FILES = 1_000  # in one folder
FILES = ("sources.yaml", "limits.yaml", "identity.yaml", "traits.yaml", "audiences.yaml", "plan.yaml", "sending.yaml")
_FOLDERS = ("sources", "traits", "audiences", "plan", "rules")

Model = TypeVar("Model", bound=BaseModel)


class Config(NamedTuple):
    """Everything that is configured. `definitions` are the traits and audiences compiled, with what conditions ask;
    `warnings` name what is possible and probably not meant, with file and line."""

    sources: tuple[Source, ...]
    limits: Limits
    identity: IdentityRules
    traits: tuple[Trait, ...]
    audiences: tuple[Audience, ...]
    rules: tuple[Rule, ...]
    definitions: Definitions
    plan: Plan = EVERYTHING
    sending: Sending = Sending()
    warnings: tuple[str, ...] = ()


def load_config(folder: Path) -> Config:
    """The folder's configuration. Raises ConfigError with everything that is wrong in all files at once."""
    if not folder.is_dir():
        raise ConfigError([f"{folder}: there is no such folder; name the configuration folder with --config"])
    found = _Reader(folder)
    identity = (found.one("identity.yaml", IdentityFile) or IdentityFile()).rules()
    limits = found.one("limits.yaml", Limits) or Limits()
    sending = found.one("sending.yaml", Sending) or Sending()
    sources, traits = found.entries("sources", SourcesFile), found.entries("traits", TraitsFile)
    audiences = found.entries("audiences", AudiencesFile)
    rules = [Entry(document, (), rule) for document, rule in found.files("rules", Rule)]
    rules = [with_templates(folder, entry, found.problems) for entry in rules]
    plan = plan_of(folder, found.files("plan", PlanFile), sources, found.problems)
    found.problems += cross_check(identity, sources, traits, audiences, rules, found.unread)
    if found.problems:
        raise ConfigError(found.problems)
    config = _config(limits, identity, *(_items(kind) for kind in (sources, traits, audiences, rules)))
    return config._replace(
        plan=plan, sending=sending, warnings=tuple(doubts(traits, "traits" in found.read, audiences, rules))
    )


def _items(entries: list[Entry]) -> list[Any]:
    return [entry.item for entry in entries]


def _config(
    limits: Limits, identity: IdentityRules, sources: list[Source], traits: list[Trait], audiences: list[Audience],
    rules: list[Rule],
) -> Config:  # fmt: skip
    conditions = [rule.condition for rule in rules if rule.condition]
    return Config(
        tuple(sources), limits, identity, tuple(traits), tuple(audiences), tuple(rules),
        Definitions(traits, audiences, conditions),
    )  # fmt: skip


class _Reader:
    """Reads the folder's files and collects what is wrong with them."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.problems = list(_strangers(folder))
        self.read: set[str] = set()  # sections with a file that is right
        self.unread: set[str] = set()  # sections with a file in which something is wrong

    def one(self, name: str, model: type[Model]) -> Model | None:
        """The content of this file; None when there is none, or something is wrong with it."""
        path = self._folder / name
        read_it = self._read(path.stem, path, model) if path.exists() else None
        return read_it[1] if read_it else None

    def files(self, section: str, model: type[Model]) -> list[tuple[Document, Model]]:
        """The file of this section, or those in the folder of that name, by name."""
        single, several = self._folder / f"{section}.yaml", sorted((self._folder / section).glob("*.yaml"))
        if single.exists() and several:
            self.problems.append(f"{single}: there is also the folder {several[0].parent}; keep one of them")
        if len(several) > MOST_FILES:
            self.problems.append(f"{several[0].parent}: {len(several)} files; at most {MOST_FILES} are possible")
        if section == "sources" and not single.exists() and not several:
            self.problems.append(f"{single}: there is no such file; it says who may send")
        paths = [single] if single.exists() else several[:MOST_FILES]
        return [found for path in paths if (found := self._read(section, path, model))]

    def entries(self, section: str, model: type[Model]) -> list[Entry]:
        """Everything that stands under `section:` in the section's files."""
        return [
            Entry(document, (section, index), item)
            for document, content in self.files(section, model)
            for index, item in enumerate(getattr(content, section))
        ]

    def _read(self, section: str, path: Path, model: type[Model]) -> tuple[Document, Model] | None:
        try:
            document = read(path)
            content = parse(document, model)
        except ConfigError as wrong:
            self.problems += wrong.problems
            self.unread.add(section)
            return None
        self.read.add(section)
        return document, content


def _strangers(folder: Path) -> list[str]:
    """Problems with files that nobody would read, such as audience.yaml or rules/welcome.yml."""
    problems = []
    folders = [path for path in folder.iterdir() if path.is_dir() and path.name in _FOLDERS]
    for path in sorted(path for inside in (folder, *folders) for path in inside.iterdir()):
        if path.suffix == ".yml":
            problems.append(f"{path}: is not read; call it {path.stem}.yaml")
        elif path.suffix == ".yaml" and path.parent == folder and path.name not in FILES:
            close = get_close_matches(path.name, FILES, 1)
            hint = f"did you mean {close[0]}?" if close else f"files here are {', '.join(FILES)}; rules are in rules/"
            problems.append(f"{path}: is not read; {hint}")
    return problems
