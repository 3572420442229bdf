"""Fixtures of the tracking API's tests."""

import pytest
from hypothesis import settings

from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform

settings.register_profile("shared machine", deadline=None)  # one slow example says nothing about the code
settings.load_profile("shared machine")


@pytest.fixture
def platform() -> Platform:
    return Platform(Limits())


@pytest.fixture(scope="module")
def shared_platform() -> Platform:
    """One for many examples of a property, which then may not look at what others left in the journal."""
    return Platform(Limits())
