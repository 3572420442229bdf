"""The embedded engine over the same lines, in this process: what the cluster is compared with."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from services.configuration import load_config
from services.pipeline import STAGES, processors
from services.runtime import frames, garbage
from services.runtime.clock import wall
from services.runtime.engine import Engine
from services.runtime.settings import Settings
from services.runtime.sqlite_state import StateFile


def cost(
    settings: Settings, folder: Path, before: Sequence[bytes], lines: Sequence[bytes], cut: int
) -> dict[str, float]:
    """CPU µs of each stage for one of these lines, and of all with everything else of the engine's ("engine"), after
    it has carried those `before`. Frames of `cut` lines."""
    return asyncio.run(_cost(settings, folder, before, lines, cut))


async def _cost(
    settings: Settings, folder: Path, before: Sequence[bytes], lines: Sequence[bytes], cut: int
) -> dict[str, float]:
    log, stages = frames.open_file(folder / "log.db"), processors(load_config(settings.config), 0, defaultdict(int), 7)
    spent: dict[str, float] = defaultdict(float)

    def book(stage: str, _messages: int, seconds: float) -> None:
        spent[stage] += seconds

    file = StateFile(folder / "state.db", STAGES)
    engine = Engine(
        file, stages, lambda start, limit: frames.read(log, "touchpoints", start, limit), wall,
        settings.turn, settings.cache_records, book,
    )  # fmt: skip
    await engine.load()
    garbage.settle()
    for some in (before, lines):
        at = engine.watermark
        for number, begin in enumerate(range(0, len(some), cut), at):
            frames.append(log, "touchpoints", number, wall(), some[begin : begin + cut])
        spent.clear()
        began = time.process_time()
        while await engine.turn():
            pass
        spent["engine"] = time.process_time() - began
    log.close()
    return {stage: seconds / len(lines) * 1e6 for stage, seconds in spent.items()}
