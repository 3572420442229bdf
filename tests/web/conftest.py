"""One browser for the tests of a module; for each test a collector, a site, and a profile that nobody used before."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.web.chromium import Collector, Site, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    one = browser.new_context()
    yield one
    one.close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.stop()


@pytest.fixture
def site() -> Iterator[Site]:
    one = Site()
    yield one
    one.stop()
