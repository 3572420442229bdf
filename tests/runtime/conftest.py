"""The sinks and the renderer of all tests of delivery, started once."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.runtime.delivering import World, a_world


@pytest.fixture(scope="session")
def shared() -> Iterator[tuple[World, asyncio.Runner]]:
    """A world, and the loop that everything in it runs on."""
    with a_world() as made:
        yield made


@pytest.fixture
def world(shared: tuple[World, asyncio.Runner]) -> World:
    """The world, in which nothing has happened yet."""
    shared[0].reset()
    return shared[0]
