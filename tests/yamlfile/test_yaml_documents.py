"""Reading a YAML file: values that mean what they look like, with their lines; anything else is a ConfigError."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import ConfigError
from services.yamlfile import Document, read
from services.yamlfile.document import DEEPEST, LARGEST

IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
text = st.text(st.characters(min_codepoint=32, max_codepoint=0x24FF, exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems(folder: Path, content: str | bytes) -> list[str]:
    path = written(folder, content)
    with pytest.raises(ConfigError) as caught:
        read(path)
    return [problem.replace(str(path), "file.yaml") for problem in caught.value.problems]


@IN_ONE_FOLDER
@given(values)
def test_json_is_read_as_what_it_is(tmp_path: Path, value: Any) -> None:
    assert read(written(tmp_path, json.dumps(value, ensure_ascii=False))).value == value


def places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, part in inside for found in places(part, (*place, key)))]


@IN_ONE_FOLDER
@given(st.dictionaries(text, values, max_size=4))
def test_every_key_is_found_on_its_line(tmp_path: Path, value: Any) -> None:
    content = json.dumps(value, ensure_ascii=False, indent=1)
    document, lines = read(written(tmp_path, content)), content.split("\n")
    for place in places(value)[1:]:
        shown = lines[document.line(place) - 1].strip()
        assert not isinstance(place[-1], str) or shown.startswith(json.dumps(place[-1], ensure_ascii=False) + ":")


@IN_ONE_FOLDER
@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"#%@?,\n\t \u0001é\ufeff", max_size=60).map(str.encode))
def test_whatever_stands_in_a_file_it_is_read_or_refused_with_the_files_name(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    try:
        assert isinstance(read(path), Document)
    except ConfigError as wrong:
        assert all(problem.startswith(str(path)) for problem in wrong.problems)


def test_only_json_words_and_numbers_are_more_than_text(tmp_path: Path) -> None:
    content = "a: no\nb: 2024-01-01\nc: +86\nd: 007\ne: 1.50\nf: ~\ng:\nh: 'true'\ni: true\nj: 12:30\nyes: 1\n1: x\n"
    assert read(written(tmp_path, content)).value == {
        "a": "no", "b": "2024-01-01", "c": "+86", "d": "007", "e": 1.5, "f": None, "g": None, "h": "true", "i": True,
        "j": "12:30", "yes": 1, "1": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 'file.yaml, line 3: "a" is here twice; first on line 1'),
        ("a:\n\tb: 1\n", "file.yaml, line 2: a tab stands in the indentation; use spaces"),
        (
            "a: 1\nb: c: d\n",
            'file.yaml, line 2: a ":" too many (a text with ": " needs quotes), or the line is indented wrongly',
        ),
        ("a: [1, 2\nb: 3\n", "file.yaml, line 2: a list in brackets is not closed, or a comma is missing"),
        (
            "a: 1\n b: 2\n",
            'file.yaml, line 2: a ":" too many (a text with ": " needs quotes), or the line is indented wrongly',
        ),
        ("a: @x\n", "file.yaml, line 1: a value cannot begin with this character; put the text in quotes"),
        ("a: 1\n? [b]\n: 2\n", "file.yaml, line 2: a key must be a text"),
        ("a: !!python/name:os.system x\n", "file.yaml, line 1: this cannot be read; put it in quotes if it is a text"),
        ("a: " + "9" * 5000, "file.yaml, line 1: this cannot be read; put it in quotes if it is a text"),
        ("a: \x01\n", "file.yaml, line 1: a control character stands here; remove it"),
        (b"a: 1\nb: \xff\n", "file.yaml, line 2: is not UTF-8; save the file with the encoding UTF-8"),
        ("[" * 100_000, f"file.yaml, line 1: nested too deep; at most {DEEPEST} levels are possible"),
        ("#" * (LARGEST + 1), "file.yaml: is larger than 256 KB; split it into several files"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, content: str | bytes, problem: str) -> None:
    assert problems(tmp_path, content) == [problem]


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    bomb = "a0: &a0 lol\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert "line 1: anchors and aliases" in problems(tmp_path, bomb)[0]


def test_several_problems_are_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "a: 1\na: 2\nb: 1\nb: 2\n")) == 2


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)
