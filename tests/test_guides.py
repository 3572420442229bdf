"""What the guides tell a new user to write is loaded beside the starter set; what they send is judged as they say."""

import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from services.configuration import load_config
from services.ingest.collect import Collector
from services.ingest.payload import Arrival

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
PAGES = [*GUIDES, ROOT / "docs" / "email.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDED_TO = {"traits.yaml", "audiences.yaml", "sources.yaml", "sending.yaml"}  # other files are written as they stand


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCED.findall(page.read_text(encoding="utf-8")) if kind == language]


def written(page: Path, folder: Path) -> set[str]:
    """Do what the page says with `folder`; the files that it names."""
    names = set()
    for block in blocks(page, "yaml"):
        name = block.partition("\n")[0].removeprefix("# ")
        before = (folder / name).read_text(encoding="utf-8") if name in ADDED_TO else ""
        (folder / name).write_text(before + block, encoding="utf-8")
        names.add(name)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_all_that_a_guide_writes_is_loaded_beside_the_starter_set(page: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "config", tmp_path / "config")
    names = written(page, folder)
    config = load_config(folder)
    assert {name for name in names if name.startswith("rules/")} <= {f"rules/{rule.name}.yaml" for rule in config.rules}
    assert all((folder / name).exists() for name in names) and (names or page.name == "analyst.md")


def test_the_events_of_the_engineers_guide_are_judged_as_it_says() -> None:
    page = ROOT / "docs" / "guides" / "engineer.md"
    (said,) = re.findall(r"/v1/batch -d '(.*?)'\n", page.read_text(encoding="utf-8"), re.DOTALL)
    told = json.loads(blocks(page, "json")[0])
    config = load_config(ROOT / "config")
    (source,) = (source for source in config.sources if source.write_key == "demo-web")
    calls = msgspec.json.decode(said, type=dict[str, list[msgspec.Raw]])["batch"]
    collected = Collector(config.identity, config.limits, lambda: "made").collect(
        calls, "", Arrival(source, 1_770_000_000_000)
    )
    assert len(calls) == len(told["items"])
    for verdict, item in zip(collected.verdicts, told["items"], strict=True):
        assert (verdict.status, verdict.code or "") == (item["status"], item.get("code", ""))
        assert (verdict.reason or "").startswith(item.get("reason", "").rstrip("… "))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_the_programs_of_a_guide_can_be_compiled(page: Path) -> None:
    for program in blocks(page, "python"):
        compile(program, page.name, "exec")


def test_every_guide_is_where_its_reader_looks_first() -> None:
    for page in ("README.md", "README.zh-CN.md"):
        linked = set(re.findall(r"\]\(docs/guides/(\w+\.md)\)", (ROOT / page).read_text(encoding="utf-8")))
        assert linked == {guide.name for guide in GUIDES}
