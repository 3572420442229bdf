"""The query of a URL: percent-decoded text by name, within bounds."""

from urllib.parse import parse_qsl

from services.ingest.refusal import Refusal


def parameters(query: bytes, limit: int) -> dict[str, str]:
    """Each parameter's text; of one that is there twice, the last. What is not UTF-8 becomes U+FFFD.

    Raises Refusal (414) for a query of more than `limit` bytes.
    """
    if len(query) > limit:
        raise Refusal(414, "too_large", f"the query has {len(query)} bytes; at most {limit} are accepted")
    return dict(parse_qsl(query.decode(errors="replace"), keep_blank_values=True, errors="replace"))
