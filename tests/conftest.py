"""One warehouse process for all tests that only read what they published under a workspace of their own."""

from collections.abc import Iterator

import pytest

from tests.warehouse.warehouse_process import WarehouseProcess


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseProcess]:
    """A warehouse that is up; shared, so publish under a workspace of your own."""
    process = WarehouseProcess(tmp_path_factory.mktemp("warehouse")).start()
    yield process
    assert process.stop() == 0
