"""What holds for all tests: Ctrl-C is not ignored, and there is one warehouse for those that only ask."""

import signal
from collections.abc import Iterator

import pytest

from tests.warehouse.warehouse_process import WarehouseProcess

pytest_plugins = ["tests.cluster.running"]  # real Kafka and Redis, for whoever asks

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background: all that we start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseProcess]:
    """A warehouse that is up; shared, so publish under a workspace of your own."""
    process = WarehouseProcess(tmp_path_factory.mktemp("warehouse")).start()
    yield process
    assert process.stop() == 0
