"""Python's cyclic garbage collector, in a process that has loaded all that it works with."""

import gc


def settle() -> None:
    """Call it when everything is loaded: that stays, so it need not be looked through again and again, which took a
    sixth of the engine's CPU and made requests wait. Little of ours is made of cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
