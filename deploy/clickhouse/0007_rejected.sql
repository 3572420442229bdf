CREATE TABLE IF NOT EXISTS rejected_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic rejected',
    `partition` UInt16 COMMENT 'Partition of the topic rejected',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    source LowCardinality(String) DEFAULT JSONExtractString(payload, 'source') COMMENT 'Name of the source that sent it',
    received_at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(JSONExtractInt(payload, 'received_at'), 'UTC') COMMENT 'When the collector refused it',
    message_id String DEFAULT JSONExtractString(payload, 'message_id') COMMENT 'Its message id, empty when it had none',
    code LowCardinality(String) DEFAULT JSONExtractString(payload, 'code') COMMENT 'Stable name of the reason',
    field String DEFAULT JSONExtractString(payload, 'field') COMMENT 'Which field was wrong, as a dotted path',
    expected String DEFAULT JSONExtractString(payload, 'expected') COMMENT 'What was expected there',
    got String DEFAULT JSONExtractString(payload, 'got') COMMENT 'What came instead',
    reason String DEFAULT JSONExtractString(payload, 'reason') COMMENT 'The reason as a sentence',
    hint String DEFAULT JSONExtractString(payload, 'hint') COMMENT 'What would be right',
    raw String DEFAULT JSONExtractString(payload, 'raw') CODEC(ZSTD(1)) COMMENT 'The item as it came'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (workspace, source, received_at, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Items that collectors refused, each with its reason. People read the view rejected';

CREATE OR REPLACE VIEW rejected
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    source LowCardinality(String) COMMENT 'Name of the source that sent it',
    received_at DateTime64(3, 'UTC') COMMENT 'When the collector refused it',
    message_id String COMMENT 'Its message id, empty when it had none',
    code LowCardinality(String) COMMENT 'Stable name of the reason',
    field String COMMENT 'Which field was wrong, as a dotted path',
    expected String COMMENT 'What was expected there',
    got String COMMENT 'What came instead',
    reason String COMMENT 'The reason as a sentence',
    hint String COMMENT 'What would be right',
    raw String COMMENT 'The item as it came',
    incarnation LowCardinality(String) COMMENT 'Place in the log: life of the topic',
    `partition` UInt16 COMMENT 'Place in the log: partition',
    `offset` UInt64 COMMENT 'Place in the log: offset of the frame',
    `index` UInt32 COMMENT 'Place in the log: index of the line in its frame'
)
AS SELECT workspace, source, received_at, message_id, code, field, expected, got, reason, hint, raw,
    incarnation, partition, offset, index
FROM rejected_log FINAL
COMMENT 'Items that collectors refused, each once, with its reason';
