-- How far a warehouse worker has copied each partition of each topic. It is written after the rows, so whoever takes a
-- partition over reads on from here, and a warehouse that was restored from a backup from what it has. It never goes
-- back: the highest offset counts, whoever notes it. Embedded, warehouse.db has this.
CREATE TABLE IF NOT EXISTS warehouse_watermarks
(
    topic LowCardinality(String) COMMENT 'Topic',
    incarnation LowCardinality(String) COMMENT 'Life of the topic; a re-created topic has another',
    `partition` UInt16 COMMENT 'Partition of the topic',
    `offset` UInt64 COMMENT 'Offset to read next: the rows of all before it are here',
    noted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this was noted'
)
ENGINE = ReplacingMergeTree(`offset`)
ORDER BY (topic, incarnation, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far each topic was copied into this warehouse by workers';
