"""The CDNOW file is read from a wheel that nobody installs, and kept; whoever cannot have it is told what to do."""

import subprocess
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from services.commands.demo import wheel
from services.errors import RapportError

TEXT = b" customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n"


@pytest.fixture(autouse=True)
def small_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "SIZE", len(TEXT))
    monkeypatch.setattr(wheel, "DIGEST", sha256(TEXT).hexdigest())
    monkeypatch.setattr(wheel, "_ways", lambda folder: [("pip", ["pip", folder]), ("uv", ["uv", folder])])


class Downloads:
    """What pip and uv would do: a way that is in `contents` brings it, any other fails."""

    def __init__(self, contents: dict[str, bytes]):
        self.contents, self.tried = contents, list[str]()

    def __call__(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        name, folder = command[0], Path(command[1])
        self.tried.append(name)
        if name not in self.contents:
            return subprocess.CompletedProcess(command, 1, "", f"{name} says: no network\n")
        if name == "pip":
            with zipfile.ZipFile(folder / "Lifetimes-0.11.3-py3-none-any.whl", "w") as out:
                out.writestr(wheel.MEMBER, self.contents[name])
        else:
            (folder / wheel.MEMBER).parent.mkdir(parents=True)
            (folder / wheel.MEMBER).write_bytes(self.contents[name])
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.mark.parametrize("way", ["pip", "uv"])
def test_the_file_is_fetched_once_by_pip_or_uv_and_then_kept(tmp_path: Path, way: str) -> None:
    downloads = Downloads({way: TEXT})
    assert wheel.fetch(tmp_path, downloads) == TEXT.decode()
    tried = list(downloads.tried)
    assert wheel.fetch(tmp_path, downloads) == TEXT.decode()
    assert downloads.tried == tried
    assert [path.name for path in tmp_path.iterdir()] == ["CDNOW_master.txt"]


def test_a_kept_file_that_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "CDNOW_master.txt").write_bytes(TEXT[:-10] + b"19.77\r\n   ")
    assert wheel.fetch(tmp_path, Downloads({"pip": TEXT})) == TEXT.decode()
    assert (tmp_path / "CDNOW_master.txt").read_bytes() == TEXT


def test_another_file_under_the_same_name_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(RapportError, match="it brought another file"):
        wheel.fetch(tmp_path, Downloads({"pip": TEXT.replace(b"11", b"12")}))
    assert not list(tmp_path.iterdir())


def test_without_a_network_the_error_says_what_failed_and_where_to_put_the_file(tmp_path: Path) -> None:
    with pytest.raises(RapportError) as failed:
        wheel.fetch(tmp_path, Downloads({}))
    said = str(failed.value)
    assert "pip says: no network" in said and "uv says: no network" in said
    assert str(tmp_path / "CDNOW_master.txt") in said and "Lifetimes==0.11.3" in said
