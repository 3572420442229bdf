"""From the bytes of a request to JSON text that can be read: decompressed within bounds, UTF-8, mended escapes."""

import re
import zlib

from services.ingest.refusal import Refusal

_GZIP = 31  # zlib's window bits for a gzip header
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a good pair
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half a pair: group 1
    rb"|.)",
    re.DOTALL,
)


def gunzip(data: bytes, limit: int) -> bytes:
    """Decompress one gzip member into at most `limit` bytes, and never make more than that in memory."""
    stream = zlib.decompressobj(_GZIP)
    try:
        found = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise Refusal(400, "invalid_gzip", f"the body says that it is gzip, and is not: {error}") from None
    if len(found) > limit:
        raise Refusal(413, "too_large", f"the decompressed body is larger than {limit} bytes")
    if not stream.eof or stream.unused_data:
        raise Refusal(400, "invalid_gzip", "the gzip body is cut off, or something follows it")
    return found


def text(data: bytes) -> bytes:
    """The same body, known to be UTF-8. Half a surrogate pair (a cut emoji) becomes U+FFFD, as every decoder would."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise Refusal(400, "invalid_utf8", f"the body is not UTF-8: byte {error.start}") from None
    if b"\\" in data and (b"\\ud" in data or b"\\uD" in data):
        return _ESCAPES.sub(lambda match: rb"\ufffd" if match[1] else match[0], data)
    return data
