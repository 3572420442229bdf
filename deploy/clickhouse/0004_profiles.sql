CREATE TABLE IF NOT EXISTS profile_log
(
    incarnation LowCardinality(String) COMMENT 'Life of the topic profiles',
    `partition` UInt16 COMMENT 'Partition of the topic profiles',
    `offset` UInt64 COMMENT 'Offset of the frame in its partition',
    `index` UInt32 COMMENT 'Index of the line in its frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'The document, byte for byte',
    workspace LowCardinality(String) DEFAULT JSONExtractString(payload, 'workspace') COMMENT 'Workspace',
    profile_id String DEFAULT JSONExtractString(payload, 'profile_id') COMMENT 'Id of the profile',
    version UInt64 DEFAULT JSONExtractUInt(payload, 'version') COMMENT 'Only grows; the highest counts',
    deleted Bool DEFAULT JSONExtractBool(payload, 'deleted') COMMENT 'Nothing is left under this id',
    redirect String DEFAULT JSONExtractString(payload, 'redirect') COMMENT 'The profile that this one became part of, else empty'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, profile_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'The newest document of each profile, redirects and deleted ones included. People read the view profiles';

CREATE OR REPLACE VIEW profiles
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    profile_id String COMMENT 'Id of the person; joins with touchpoints.profile_id',
    identifiers Array(String) COMMENT 'Everything the person is known by, as type:value',
    traits JSON COMMENT 'What the person told: traits.name.value, with time and source beside it',
    computed JSON COMMENT 'Computed traits, by name. Numbers are Float64 here; payload has them exactly',
    audiences Array(String) COMMENT 'The audiences that the person is in now',
    consent JSON COMMENT 'Consent by purpose and channel',
    touchpoints UInt64 COMMENT 'How many touchpoints the person has',
    first_seen Nullable(DateTime64(3, 'UTC')) COMMENT 'Time of the first touchpoint',
    last_seen Nullable(DateTime64(3, 'UTC')) COMMENT 'Time of the last touchpoint',
    version UInt64 COMMENT 'Version of the document; only grows',
    payload String COMMENT 'The document, byte for byte'
)
AS SELECT
    workspace, profile_id, JSONExtract(payload, 'identifiers', 'Array(String)') AS identifiers,
    JSONExtract(payload, 'traits', 'JSON') AS traits, JSONExtract(payload, 'computed', 'JSON') AS computed,
    JSONExtract(payload, 'audiences', 'Array(String)') AS audiences, JSONExtract(payload, 'consent', 'JSON') AS consent,
    JSONExtractUInt(payload, 'touchpoints') AS touchpoints,
    fromUnixTimestamp64Milli(JSONExtract(payload, 'first_seen', 'Nullable(Int64)'), 'UTC') AS first_seen,
    fromUnixTimestamp64Milli(JSONExtract(payload, 'last_seen', 'Nullable(Int64)'), 'UTC') AS last_seen,
    version, payload
FROM profile_log FINAL
WHERE NOT deleted AND redirect = ''
COMMENT 'People: the newest document of each profile; redirects and deleted ones are left out';
