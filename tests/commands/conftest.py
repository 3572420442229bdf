"""One platform that is up, with some touchpoints in it, and the command line to use it with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.using_rapport import Command, for_acme, order
from tests.e2e.running import Platform, platform

CONFIG = {
    "sources.yaml": """
sources:
  - {name: web, write_key: key-web}
  - {name: import, write_key: key-import, trusted: true}
""",
    "traits.yaml": """
traits:
  - {name: orders, event: Order Completed, count: true}
  - {name: spent, event: Order Completed, sum: total}
  - {name: seats, event: Seat Used, distinct: seat, of: account}
""",
    "audiences.yaml": """
audiences:
  - {name: regulars, who: {trait: orders, gte: 2}}
""",
    "rules/thanks.yaml": """
name: thanks
when: {event: Order Completed}
then:
  - webhook: {url_env: NO_SUCH_URL, secret_env: NO_SUCH_SECRET}
""",
    "rules/notes.yaml": """
name: notes
when: {event: Order Completed}
then:
  - webhook: {url: "https://crm.example/hook", secret_env: HOME}
""",
}


@pytest.fixture(scope="session")
def config_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small configuration."""
    folder = tmp_path_factory.mktemp("config")
    for name, text in CONFIG.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory, config_folder: Path) -> Iterator[Platform]:
    """A platform with people, duplicates, rejected rows, an audience and follow-ups in it."""
    with platform(tmp_path_factory.mktemp("data"), config_folder) as found:
        rapport = found.command
        events = [order(f"u{n % 7}", n) for n in range(40)] + [order("u1", 1)]
        assert rapport("import", "-", stdin=b"\n".join([*events, events[-1], b'{"type":"track"}'])).exit_code == 1
        for total in ("5", "7.25"):
            assert (
                rapport("send", "track", "--user", "u1", "--event", "Order Completed", "-p", f"total={total}").exit_code
                == 0
            )
        log_in = ("send", "identify", "--anonymous", "a1", "--user", "u1", "--trait", "email=ann@example.com")
        assert rapport("send", "page", "--anonymous", "a1").exit_code == rapport(*log_in).exit_code == 0
        for who in ("u5", "u6"):
            assert rapport("import", "-", stdin=b"\n".join(for_acme(who))).exit_code == 0
        assert rapport("audit").exit_code == 0
        yield found


@pytest.fixture
def rapport(up: Platform) -> Command:
    """The command line on the platform that is up."""
    return up.command
