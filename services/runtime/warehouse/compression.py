"""Response bodies in the encoding that the client likes best: lz4, zstd or gzip, a piece at a time."""

import zlib
from typing import Any, Protocol

LEAST = 1_000  # bytes of an answer below which nothing is compressed


class Compressor(Protocol):
    """Makes smaller pieces of pieces."""

    def compress(self, data: bytes) -> bytes:
        """As much as can be said by now."""

    def flush(self) -> bytes:
        """The rest."""


class _Lz4:
    """lz4's frame format, with its header before the first piece."""

    def __init__(self) -> None:
        import lz4.frame  # type: ignore[import-untyped]

        self._inner: Any = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._inner.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._inner.compress(data))

    def flush(self) -> bytes:
        return self._head + bytes(self._inner.flush())


def _zstd() -> Compressor:
    from backports import zstd

    return zstd.ZstdCompressor(level=1)


def _gzip() -> Compressor:
    return zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)


_MAKERS = {"lz4": _Lz4, "zstd": _zstd, "gzip": _gzip}  # the quickest first


def choose(accepted: str) -> tuple[str, Compressor] | None:
    """Name and compressor of the quickest encoding that the Accept-Encoding header names; None for none."""
    names = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return next(((name, make()) for name, make in _MAKERS.items() if name in names), None)
