-- Accounts: companies and groups that people belong to. The newest document of each, and who belongs to it now.
CREATE TABLE IF NOT EXISTS account_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic accounts',
    `partition` UInt16 COMMENT 'Partition of the topic accounts',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The document, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    profile_id String DEFAULT JSONExtractString(payload, 'profile_id') COMMENT 'Id of the account''s profile',
    version UInt64 DEFAULT JSONExtractUInt(payload, 'version') COMMENT 'Only grows; the highest counts'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, profile_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'The newest document of each account. People read the view accounts';

CREATE OR REPLACE VIEW accounts
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    account String COMMENT 'Group id of the account; joins with touchpoints.group_id and account_people.account',
    traits JSON COMMENT 'What group calls told of it: traits.name.value, with time and source beside it',
    computed JSON COMMENT 'Traits computed from what its people do, by name. Numbers are Float64 here; payload has them exactly',
    touchpoints UInt64 COMMENT 'How many touchpoints its people made for it',
    first_seen Nullable(DateTime64(3, 'UTC')) COMMENT 'Time of the first touchpoint',
    last_seen Nullable(DateTime64(3, 'UTC')) COMMENT 'Time of the last touchpoint',
    profile_id String COMMENT 'Id of the account''s profile',
    version UInt64 COMMENT 'Version of the document; only grows',
    payload String COMMENT 'The document, byte for byte'
)
AS SELECT
    workspace, substring(JSONExtract(payload, 'identifiers', 'Array(String)')[1], 9) AS account,
    JSONExtract(payload, 'traits', 'JSON') AS traits, JSONExtract(payload, 'computed', 'JSON') AS computed,
    JSONExtractUInt(payload, 'touchpoints') AS touchpoints,
    fromUnixTimestamp64Milli(JSONExtract(payload, 'first_seen', 'Nullable(Int64)'), 'UTC') AS first_seen,
    fromUnixTimestamp64Milli(JSONExtract(payload, 'last_seen', 'Nullable(Int64)'), 'UTC') AS last_seen,
    profile_id, version, payload
FROM account_log FINAL
COMMENT 'Accounts: companies and groups, one row each';

CREATE OR REPLACE VIEW account_people
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    account String COMMENT 'Group id of the account',
    profile_id String COMMENT 'A person who belongs to it; joins with profiles.profile_id'
)
AS SELECT workspace, arrayJoin(JSONExtract(payload, 'accounts', 'Array(String)')) AS account, profile_id
FROM profile_log FINAL
WHERE NOT deleted AND redirect = ''
COMMENT 'Who belongs to which account: one row for each person and account';
