CREATE TABLE IF NOT EXISTS action_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic actions',
    `partition` UInt16 COMMENT 'Partition of the topic actions',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    key String DEFAULT JSONExtractString(payload, 'key') COMMENT 'Name of the follow-up, once and for all',
    rule LowCardinality(String) DEFAULT JSONExtractString(payload, 'rule') COMMENT 'Name of the rule',
    step UInt32 DEFAULT JSONExtractUInt(payload, 'step') COMMENT 'Step of the rule, from 0',
    kind LowCardinality(String) DEFAULT JSONExtractString(payload, 'kind') COMMENT 'email, webhook, ...',
    anchor String DEFAULT JSONExtractString(payload, 'anchor') COMMENT 'Anchor that finds the person again, as type:value',
    profile_id String DEFAULT JSONExtractString(payload, 'profile_id') COMMENT 'The person when it was decided',
    audience LowCardinality(String) DEFAULT JSONExtractString(payload, 'audience') COMMENT 'The audience that was entered, else empty',
    cause String DEFAULT JSONExtractString(payload, 'cause') COMMENT 'Message id of the causing touchpoint',
    decided_at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(JSONExtractInt(payload, 'decided_at'), 'UTC') COMMENT 'When the rule decided'
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, key, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Follow-ups as the rules decided them. People read the view actions';

CREATE TABLE IF NOT EXISTS delivery_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic deliveries',
    `partition` UInt16 COMMENT 'Partition of the topic deliveries',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The message, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    key String DEFAULT JSONExtractString(payload, 'key') COMMENT 'Name of the follow-up',
    rule LowCardinality(String) DEFAULT JSONExtractString(payload, 'rule') COMMENT 'Name of the rule',
    kind LowCardinality(String) DEFAULT JSONExtractString(payload, 'kind') COMMENT 'email, webhook, ...',
    profile_id String DEFAULT JSONExtractString(payload, 'profile_id') COMMENT 'The person at that moment',
    status LowCardinality(String) DEFAULT JSONExtractString(payload, 'status') COMMENT 'waiting, sent, held, failed, uncertain or dead',
    attempt UInt32 DEFAULT JSONExtractUInt(payload, 'attempt') COMMENT 'Which attempt, from 1; 0 before the first',
    reason String DEFAULT JSONExtractString(payload, 'reason') COMMENT 'Why it was held or failed, else empty',
    recipient String DEFAULT JSONExtractString(payload, 'to') COMMENT 'Where it went: an address or a URL',
    at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(JSONExtractInt(payload, 'at'), 'UTC') COMMENT 'When'
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, key, incarnation, partition, offset, index)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every step of every delivery. People read the view deliveries';

CREATE OR REPLACE VIEW deliveries
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    key String COMMENT 'Name of the follow-up; joins with actions.key',
    rule LowCardinality(String) COMMENT 'Name of the rule',
    kind LowCardinality(String) COMMENT 'email, webhook, ...',
    profile_id String COMMENT 'The person at that moment',
    status LowCardinality(String) COMMENT 'waiting, sent, held, failed, uncertain or dead',
    attempt UInt32 COMMENT 'Which attempt, from 1; 0 before the first',
    reason String COMMENT 'Why it was held or failed, else empty',
    recipient String COMMENT 'Where it went: an address or a URL',
    at DateTime64(3, 'UTC') COMMENT 'When',
    `offset` UInt64 COMMENT 'Order of the steps: offset of the frame',
    `index` UInt32 COMMENT 'Order of the steps: index in the frame'
)
AS SELECT workspace, key, rule, kind, profile_id, status, attempt, reason, recipient, at, offset, index
FROM delivery_log FINAL
COMMENT 'What became of follow-ups, step by step: each step once';

CREATE OR REPLACE VIEW actions
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    key String COMMENT 'Name of the follow-up, once and for all',
    rule LowCardinality(String) COMMENT 'Name of the rule',
    step UInt32 COMMENT 'Step of the rule, from 0',
    kind LowCardinality(String) COMMENT 'email, webhook, ...',
    profile_id String COMMENT 'The person when it was decided',
    anchor String COMMENT 'Anchor that finds the person again, as type:value',
    audience LowCardinality(String) COMMENT 'The audience that was entered, else empty',
    cause String COMMENT 'Message id of the causing touchpoint',
    decided_at DateTime64(3, 'UTC') COMMENT 'When the rule decided',
    status String COMMENT 'Latest status of its delivery; waiting as long as delivery has said nothing',
    attempts UInt32 COMMENT 'Attempts so far',
    reason String COMMENT 'Why it was held or failed, else empty',
    recipient String COMMENT 'Where it went: an address or a URL; empty before the first attempt',
    status_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the status was reached; null before the first'
)
AS SELECT a.workspace AS workspace, a.key AS key, a.rule AS rule, a.step AS step, a.kind AS kind,
    a.profile_id AS profile_id, a.anchor AS anchor, a.audience AS audience, a.cause AS cause, a.decided_at AS decided_at,
    if(d.steps = 0, 'waiting', toString(d.last.1)) AS status, d.attempts AS attempts, d.last.2 AS reason,
    d.last.3 AS recipient, if(d.steps = 0, NULL, d.last.4) AS status_at
FROM (SELECT * FROM action_log ORDER BY decided_at, offset, index LIMIT 1 BY workspace, key) AS a
LEFT JOIN (
    SELECT workspace, key, argMax((status, reason, recipient, at), (offset, index)) AS last,
        max(attempt) AS attempts, count() AS steps
    FROM delivery_log GROUP BY workspace, key
) AS d ON d.workspace = a.workspace AND d.key = a.key
COMMENT 'Follow-ups that rules decided, each key once, with what became of it';
