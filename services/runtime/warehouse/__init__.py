"""The warehouse: the archive of accepted touchpoints and everything analysts ask, in ClickHouse.

Embedded, one process owns the engine (chdb): it migrates the tables, a thread copies the topics into them, and the
same process answers ClickHouse's HTTP interface, read-only. `process.serve` puts the parts together.
"""
