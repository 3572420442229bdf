"""Kafka, Redis and the ClickHouse endpoint as local processes: real ones, without Docker, in one folder."""
