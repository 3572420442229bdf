-- How the sender of a touchpoint was known, and what the tracking plan has against it. Both are in the envelope, so they
-- are read from the text before `,"properties":` like the rest of it. Rows that were there before compute them when they
-- are read, and keep them from their next merge on.
ALTER TABLE touchpoint_log
    ADD COLUMN IF NOT EXISTS trust LowCardinality(String)
        DEFAULT simpleJSONExtractString(substring(payload, 1, position(payload, ',"properties":')), 'trust')
        COMMENT 'How its sender was known: public, secret, signed or server; empty when it came before this was noted',
    ADD COLUMN IF NOT EXISTS violations Array(String)
        DEFAULT JSONExtract(concat(substring(payload, 1, position(payload, ',"properties":') - 1), '}'), 'violations', 'Array(String)')
        COMMENT 'What the tracking plan has against it though it let it pass, as field: what is wrong';

CREATE OR REPLACE VIEW touchpoints
(
    workspace LowCardinality(String) COMMENT 'Workspace: brands or customers that do not see each other',
    profile_id String COMMENT 'The person it belongs to now; joins with profiles.profile_id',
    event LowCardinality(String) COMMENT 'What happened, for example Order Completed; empty when the type says it all',
    type LowCardinality(String) COMMENT 'track, identify, page, screen, group or alias',
    timestamp DateTime64(3, 'UTC') COMMENT 'When it happened, corrected for the skew of the sender''s clock',
    revenue Nullable(Decimal(38, 9)) COMMENT 'properties.revenue, else properties.total, as an exact decimal: sum(revenue) is right to the cent',
    properties JSON COMMENT 'What the sender said about the event: properties.name. Numbers are Float64: for exact sums of others than revenue write sum(toDecimal128OrNull(toString(properties.name), 9))',
    traits JSON COMMENT 'What the sender said about the person: traits.name',
    context JSON COMMENT 'Where it happened (page, device, library); computed from the payload, so slow to read as a whole: JSONExtractString(payload, ''context'', ''page'', ''url'') is quicker',
    channel LowCardinality(String) COMMENT 'Channel of the source: web, email, phone, ...',
    source LowCardinality(String) COMMENT 'Name of the source that sent it',
    message_id String COMMENT 'The id that the sender gave it',
    anchor String COMMENT 'Its identifier of highest priority, as type:value',
    anchor_id String COMMENT 'Profile id that the anchor names by itself',
    identifiers Array(String) COMMENT 'All its identifiers as type:value, the anchor first',
    original_timestamp Nullable(DateTime64(3, 'UTC')) COMMENT 'When it happened by the sender''s own clock; null when the sender did not say',
    sent_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was sent by the sender''s own clock; null when the sender did not say',
    received_at DateTime64(3, 'UTC') COMMENT 'When the collector accepted it',
    evidence_at DateTime64(3, 'UTC') COMMENT 'Its time as evidence of who is who',
    group_id String COMMENT 'Account or company of a group call, else empty',
    previous String COMMENT 'previousId of an alias call, else empty',
    rules LowCardinality(String) COMMENT 'Version of the identity rules that normalised its identifiers',
    trust LowCardinality(String) COMMENT 'How its sender was known: public (a key that anybody can see), secret (a secret sent along), signed (a signature over the bytes), server; empty when it came before this was noted',
    violations Array(String) COMMENT 'What the tracking plan has against it though it let it pass, as field: what is wrong',
    imported Bool COMMENT 'Came by an import',
    restored Bool COMMENT 'Came back by a restore',
    incarnation LowCardinality(String) COMMENT 'Place in the log: life of the topic',
    `partition` UInt16 COMMENT 'Place in the log: partition',
    `offset` UInt64 COMMENT 'Place in the log: offset of the frame',
    `index` UInt32 COMMENT 'Place in the log: index of the line in its frame',
    payload String COMMENT 'The line as the collector wrote it, byte for byte'
)
AS SELECT
    t.workspace AS workspace, if(m.owner = '', t.anchor_id, m.owner) AS profile_id, t.event AS event, t.type AS type,
    t.timestamp AS timestamp, t.revenue AS revenue, t.properties AS properties, t.traits AS traits,
    JSONExtract(t.payload, 'context', 'JSON') AS context, t.channel AS channel, t.source AS source,
    t.message_id AS message_id, t.anchor AS anchor, t.anchor_id AS anchor_id, t.identifiers AS identifiers,
    t.original_timestamp AS original_timestamp, t.sent_at AS sent_at, t.received_at AS received_at,
    t.evidence_at AS evidence_at, t.group_id AS group_id, t.previous AS previous, t.rules AS rules,
    t.trust AS trust, t.violations AS violations, t.imported AS imported, t.restored AS restored, t.incarnation AS incarnation,
    t.partition AS partition, t.offset AS offset, t.index AS index, t.payload AS payload
FROM touchpoint_log AS t FINAL
LEFT JOIN (SELECT identifier_id, owner FROM identity_log FINAL) AS m ON m.identifier_id = t.anchor_id
WHERE (t.incarnation, t.partition, t.offset, t.index) NOT IN (
    SELECT touchpoint_incarnation, touchpoint_partition, touchpoint_offset, touchpoint_index FROM duplicate_log
)
COMMENT 'What customers did: each accepted touchpoint once, with the person it belongs to now';
