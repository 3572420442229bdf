"""The house style that a machine can check: small files and functions, literal names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "services", "sdk", "benchmarks", "scripts", "tests")
LONGEST_MODULE = 400  # lines
LONGEST_FUNCTION = 70  # lines, with its decorators and docstring
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}

MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def too_long(source: str) -> list[str]:
    """The functions of a module that are too long, with their lengths."""
    found = []
    for function in functions(ast.parse(source)):
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        length = (function.end_lineno or first) - first + 1
        if length > LONGEST_FUNCTION:
            found.append(f"{function.name} has {length} lines")
    return found


def vague(path: Path) -> set[str]:
    """The words of a module's path that say nothing."""
    return {word for part in path.with_suffix("").parts for word in part.lower().split("_")} & VAGUE


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_a_module_is_small_and_so_are_its_functions(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST_MODULE, f"{label(path)} is too long: split it by reason to change"
    assert not too_long(source)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [label(path) for path in MODULES if vague(path.relative_to(ROOT))]


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 30


def test_the_checks_can_fail() -> None:
    assert too_long("def long():\n" + "    pass\n" * LONGEST_FUNCTION) == [f"long has {LONGEST_FUNCTION + 1} lines"]
    assert not too_long("def short():\n" + "    pass\n" * (LONGEST_FUNCTION - 1))
    assert vague(Path("services/http_utils.py")) == {"utils"}
    assert not vague(Path("services/database.py"))
