-- An item that was refused can be sent again: under its own message id, or, when it had none, under one made of its
-- place in the log. It is resolved as soon as a touchpoint with that message id was accepted, whoever sent it.
ALTER TABLE rejected_log ADD COLUMN IF NOT EXISTS kind LowCardinality(String)
    DEFAULT JSONExtractString(payload, 'kind')
    COMMENT 'How it came: name of the call, empty for an item of a batch, or webhook' AFTER source;
ALTER TABLE rejected_log ADD COLUMN IF NOT EXISTS replay_id String
    ALIAS if(message_id != '' AND position(message_id, '\0') = 0, message_id,
        concat('rejected-', incarnation, '-', toString(partition), '-', toString(offset), '-', toString(index)))
    COMMENT 'Message id under which it is sent again';

CREATE OR REPLACE VIEW rejected
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    source LowCardinality(String) COMMENT 'Name of the source that sent it',
    kind LowCardinality(String) COMMENT 'How it came: name of the call, empty for an item of a batch, or webhook',
    received_at DateTime64(3, 'UTC') COMMENT 'When the collector refused it',
    message_id String COMMENT 'Its message id, empty when it had none',
    code LowCardinality(String) COMMENT 'Stable name of the reason',
    field String COMMENT 'Which field was wrong, as a dotted path',
    expected String COMMENT 'What was expected there',
    got String COMMENT 'What came instead',
    reason String COMMENT 'The reason as a sentence',
    hint String COMMENT 'What would be right',
    raw String COMMENT 'The item as it came',
    replay_id String COMMENT 'Message id under which rapport rejected replay sends it again',
    resolved Bool COMMENT 'A touchpoint with that message id was accepted: it came in later',
    incarnation LowCardinality(String) COMMENT 'Place in the log: life of the topic',
    `partition` UInt16 COMMENT 'Place in the log: partition',
    `offset` UInt64 COMMENT 'Place in the log: offset of the frame',
    `index` UInt32 COMMENT 'Place in the log: index of the line in its frame'
)
AS SELECT workspace, source, kind, received_at, message_id, code, field, expected, got, reason, hint, raw, replay_id,
    (workspace, replay_id) IN (
        SELECT workspace, message_id FROM touchpoint_log
        WHERE (workspace, message_id) IN (SELECT workspace, replay_id FROM rejected_log)
    ) AS resolved,
    incarnation, partition, offset, index
FROM rejected_log FINAL
COMMENT 'Items that collectors refused, each once, with its reason, and whether they came in later';
