"""Response bodies in the encoding that the client likes best, a piece at a time: lz4, zstd or gzip; and a writer's
request bodies out of it again.
"""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

from services.errors import Rejected

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


def _unzstd() -> Any:
    from backports import zstd

    return zstd.ZstdDecompressor()


def _unlz4() -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor()


_OPENERS: dict[str, Callable[[], Any]] = {
    "lz4": _unlz4, "zstd": _unzstd, "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
}  # fmt: skip


def expand(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before it was compressed, which clients do in one frame or in several, one behind the other.

    Raises Rejected when it has more than `most` bytes, is damaged, or is in another encoding.
    """
    if encoding in ("", "identity"):
        return body
    from backports.zstd import ZstdError

    if encoding not in _OPENERS:
        raise Rejected("syntax", f"Content-Encoding {encoding[:40]} is not read here", hint=", ".join(_OPENERS))
    whole = bytearray()
    while body:
        frame = _OPENERS[encoding]()
        try:
            whole += frame.decompress(body, most + 1 - len(whole))
        except (zlib.error, RuntimeError, ZstdError) as error:
            raise Rejected("syntax", f"the body is no {encoding}: {str(error)[:200]}") from None
        if len(whole) > most:
            raise Rejected("large", f"the request is longer than {most} bytes when it is no longer compressed")
        if not frame.eof:
            raise Rejected("syntax", f"the body is no {encoding}: it ends too early")
        body = frame.unused_data or b""
    return bytes(whole)
