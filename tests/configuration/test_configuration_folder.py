"""The configuration folder as a whole: what is right is read, and every wrong thing is told with file and line."""

import json
import re
from pathlib import Path

import pytest

from services.automation.definitions import Rule
from services.automation.sending import Sending
from services.configuration import Config, load_config
from services.configuration.sections import AudiencesFile, IdentityFile, SourcesFile, TraitsFile
from services.errors import ConfigError
from services.identifiers.rules import DEFAULT_RULES
from services.ingest.sources import Limits
from services.yamlfile.plainly import PATTERNS

SOURCES = "sources:\n  - {name: web, write_key: secret-1}\n"
AUDIENCES = "audiences:\n  - {name: vips, who: {trait: spent, gte: 5}}\n"
RULE = """\
name: hello
when: {enters: vips}
if: {event: Page Seen, at_least: 2}
then:
  - email: {from: a@b.example, subject: Hi, text_file: hello.txt}
"""


def folder(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, content in {"sources.yaml": SOURCES, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def problems(tmp_path: Path, files: dict[str, str]) -> list[str]:
    where = folder(tmp_path, files)
    with pytest.raises(ConfigError) as caught:
        load_config(where)
    return [problem.replace(f"{where}/", "").replace(str(where), "config") for problem in caught.value.problems]


def loaded(tmp_path: Path, files: dict[str, str]) -> Config:
    return load_config(folder(tmp_path, files))


def test_sources_alone_are_enough_and_everything_else_has_its_default(tmp_path: Path) -> None:
    config = loaded(tmp_path, {})
    assert [source.name for source in config.sources] == ["web"]
    assert (config.limits, config.identity) == (Limits(), DEFAULT_RULES)
    assert (config.traits, config.audiences, config.rules) == ((), (), ())


def test_a_rule_comes_with_the_text_of_its_template_and_the_events_it_asks_for_are_counted(tmp_path: Path) -> None:
    files = {"audiences.yaml": AUDIENCES, "rules/hello.yaml": RULE, "hello.txt": "Hello {{ profile.id }}"}
    config = loaded(tmp_path, files)
    assert config.rules[0].then[0].email is not None
    assert config.rules[0].then[0].email.text == "Hello {{ profile.id }}"
    assert config.definitions.events == {"Page Seen"}


def test_a_folder_of_files_is_read_like_one_file(tmp_path: Path) -> None:
    files = {
        "audiences/one.yaml": AUDIENCES,
        "audiences/two.yaml": AUDIENCES.replace("vips", "stars"),
        "audiences/three.yaml": "# nothing yet\n",
    }
    assert {audience.name for audience in loaded(tmp_path, files).audiences} == {"vips", "stars"}


def test_identity_adds_to_the_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"identity.yaml": "types:\n  loyalty_card: {priority: 4, limit: 1}\nregion: CN\n"})
    assert set(config.identity.types) == {*DEFAULT_RULES.types, "loyalty_card"}
    assert (config.identity.region, config.identity.blocked) == ("CN", DEFAULT_RULES.blocked)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"sources.yaml": SOURCES + "  - {name: web, write_key: other}\n"},
            'sources.yaml, line 3: the source "web" is there already (sources.yaml, line 2); each needs its own',
        ),
        (
            {"traits.yaml": "traits:\n- {name: a, event: E, count: true}\n- {name: a, event: F, count: true}\n"},
            'traits.yaml, line 3: the trait "a" is there already (traits.yaml, line 2); each needs its own',
        ),
        (
            {"audiences/a.yaml": AUDIENCES, "audiences/b.yaml": AUDIENCES},
            'audiences/b.yaml, line 2: the audience "vips" is there already (audiences/a.yaml, line 2); '
            "each needs its own",
        ),
        (
            {"audiences.yaml": AUDIENCES, "rules/hello.yaml": RULE.replace("vips", "vip"), "hello.txt": "x"},
            'rules/hello.yaml, line 2: there is no audience "vip"; did you mean "vips"?',
        ),
        (
            {"rules/hello.yaml": RULE, "hello.txt": "x"},
            'rules/hello.yaml, line 2: there is no audience "vips"; none is defined',
        ),
        (
            {"audiences.yaml": "audiences:\n- {name: a, who: {audience: b}}\n- {name: b, who: {not: {audience: a}}}\n"},
            "audiences.yaml, line 2: these audiences ask for each other in a circle: a → b → a",
        ),
        (
            {"audiences.yaml": "audiences:\n- name: vips\n  who:\n    all:\n    - {audience: vip}\n"},
            'audiences.yaml, line 5: there is no audience "vip"; did you mean "vips"?',
        ),
        (
            {"audiences.yaml": AUDIENCES, "rules/hello.yaml": RULE},
            'rules/hello.yaml, line 5: "hello.txt": there is no such file in config',
        ),
        (
            {"audiences.yaml": AUDIENCES, "rules/hello.yaml": RULE.replace("hello.txt", "../../etc/passwd")},
            'rules/hello.yaml, line 5: "../../etc/passwd": the file must be inside the configuration folder',
        ),
        (
            {"sources.yaml": SOURCES.replace("}", ", identifiers: {properties.mail: e_mail}}")},
            'sources.yaml, line 2: there is no identifier type "e_mail"; did you mean "email"?',
        ),
        ({"audience.yaml": AUDIENCES}, "audience.yaml: is not read; did you mean audiences.yaml?"),
        ({"rules/hello.yml": RULE}, "rules/hello.yml: is not read; call it hello.yaml"),
        (
            {"audiences.yaml": AUDIENCES, "audiences/b.yaml": AUDIENCES.replace("vips", "x")},
            "audiences.yaml: there is also the folder audiences; keep one of them",
        ),
        (
            {"audiences.yaml": "audiences:\n- name: x\n  who:\n    any:\n    - {trait: a}\n    - {trait: b, gtt: 1}\n"},
            'audiences.yaml, line 6: "audiences[0].who.any[1].gtt" is not known here; did you mean "gt"?',
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    assert problem in problems(tmp_path, files)


BUYERS = AUDIENCES.replace("spent", "life_value")
TRAITS = "traits:\n- {name: lifetime_value, event: Order Completed, sum: total}\n"
SEATS = "traits:\n- {name: seats_used, event: Seat Used, distinct: seat, of: account}\n"


def asking(condition: str) -> str:
    return f"name: hello\nwhen: {{event: A}}\nif: {condition}\nthen: [{{webhook: {{url_env: U, secret_env: S}}}}]\n"


@pytest.mark.parametrize(
    ("files", "warned"),
    [
        (
            {"traits.yaml": TRAITS, "audiences.yaml": "audiences:\n- name: x\n  who:\n    any:\n"
             "    - {trait: plan, is: a}\n    - not:\n        trait: life_value\n        gte: 5\n"},
            ['audiences.yaml, line 7: no trait "life_value" is computed; did you mean "lifetime_value"? '
             '(It is fine when events tell "life_value".)'],
        ),
        (
            {"traits.yaml": TRAITS, "hello.txt": "x", "audiences.yaml": AUDIENCES, "rules/hello.yaml": RULE.replace(
                "event: Page Seen, at_least: 2", "trait: lifetime_values, gt: 1")},
            ['rules/hello.yaml, line 3: no trait "lifetime_values" is computed; did you mean "lifetime_value"? '
             '(It is fine when events tell "lifetime_values".)'],
        ),
        (
            {"traits.yaml": "traits: []\n", "audiences.yaml": BUYERS},
            ['audiences.yaml, line 2: no trait is computed, so events have to tell "life_value"'],
        ),
        ({"audiences.yaml": BUYERS}, []),
        (
            {"traits.yaml": SEATS, "audiences.yaml": AUDIENCES.replace("spent", "seats_used")},
            ['audiences.yaml, line 2: "seats_used" is computed of accounts: in the `if` of a rule, '
             '`account: seats_used` asks for it. (It is fine when events tell "seats_used".)'],
        ),
        (
            {"traits.yaml": SEATS, "rules/hello.yaml": asking("{account: seats_use, gt: 1}")},
            ['rules/hello.yaml, line 3: no trait "seats_use" is computed of accounts; did you mean "seats_used"? '
             '(It is fine when group calls tell "seats_use".)'],
        ),
        (
            {"traits.yaml": TRAITS, "rules/hello.yaml": asking("{account: lifetime_value, gt: 1}")},
            ['rules/hello.yaml, line 3: "lifetime_value" is computed of people: `trait: lifetime_value` asks for it. '
             '(It is fine when group calls tell "lifetime_value".)'],
        ),
        ({"traits.yaml": SEATS, "rules/hello.yaml": asking("{account: seats_used, gt: 1}")}, []),
        ({"traits.yaml": SEATS, "rules/hello.yaml": asking("{account: plan, is: pro}")}, []),
        ({"traits.yaml": TRAITS, "audiences.yaml": AUDIENCES.replace("spent", "lifetime_value")}, []),
        ({"traits.yaml": TRAITS, "audiences.yaml": AUDIENCES.replace("spent", "city")}, []),
    ],
)  # fmt: skip
def test_a_condition_over_a_trait_that_is_probably_misspelt_is_doubted(
    tmp_path: Path, files: dict[str, str], warned: list[str]
) -> None:
    config = loaded(tmp_path, files)
    assert [warning.replace(f"{tmp_path}/", "") for warning in config.warnings] == warned


def test_what_a_broken_file_would_have_named_is_not_missed(tmp_path: Path) -> None:
    mapped = SOURCES.replace("}", ", identifiers: {properties.card: loyalty_card}}")
    files = {
        "audiences.yaml": AUDIENCES.replace("gte", "gtt"), "rules/hello.yaml": RULE, "hello.txt": "x",
        "identity.yaml": "types:\n  loyalty_card: {priority: 0, limit: 1}\n", "sources.yaml": mapped,
    }  # fmt: skip
    assert problems(tmp_path, files) == [
        'identity.yaml, line 2: "types.loyalty_card.priority" expected 1 or more, got 0',
        'audiences.yaml, line 2: "audiences[0].who.gtt" is not known here; did you mean "gt"?',
    ]


def test_every_pattern_that_a_name_must_match_is_said_in_words() -> None:
    models = (SourcesFile, IdentityFile, TraitsFile, AudiencesFile, Limits, Rule, Sending)
    said = re.findall(
        r'"pattern(?:Properties)?": \{?("[^"]*")', " ".join(json.dumps(model.model_json_schema()) for model in models)
    )
    assert {json.loads(pattern) for pattern in said} == set(PATTERNS)


def test_a_template_that_is_no_liquid_is_told_with_the_rules_line(tmp_path: Path) -> None:
    files = {"audiences.yaml": AUDIENCES, "rules/hello.yaml": RULE, "hello.txt": "Hello {{ profile"}
    found = problems(tmp_path, files)
    assert len(found) == 1
    assert found[0].startswith('rules/hello.yaml, line 5: "hello.txt": ')


def test_two_sources_with_one_write_key_are_refused_without_telling_it(tmp_path: Path) -> None:
    found = problems(tmp_path, {"sources.yaml": SOURCES + "  - {name: shop, write_key: secret-1}\n"})
    assert found == [
        'sources.yaml, line 3: the write_key of "shop" is there already (sources.yaml, line 2); each needs its own'
    ]


def test_all_files_are_looked_at_before_anything_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, {"sources.yaml": "- x\n", "traits.yaml": "traits: 1\n", "limits.yaml": "depth: x\n"})
    assert {problem.split(",")[0] for problem in found} == {"sources.yaml", "traits.yaml", "limits.yaml"}


def test_a_missing_folder_and_missing_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        load_config(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"sources\.yaml: there is no such file; it says who may send"):
        load_config(tmp_path)
