"""Whether a watermark and the log belong together. What does not fit stops the warehouse, before rows go missing."""

from services.errors import RapportError
from services.runtime.warehouse.watermarks import Place, Watermark


def check(place: Place, mark: Watermark, here: str, begin: int, end: int) -> None:
    """The topic is in the life `here` and holds the offsets from `begin` up to `end`. Raises RapportError, with what to
    do, when the watermark is of another life, or outside of these."""
    where = place.topic if not place.partition else f"{place.topic}, partition {place.partition},"
    check_life(place, mark, here)
    if mark.offset > end:
        raise RapportError(
            f"the topic {where} ends at offset {end}, but the warehouse has read up to {mark.offset}: the log is an"
            " older copy. Put the newer one back, or start with an empty data folder and `rapport restore`."
            f" {_forget(place)}"
        )
    if mark.offset < begin:
        raise RapportError(
            f"the topic {where} begins at offset {begin}, but the warehouse has read up to {mark.offset} only: the"
            f" frames between were kept for too short a time, or the warehouse is an older copy. Put a newer one back."
            f" {_forget(place)}"
        )


def check_life(place: Place, mark: Watermark, here: str) -> None:
    """The topic is in the life `here`. Raises RapportError when the watermark is of another one."""
    if mark.incarnation != here:
        raise RapportError(
            f"the topic {place.topic} was made anew (it was {mark.incarnation}, now it is {here}), but the warehouse"
            f" holds rows of the old one. Put the old log back, or restore into an empty data folder. {_forget(place)}"
        )


def _forget(place: Place) -> str:
    return (
        "On a ClickHouse server, to keep its rows and copy what the log holds now from its beginning on, run"
        f" ALTER TABLE warehouse_watermarks DELETE WHERE topic = '{place.topic}' as the user writer, and start again"
    )
