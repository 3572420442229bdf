"""What one query of the reader may cost, and how far the reader may raise it.

The engine holds these as settings constraints (`engine.py` writes them into its profile), so neither a URL parameter
nor a SETTINGS clause gets beyond a ceiling, whatever the guard overlooks.
"""

from typing import NamedTuple

MEBI = 1 << 20


class Limit(NamedTuple):
    """A setting: what it is by default and the most that a reader may ask for."""

    default: int
    ceiling: int


LIMITS = {
    "max_execution_time": Limit(60, 3600),  # seconds; an export of a large archive streams for longer
    "max_memory_usage": Limit(800 * MEBI, 800 * MEBI),  # bytes, one query
    "max_threads": Limit(2, 2),
    "max_result_rows": Limit(50_000_000, 1_000_000_000),
    "max_result_bytes": Limit(4096 * MEBI, 1 << 40),
    "max_rows_to_read": Limit(1_000_000_000, 100_000_000_000),
    "max_query_size": Limit(MEBI, MEBI),
    "max_ast_elements": Limit(50_000, 50_000),
    "max_ast_depth": Limit(1_000, 1_000),
    "max_columns_to_read": Limit(1_000, 1_000),
    "max_temporary_columns": Limit(2_000, 2_000),
}
"""Limits of the engine, in its own units. The writer lives under them too: its statements are small."""

READER_SETTINGS = frozenset(LIMITS) | {
    "session_timezone",
    "date_time_output_format",
    "date_time_input_format",
    "output_format_json_quote_64bit_integers",
    "output_format_json_quote_decimals",
    "output_format_json_named_tuples_as_objects",
    "output_format_native_encode_types_in_binary_format",
    "join_use_nulls",
    "use_client_time_zone",
    "cast_string_to_dynamic_use_inference",
    "extremes",
    "result_overflow_mode",
    "max_block_size",
}
"""Settings that a reader may give in the URL. Everything else is the warehouse's own business."""

WRITER_SETTINGS = frozenset({
    "async_insert", "wait_for_async_insert", "insert_deduplicate", "insert_deduplication_token", "insert_quorum",
    "max_partitions_per_insert_block", "mutations_sync", "type_json_skip_duplicated_paths",
})  # fmt: skip
"""Further settings that a writer may give in the URL."""

TABLE_SETTINGS = frozenset({"fsync_after_insert", "fsync_part_directory", "index_granularity"})
"""Settings that a writer may give to a table that it makes."""

TRANSPORT_SETTINGS = frozenset({
    "add_http_cors_header", "buffer_size", "cancel_http_readonly_queries_on_client_close", "client_protocol_version",
    "compress", "database", "decompress", "default_format", "enable_http_compression",
    "http_headers_progress_interval_ms", "http_zlib_compression_level", "log_comment", "log_queries", "password",
    "query", "query_id", "quota_key", "readonly", "send_progress_in_http_headers", "session_check", "session_id",
    "session_timeout", "user", "wait_end_of_query",
})  # fmt: skip
"""URL parameters that belong to the HTTP interface, or that cannot be otherwise here (`readonly`)."""

LARGEST_QUERY = MEBI  # bytes of statement text
LARGEST_BODY = 16 * MEBI  # bytes of a request: the statement and its parameters
LARGEST_INSERT = 64 * MEBI  # bytes of a writer's request, also when it is no longer compressed
LARGEST_BUFFERED = 256 * MEBI  # bytes of a result in a format that cannot be streamed
"""Limits of the HTTP interface itself."""
