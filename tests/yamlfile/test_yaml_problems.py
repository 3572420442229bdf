"""What pydantic finds wrong becomes a sentence with file, line and what would be right."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.errors import ConfigError
from services.yamlfile import load


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["email", "webhook"]
    sender: str = Field("", alias="from")
    wait: timedelta = timedelta()


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern="^[a-z]+$")]
    write_key: str = Field("", max_length=3)
    amount: int = 0
    steps: list[Step] = []
    by_name: dict[str, Step] = {}
    some: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    few: Annotated[dict[str, int], Field(max_length=1)] = {}
    text: Annotated[str, Field(min_length=1, max_length=5)] = "x"
    address: Annotated[str, Field(min_length=3)] = "abc"
    place: Annotated[int, Field(ge=1, le=1_000)] = 1
    speed: Annotated[float, Field(gt=0, lt=5)] = 1
    on: Literal[True] = True
    variable: Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]*$")] = "X"

    @field_validator("amount")
    @classmethod
    def _even(cls, amount: int) -> int:
        if amount % 2:
            raise ValueError("an amount is even, such as 2")
        return amount


def problems(folder: Path, content: str) -> list[str]:
    path = folder / "plan.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, Plan)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_a_right_file_becomes_the_model(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("name: ann\nsteps:\n  - {kind: email, from: shop, wait: PT1H}\n", encoding="utf-8")
    plan = load(path, Plan)
    assert (plan.name, plan.steps[0].sender, plan.steps[0].wait) == ("ann", "shop", timedelta(hours=1))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", 'plan.yaml, line 1: the file lacks "name"'),
        ("- a", "plan.yaml, line 1: the file expected names with values (`name: value`), got a list"),
        ("name: Ann", "plan.yaml, line 1: \"name\" expected a text that matches '^[a-z]+$', got \"Ann\""),
        ("name: 12", 'plan.yaml, line 1: "name" expected a text, got 12; put it in quotes'),
        ("name: a\namount: many", 'plan.yaml, line 2: "amount" expected a whole number, got "many"'),
        ("name: a\namount: 1.5", 'plan.yaml, line 2: "amount" expected a whole number, got 1.5'),
        ("name: a\namount: 3", 'plan.yaml, line 2: "amount" is not right: an amount is even, such as 2, got 3'),
        ("name: a\namount:", 'plan.yaml, line 2: "amount" expected a whole number, got nothing'),
        ("name: a\namont: 2", 'plan.yaml, line 2: "amont" is not known here; did you mean "amount"?'),
        (
            "name: a\nsteps:\n- kind: email\n  wait: soon",
            'plan.yaml, line 4: "steps[0].wait" expected a duration such as 1h or 30m, got "soon"',
        ),
        (
            "name: a\nsteps:\n- kind: emial",
            'plan.yaml, line 3: "steps[0].kind" expected \'email\' or \'webhook\', got "emial"; did you mean "email"?',
        ),
        ("name: a\nsome: []", 'plan.yaml, line 2: "some" expected at least 1 entry, got none'),
        ("name: a\nsome: [1, 2, 3]", 'plan.yaml, line 2: "some" expected at most 2 entries, got 3'),
        ("name: a\nfew: {a: 1, b: 2}", 'plan.yaml, line 2: "few" expected at most 1 entry, got more'),
        ("name: a\ntext: ''", 'plan.yaml, line 2: "text" expected a text that is not empty, got ""'),
        ("name: a\ntext: toolong", 'plan.yaml, line 2: "text" expected at most 5 characters, got "toolong"'),
        ("name: a\naddress: ab", 'plan.yaml, line 2: "address" expected at least 3 characters, got "ab"'),
        ("name: a\nplace: 0", 'plan.yaml, line 2: "place" expected 1 or more, got 0'),
        ("name: a\nplace: 2000", 'plan.yaml, line 2: "place" expected 1000 or less, got 2000'),
        ("name: a\nspeed: 0", 'plan.yaml, line 2: "speed" expected more than 0, got 0'),
        ("name: a\nspeed: 5.5", 'plan.yaml, line 2: "speed" expected less than 5, got 5.5'),
        ("name: a\non: false", 'plan.yaml, line 2: "on" expected true, got false'),
        (
            "name: a\nvariable: my-secret",
            'plan.yaml, line 2: "variable" expected the name of an environment variable, in capitals, '
            'such as CRM_SECRET, got "my-secret"',
        ),
        ("name: a\nsteps: x", 'plan.yaml, line 2: "steps" expected a list (lines that begin with `- `), got "x"'),
        ("name: a\nsteps:\n\n- from: x", 'plan.yaml, line 4: "steps[0]" lacks "kind"'),
        (
            "name: a\nsteps:\n- kind: email\n  form: x",
            'plan.yaml, line 4: "steps[0].form" is not known here; did you mean "from"?',
        ),
        (
            "name: a\nby_name:\n  one:\n    kind: email\n    zzz: x",
            'plan.yaml, line 5: "by_name.one.zzz" is not known here; possible are from, kind, wait',
        ),
    ],
)  # fmt: skip
def test_a_problem_names_the_line_and_what_was_expected(tmp_path: Path, content: str, problem: str) -> None:
    assert problems(tmp_path, content) == [problem]


def test_all_problems_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    found = problems(tmp_path, "steps:\n- kind: x\namount: x\nname: 1\nextra: 1\n")
    assert [sentence.split(":")[0] for sentence in found] == [f"plan.yaml, line {line}" for line in (2, 3, 4, 5)]


def test_a_flood_of_problems_is_cut_short(tmp_path: Path) -> None:
    found = problems(tmp_path, "name: a\n" + "".join(f"x{n}: 1\n" for n in range(200)))
    assert len(found) == 51
    assert found[-1] == "plan.yaml: and 150 more"


def test_a_secret_is_not_quoted(tmp_path: Path) -> None:
    found = problems(tmp_path, "name: a\nwrite_key: verysecret\n")
    assert "verysecret" not in found[0]
    assert "write_key" in found[0]
