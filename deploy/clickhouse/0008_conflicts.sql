-- A message id is known together with its anchor. A client that sends a touchpoint again after the log-in, with the
-- userId added, sends another touchpoint: the two cannot be told from two people who were given the same id. What is
-- not known for sure is not dropped; it is shown here. The inner query finds such ids by hashes, 24 bytes an id.
CREATE OR REPLACE VIEW conflicts
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    message_id String COMMENT 'The message id that is there under several anchors; joins with touchpoints.message_id',
    anchors Array(String) COMMENT 'The anchors, as type:value, sorted',
    touchpoints UInt64 COMMENT 'How many accepted touchpoints have this message id; each of them is counted'
)
AS SELECT t.workspace AS workspace, t.message_id AS message_id, arraySort(groupUniqArray(t.anchor)) AS anchors,
    count() AS touchpoints
FROM touchpoint_log AS t FINAL
WHERE cityHash64(t.workspace, t.message_id) IN (
    SELECT cityHash64(workspace, message_id) AS id FROM touchpoint_log
    GROUP BY id HAVING min(cityHash64(anchor)) != max(cityHash64(anchor))
)
AND (t.incarnation, t.partition, t.offset, t.index) NOT IN (
    SELECT touchpoint_incarnation, touchpoint_partition, touchpoint_offset, touchpoint_index FROM duplicate_log
)
GROUP BY t.workspace, t.message_id
HAVING length(anchors) > 1
COMMENT 'Message ids that accepted touchpoints of several anchors share: another touchpoint each, not a duplicate';
