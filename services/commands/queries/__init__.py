"""Example questions to the warehouse, one file each; the comment at its top says what it answers."""

from pathlib import Path

from services.errors import RapportError

_FOLDER = Path(__file__).parent


def everything() -> dict[str, str]:
    """Each example's name and what it answers."""
    return {path.stem: _about(path) for path in sorted(_FOLDER.glob("*.sql"))}


def read(name: str) -> str:
    """The SQL of an example. Raises RapportError when there is none of that name."""
    names = [path.stem for path in sorted(_FOLDER.glob("*.sql"))]
    if name not in names:
        raise RapportError(f'there is no example "{name}"; there are {", ".join(names)}')
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def _about(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("-- ") for line in lines if line.startswith("--"))
