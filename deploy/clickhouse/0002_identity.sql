-- Who owns an identifier. Only identifiers whose owner is not their own default are told, so whoever attributes
-- something writes: if(owner = '', anchor_id, owner) after a left join by identifier_id = anchor_id.
CREATE TABLE IF NOT EXISTS identity_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic membership',
    `partition` UInt16 COMMENT 'Partition of the topic membership',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    identifier_id String COMMENT 'Profile id that the identifier names by itself: unique for workspace and identifier',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    identifier String DEFAULT JSONExtractString(payload, 'identifier') COMMENT 'The identifier, as type:value',
    owner String DEFAULT JSONExtractString(payload, 'owner') COMMENT 'Profile id of the person it belongs to',
    version UInt64 DEFAULT JSONExtractUInt(payload, 'version') COMMENT 'Grows with every change of owner; the highest counts',
    cause String DEFAULT JSONExtractString(payload, 'cause') COMMENT 'Message id of the evidence that moved it'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY identifier_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Owner of each identifier as identity told it. People read the view identity_map';

CREATE OR REPLACE VIEW identity_map
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    identifier String COMMENT 'The identifier, as type:value',
    identifier_id String COMMENT 'Profile id that the identifier names by itself; joins with touchpoint_log.anchor_id',
    profile_id String COMMENT 'Profile id of the person it belongs to now',
    version UInt64 COMMENT 'How often its owner has changed',
    cause String COMMENT 'Message id of the touchpoint that moved it last'
)
AS SELECT workspace, identifier, identifier_id, owner AS profile_id, version, cause
FROM identity_log FINAL
COMMENT 'Which person an identifier belongs to now: one row for each identifier that identity has spoken about';

CREATE TABLE IF NOT EXISTS identity_change_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic identity-changes',
    `partition` UInt16 COMMENT 'Partition of the topic identity-changes',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    profile_id String DEFAULT JSONExtractString(payload, 'profile_id') COMMENT 'The profile that changed',
    kind LowCardinality(String) DEFAULT JSONExtractString(payload, 'kind') COMMENT 'merged or split',
    into String DEFAULT JSONExtractString(payload, 'into') COMMENT 'The other profile: what it was merged into, or split off to',
    identifiers Array(String) DEFAULT JSONExtract(payload, 'identifiers', 'Array(String)') COMMENT 'The identifiers that moved, as type:value',
    cause String DEFAULT JSONExtractString(payload, 'cause') COMMENT 'Message id of the evidence',
    at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(JSONExtractInt(payload, 'at'), 'UTC') COMMENT 'When, by the clock of the collector that took the evidence'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (workspace, profile_id, at, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Merges and splits as they were told. People read the view identity_changes';

CREATE OR REPLACE VIEW identity_changes
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    profile_id String COMMENT 'The profile that changed',
    kind LowCardinality(String) COMMENT 'merged or split',
    into String COMMENT 'The other profile: what it was merged into, or split off to',
    identifiers Array(String) COMMENT 'The identifiers that moved, as type:value',
    cause String COMMENT 'Message id of the evidence',
    at DateTime64(3, 'UTC') COMMENT 'When, by the clock of the collector that took the evidence'
)
AS SELECT workspace, profile_id, kind, into, identifiers, cause, at FROM identity_change_log FINAL
COMMENT 'Two profiles became one, or one became two: each change once';
