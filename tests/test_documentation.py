"""What the pages say is true: links lead somewhere, commands, files and variables exist, examples are accepted."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from services.commands.application import app, loaded
from services.configuration import load_config
from services.ingest.collect import Collected, Collector
from services.ingest.payload import Arrival
from services.runtime.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
COMMANDS = {one.name: loaded(one.name) for one in app.registered_commands if one.name}
FOLDERS = "schemas|services|config|deploy|docs|scripts|benchmarks|tests"
MADE_BY_THE_READER = {f"config/rules/{name}.yaml" for name in ("welcome", "left_big_basket", "orders_to_crm")} | {
    "deploy/.env"
}

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCED.findall(text(page)) if kind == language]


def code(page: Path) -> list[str]:
    """Everything on the page that is written as code, by line."""
    whole = text(page)
    return [*(line for _, body in FENCED.findall(whole) for line in body.splitlines()), *INLINE.findall(prose(whole))]


def prose(whole: str) -> str:
    return FENCED.sub("", whole)


def anchors(page: Path) -> set[str]:
    """The names by which a link finds the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path, whole: str) -> list[str]:
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", INLINE.sub("", prose(whole))):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not link.startswith("https://") and not (target.exists() and (not anchor or anchor in anchors(target))):
            found.append(link)
    return found


def commands(page: Path) -> list[list[str]]:
    """The words behind every `rapport` that a reader may type."""
    lines = (re.sub(r"^(RAPPORT_\w+=\S+ )+", "", line).split("  #")[0] for line in code(page))
    return [shlex.split(line)[1:] for line in lines if re.match(r"(\.venv/bin/)?rapport [a-z]", line)]


def curls(page: Path) -> list[tuple[str, str, str]]:
    """(write key, call, body) of every event that the page sends with curl."""
    sent = re.findall(r"curl -u ([\w-]+): http://127\.0\.0\.1:8080/v1/(\w+) -d '(.*?)'", text(page), re.DOTALL)
    return [(key, call, body) for key, call, body in sent]


def collected(key: str, call: str, body: str) -> Collected:
    """What the collector makes of it, with the starter configuration."""
    config = load_config(ROOT / "config")
    (source,) = (source for source in config.sources if source.write_key == key)
    collector = Collector(config.identity, config.limits, lambda: "made")
    return collector.collect([msgspec.Raw(body.encode())], call, Arrival(source, 1_770_000_000_000))


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    assert not dead_links(page, text(page))


@every_page
def test_every_command_and_its_options_exist(page: Path) -> None:
    for name, *words in commands(page):
        assert name in COMMANDS, f"rapport {name}"
        command = COMMANDS[name]
        known = options_of(command)
        below = getattr(command, "commands", {})
        if below and words and not words[0].startswith("-"):
            assert words[0] in below, f"rapport {name} {words[0]}"
            known |= options_of(below[words[0]])
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known | {"--help"}, f"rapport {name}"


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@every_page
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert {name for line in code(page) for name in re.findall(r"^make ([a-z]+)", line)} <= targets


@every_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = {path for line in code(page) for path in re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*", line)}
    assert not [path for path in named - MADE_BY_THE_READER if not (ROOT / path.rstrip("."))
                .exists()]  # fmt: skip


@every_page
def test_every_variable_that_is_named_is_a_setting(page: Path) -> None:
    known = {f"RAPPORT_{name.upper()}" for name in Settings.model_fields}
    known |= set(re.findall(r"RAPPORT_TEST_[A-Z]+", text(ROOT / "tests" / "cluster" / "running.py")))
    assert set(re.findall(r"RAPPORT_[A-Z_]+", text(page))) <= known


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_the_first_events_are_accepted_as_they_stand_on_the_page(page: Path) -> None:
    assert [call for _, call, _ in curls(page)] == ["track", "identify"]
    for sent in curls(page):
        (verdict,) = collected(*sent).verdicts
        assert verdict.status == "accepted", verdict.reason


def test_the_answers_on_the_page_are_those_that_are_given() -> None:
    accepted, rejected = (json.loads(block) for block in blocks(README, "json"))
    assert accepted["items"][0].keys() == {"messageId", "status"}
    (verdict,) = collected("demo-web", "track", '{"user_id": "ann", "event": "Product Viewed"}').verdicts
    given: dict[str, Any] = msgspec.to_builtins(verdict)
    told = rejected["items"][0]
    assert told.keys() == given.keys()
    assert all(given[name].startswith(told[name].rstrip("… ")) for name in told)


@pytest.mark.parametrize("page", [README, CHINESE], ids=lambda page: page.name)
def test_the_first_rule_can_be_loaded_beside_the_starter_set(page: Path, tmp_path: Path) -> None:
    (rule,) = blocks(page, "yaml")
    folder = shutil.copytree(ROOT / "config", tmp_path / "config")
    (folder / "rules" / "welcome.yaml").write_text(rule, encoding="utf-8")
    assert "welcome" in {rule.name for rule in load_config(folder).rules}


def test_the_views_that_analysts_begin_with_are_made_by_the_migrations() -> None:
    made = {
        name
        for path in (ROOT / "deploy" / "clickhouse").glob("*.sql")
        for name in re.findall(r"^CREATE OR REPLACE VIEW (\w+)", text(path), re.MULTILINE)
    }
    for page, before in ((README, "Begin with the views"), (CHINESE, "从视图")):
        named = set(INLINE.findall(text(page).partition(before)[2].partition(".profile_id")[0])) - {"touchpoints"}
        assert len(named) > 5
        assert named <= made


def test_the_chinese_page_has_the_commands_of_the_english_one() -> None:
    english, chinese = ([re.sub(r" +#.*", "", block) for block in blocks(page, "")] for page in (README, CHINESE))
    assert chinese == english


def test_the_chinese_page_has_every_heading_and_row_of_the_english_one() -> None:
    english, chinese = (re.findall(r"^(#+ |\|)", prose(text(page)), re.MULTILINE) for page in (README, CHINESE))
    assert len(english) > 50
    assert chinese == english


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*.svg")), ids=lambda picture: picture.name)
def test_every_picture_can_be_drawn_and_says_what_it_shows(picture: Path) -> None:
    drawing = ElementTree.parse(picture).getroot()
    told = [drawing.findtext(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc")]
    assert all(told)


def test_the_checks_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[x](gone.md) [y](#a-page) [z](#none)\n```\nrapport fly --high\n```\n", encoding="utf-8")
    assert dead_links(page, text(page)) == ["gone.md", "#none"]
    assert commands(page) == [["fly", "--high"]]
    assert "fly" not in COMMANDS
