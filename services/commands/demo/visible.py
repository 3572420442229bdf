"""How much of what was accepted can be seen: read from where each reader of the logs stands, which costs nothing."""

from contextlib import closing

from services.runtime import frames, standing
from services.runtime.files import Files


def visible(files: Files) -> float:
    """The share of the log that is in every profile and in ClickHouse: 1.0 when everything accepted so far is."""
    end = max(1, standing.log_end(files))
    share = min(standing.folded(files), standing.archived(files, "touchpoints")) / end
    with closing(frames.open_reader(files.state)) as state:
        told = frames.end(state, "profiles")
    behind = standing.archived(files, "profiles") < told
    return min(share, 0.99) if behind else share
