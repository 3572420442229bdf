-- The archive of accepted touchpoints: one row for each line of the topic `touchpoints`, byte for byte in `payload`.
-- The writer sends the position, the anchor's id and the payload; every other column is computed from the payload here,
-- so a column that is added later can be filled for the past too. The envelope is read from the text before
-- `,"properties":`, so that nothing a client put into its objects (a number beyond all bounds, bytes that are no
-- UTF-8, a thousand nested lists) can hide who did what when: the objects then read as {}, and the payload is kept.
-- The same position inserted twice is one row: ReplacingMergeTree by a key that contains it, in partitions that
-- depend on the payload alone. A person's touchpoints lie together: a page of the timeline takes 45 ms of 200,000 rows
-- where the order (event, timestamp) takes 300, and counts by event or time take the same. fsync_after_insert: the
-- writer moves its watermark on only after the part is on disk.
CREATE TABLE IF NOT EXISTS touchpoint_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic that the position belongs to; a re-created log has another',
    `partition` UInt16 COMMENT 'Partition of the topic touchpoints',
    `offset` UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Offset of the frame in its partition',
    `index` UInt32 CODEC(Delta, ZSTD(1)) COMMENT 'Index of the line in its frame, from 0',
    anchor_id String CODEC(ZSTD(1)) COMMENT 'Profile id that the anchor names by itself: the owner as long as identity has said nothing else',
    payload String CODEC(ZSTD(1)) COMMENT 'The line as the collector wrote it, byte for byte: export, restore and rebuild read this',
    envelope Tuple(
        workspace String, source String, channel String, type String, event String, message_id String, anchor String,
        identifiers Array(String), timestamp Int64, original_timestamp Nullable(Int64), sent_at Nullable(Int64),
        received_at Int64, evidence_at Int64, group_id String, previous String, rules String, imported Bool,
        restored Bool
    ) EPHEMERAL JSONExtract(
        concat(substring(payload, 1, position(payload, ',"properties":') - 1), '}'),
        'Tuple(workspace String, source String, channel String, type String, event String, message_id String, anchor String, identifiers Array(String), timestamp Int64, original_timestamp Nullable(Int64), sent_at Nullable(Int64), received_at Int64, evidence_at Int64, group_id String, previous String, rules String, imported Bool, restored Bool)'
    ) COMMENT 'Not stored: the envelope of the payload while a row is inserted',
    objects Tuple(properties JSON, traits JSON)
        EPHEMERAL JSONExtract(payload, 'Tuple(properties JSON, traits JSON)')
        COMMENT 'Not stored: the objects of the payload while a row is inserted',
    workspace LowCardinality(String) DEFAULT tupleElement(envelope, 'workspace') COMMENT 'Workspace: brands or customers that do not see each other',
    source LowCardinality(String) DEFAULT tupleElement(envelope, 'source') COMMENT 'Name of the source (its write key) that sent it',
    channel LowCardinality(String) DEFAULT tupleElement(envelope, 'channel') COMMENT 'Channel of the source: web, email, phone, ...',
    type LowCardinality(String) DEFAULT tupleElement(envelope, 'type') COMMENT 'track, identify, page, screen, group or alias',
    event LowCardinality(String) DEFAULT tupleElement(envelope, 'event') COMMENT 'What happened, for example Order Completed; empty when the type says it all',
    message_id String DEFAULT tupleElement(envelope, 'message_id') CODEC(ZSTD(1)) COMMENT 'The id that the sender gave it, its idempotency key in the workspace',
    anchor String DEFAULT tupleElement(envelope, 'anchor') CODEC(ZSTD(1)) COMMENT 'Its identifier of highest priority, as type:value',
    identifiers Array(String) DEFAULT tupleElement(envelope, 'identifiers') CODEC(ZSTD(1)) COMMENT 'All its identifiers as type:value, the anchor first',
    timestamp DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(tupleElement(envelope, 'timestamp'), 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When it happened, corrected for the skew of the sender''s clock',
    original_timestamp Nullable(DateTime64(3, 'UTC')) DEFAULT fromUnixTimestamp64Milli(tupleElement(envelope, 'original_timestamp'), 'UTC') CODEC(ZSTD(1)) COMMENT 'When it happened by the sender''s own clock; null when the sender did not say',
    sent_at Nullable(DateTime64(3, 'UTC')) DEFAULT fromUnixTimestamp64Milli(tupleElement(envelope, 'sent_at'), 'UTC') CODEC(ZSTD(1)) COMMENT 'When it was sent by the sender''s own clock; null when the sender did not say',
    received_at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(tupleElement(envelope, 'received_at'), 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'When the collector accepted it, by the collector''s clock',
    evidence_at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(tupleElement(envelope, 'evidence_at'), 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'Its time as evidence of who is who: the timestamp, as far back as the source is trusted',
    group_id String DEFAULT tupleElement(envelope, 'group_id') COMMENT 'Account or company of a group call, else empty',
    previous String DEFAULT tupleElement(envelope, 'previous') COMMENT 'previousId of an alias call, else empty',
    rules LowCardinality(String) DEFAULT tupleElement(envelope, 'rules') COMMENT 'Version of the identity rules that normalised its identifiers',
    imported Bool DEFAULT tupleElement(envelope, 'imported') COMMENT 'Came by an import: its message id is remembered for ever',
    restored Bool DEFAULT tupleElement(envelope, 'restored') COMMENT 'Came back by a restore: it never starts a follow-up of its own accord',
    properties JSON DEFAULT tupleElement(objects, 'properties') COMMENT 'What the sender said about the event; read with properties.name',
    traits JSON DEFAULT tupleElement(objects, 'traits') COMMENT 'What the sender said about the person; read with traits.name',
    context JSON ALIAS JSONExtract(payload, 'context', 'JSON') COMMENT 'Where it happened (page, device, library); computed from the payload when read',
    revenue Nullable(Decimal(38, 9)) DEFAULT coalesce(toDecimal128OrNull(toString(properties.revenue), 9), toDecimal128OrNull(toString(properties.total), 9)) CODEC(ZSTD(1)) COMMENT 'properties.revenue, else properties.total, as an exact decimal; null when there is neither'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (workspace, anchor, timestamp, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Archive of every accepted touchpoint with its place in the log; duplicates included. People read the view touchpoints';

CREATE TABLE IF NOT EXISTS duplicate_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic duplicates',
    `partition` UInt16 COMMENT 'Partition of the topic duplicates',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    message_id String DEFAULT JSONExtractString(payload, 'message_id') COMMENT 'The message id that had been seen before',
    anchor String DEFAULT JSONExtractString(payload, 'anchor') COMMENT 'Anchor of both touchpoints, as type:value',
    touchpoint_incarnation LowCardinality(String) COMMENT 'Life of the topic touchpoints that the verdict is about',
    touchpoint_partition UInt16 DEFAULT JSONExtractUInt(payload, 'partition') COMMENT 'Partition of the line that is a duplicate',
    touchpoint_offset UInt64 DEFAULT JSONExtractUInt(payload, 'offset') COMMENT 'Offset of the frame of that line',
    touchpoint_index UInt32 DEFAULT JSONExtractUInt(payload, 'index') COMMENT 'Index of that line in its frame'
)
ENGINE = ReplacingMergeTree
ORDER BY (touchpoint_incarnation, touchpoint_partition, touchpoint_offset, touchpoint_index, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Verdicts of the fold: lines of touchpoint_log that repeat an earlier message id. A rebuild may say the same again; the view duplicates has each line once';
