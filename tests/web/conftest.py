"""One browser for the tests of a module; for each test a collector and a site of its own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from tests.web.chromium import Collector, Site, chromium


@pytest.fixture(scope="module")
def whole_context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        yield browser.new_context()


@pytest.fixture
def context(whole_context: BrowserContext) -> Iterator[BrowserContext]:
    """As good as new: each test's site is an origin of its own, so only cookies and the network are shared."""
    yield whole_context
    for page in whole_context.pages:
        page.close()
    whole_context.clear_cookies()
    whole_context.set_offline(False)


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.away()


@pytest.fixture
def site() -> Iterator[Site]:
    one = Site()
    yield one
    one.stop()
