-- What did not look as the tracking plan says: calls that were let pass with a flag, or without what was wrong, and those
-- that were refused for it. One row a violation.
CREATE OR REPLACE VIEW violations
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    source LowCardinality(String) COMMENT 'Name of the source that sent it',
    type LowCardinality(String) COMMENT 'track, identify, page, screen, group or alias',
    event String COMMENT 'Name of the event',
    verdict LowCardinality(String) COMMENT 'accepted (flagged, or without what was wrong) or rejected',
    place String COMMENT 'Where it is wrong, as a dotted path: properties.total',
    violation String COMMENT 'What is wrong, in a sentence',
    received_at DateTime64(3, 'UTC') COMMENT 'When the collector received it',
    message_id String COMMENT 'The id that the sender gave it; joins with touchpoints.message_id when it was accepted'
)
AS SELECT workspace, source, type, event, 'accepted' AS verdict, splitByString(': ', violation, 1)[1] AS place,
    violation, received_at, message_id
FROM (
    SELECT workspace, source, type, event, received_at, message_id, arrayJoin(violations) AS violation
    FROM touchpoints WHERE notEmpty(violations)
)
UNION ALL
SELECT workspace, source, JSONExtractString(raw, 'type') AS type, JSONExtractString(raw, 'event') AS event,
    'rejected' AS verdict, field AS place, reason AS violation, received_at, message_id
FROM rejected WHERE code = 'plan_violation'
COMMENT 'What did not look as the tracking plan says, one row a violation';
