CREATE TABLE IF NOT EXISTS audience_change_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic audience-changes',
    `partition` UInt16 COMMENT 'Partition of the topic audience-changes',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    profile_id String DEFAULT JSONExtractString(payload, 'profile_id') COMMENT 'The person',
    audience LowCardinality(String) DEFAULT JSONExtractString(payload, 'audience') COMMENT 'Name of the audience',
    change LowCardinality(String) DEFAULT JSONExtractString(payload, 'change') COMMENT 'entered or exited',
    reason LowCardinality(String) DEFAULT JSONExtractString(payload, 'reason') COMMENT 'touchpoint, merged, split or time',
    cause String DEFAULT JSONExtractString(payload, 'cause') COMMENT 'Message id of what caused it',
    at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(JSONExtractInt(payload, 'at'), 'UTC') COMMENT 'When'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (workspace, audience, profile_id, at, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Entries and exits as they were told. People read the view audience_changes';

CREATE OR REPLACE VIEW audience_changes
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    profile_id String COMMENT 'The person at the time; a later merge does not rewrite it',
    audience LowCardinality(String) COMMENT 'Name of the audience',
    change LowCardinality(String) COMMENT 'entered or exited',
    reason LowCardinality(String) COMMENT 'touchpoint, merged, split or time',
    cause String COMMENT 'Message id of what caused it',
    at DateTime64(3, 'UTC') COMMENT 'When'
)
AS SELECT workspace, profile_id, audience, change, reason, cause, at FROM audience_change_log FINAL
COMMENT 'People entering and exiting audiences: each change once';

CREATE OR REPLACE VIEW audiences
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    audience String COMMENT 'Name of the audience',
    profile_id String COMMENT 'A person who is in it now',
    entered_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the person entered last; null when it came along with a merge'
)
AS SELECT m.workspace AS workspace, m.audience AS audience, m.profile_id AS profile_id,
    if(c.changes = 0, NULL, c.entered) AS entered_at
FROM (
    SELECT workspace, arrayJoin(JSONExtract(payload, 'audiences', 'Array(String)')) AS audience, profile_id
    FROM profile_log FINAL
    WHERE NOT deleted AND redirect = ''
) AS m
LEFT JOIN (
    SELECT workspace, audience, profile_id, max(at) AS entered, count() AS changes
    FROM audience_change_log WHERE change = 'entered' GROUP BY workspace, audience, profile_id
) AS c ON c.workspace = m.workspace AND c.audience = m.audience AND c.profile_id = m.profile_id
COMMENT 'Who is in which audience now: one row for each person and audience';
