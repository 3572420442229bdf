"""Texts of e-mails that stand in files of their own: they are part of the rule that names them."""

from pathlib import Path

from pydantic import ValidationError

from services.automation.steps import Step
from services.configuration.checks import Entry

LARGEST = 64 * 1024  # bytes of one text


class Unreadable(Exception):
    """This text cannot be read; says why."""


def with_templates(folder: Path, entry: Entry, problems: list[str]) -> Entry:
    """The rule with the texts of its files read in; what is wrong with them is added to `problems`."""
    steps = tuple(_filled(folder, entry, number, problems) for number in range(len(entry.item.then)))
    return entry._replace(item=entry.item.model_copy(update={"then": steps}))


def _filled(folder: Path, entry: Entry, number: int, problems: list[str]) -> Step:
    """One step with its texts. They are read one after another, so `name` is the one that failed."""
    step: Step = entry.item.then[number]
    names: list[str] = []

    def read(name: str) -> str:
        names.append(name)
        return text_of(folder, name)

    try:
        return step.with_files(read)
    except Unreadable as wrong:
        said = [str(wrong)]
    except ValidationError as wrong:
        said = [error["msg"].removeprefix("Value error, ") for error in wrong.errors(include_url=False)]
    part = "html_file" if step.email and step.email.html_file == names[-1] else "text_file"
    problems += [entry.problem(("then", number, "email", part), f'"{", ".join(names)}": {what}') for what in said]
    return step


def text_of(folder: Path, name: str) -> str:
    """The text of a file inside the folder. Raises Unreadable with the reason."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Unreadable("the file must be inside the configuration folder")
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST + 1)
        if len(found) > LARGEST:
            raise Unreadable(f"the file is larger than {LARGEST // 1024} KB")
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("the file is not UTF-8; save it with that encoding") from None
    except OSError:
        raise Unreadable(f"there is no such file in {folder}") from None
