-- The ledger of consent: every answer that was ever given, with who, when, from where and the proof. It says the same of
-- a touchpoint as services/profile/consent.py; a test compares the two. What could not be understood is not here.
CREATE OR REPLACE VIEW consents
(
    workspace LowCardinality(String) COMMENT 'Workspace',
    profile_id String COMMENT 'The person it belongs to now; joins with profiles.profile_id',
    channel String COMMENT 'What the person was asked about: email, sms, ...',
    purpose String COMMENT 'The purpose that it is about, for example newsletter; empty for the whole channel',
    answer LowCardinality(String) COMMENT 'granted or denied',
    timestamp DateTime64(3, 'UTC') COMMENT 'When it was given',
    received_at DateTime64(3, 'UTC') COMMENT 'When the collector heard of it',
    source LowCardinality(String) COMMENT 'Name of the source that told it',
    trust LowCardinality(String) COMMENT 'How the sender was known: public (a key in a browser), secret, signed or server',
    `by` String COMMENT 'Who took the answer down, as the sender said; else empty',
    proof String COMMENT 'The proof, as the sender said (a text, else JSON); else empty',
    event LowCardinality(String) COMMENT 'The event that told it, for example Email Unsubscribed; empty for an identify call',
    anchor String COMMENT 'The identifier that gave it, as type:value',
    message_id String COMMENT 'The touchpoint that told it; joins with touchpoints.message_id'
)
AS SELECT workspace, profile_id,
    substringUTF8(name, 1, if(position(name, '/') = 0, lengthUTF8(name), positionUTF8(name, '/') - 1)) AS channel,
    if(position(name, '/') = 0, '', substringUTF8(name, positionUTF8(name, '/') + 1)) AS purpose,
    multiIf(
        JSONType(said) = 'Object' AND JSONType(said, 'granted') = 'Bool', if(JSONExtractBool(said, 'granted'), 'granted', 'denied'),
        JSONType(said) = 'Bool', if(JSONExtractBool(said), 'granted', 'denied'),
        JSONType(said) = 'String' AND JSONExtractString(said) IN ('granted', 'denied'), JSONExtractString(said),
        ''
    ) AS answer,
    timestamp, received_at, source, trust,
    if(JSONType(said, 'by') = 'String', JSONExtractString(said, 'by'), '') AS `by`,
    multiIf(JSONType(said, 'proof') = 'String', JSONExtractString(said, 'proof'), JSONType(said, 'proof') = 'Null', '', JSONExtractRaw(said, 'proof')) AS proof,
    event, anchor, message_id
FROM (
    SELECT workspace, profile_id, timestamp, received_at, source, event, anchor, message_id,
        if(JSONExtractString(payload, 'trust') = '', 'public', JSONExtractString(payload, 'trust')) AS trust,
        arrayJoin(if(type = 'identify', by_identify, [by_event])) AS one, one.1 AS name, one.2 AS said
    FROM (
        SELECT *,
            JSONExtractRaw(payload, 'traits', 'consent') AS consent,
            arrayFlatten(arrayMap(
                pair -> if(
                    JSONType(pair.2) = 'Object' AND NOT JSONHas(pair.2, 'granted'),
                    arrayMap(
                        inner -> (concat(pair.1, '/', inner.1), inner.2),
                        arrayFilter(
                            inner -> lengthUTF8(pair.1) BETWEEN 1 AND 128 AND lengthUTF8(inner.1) BETWEEN 1 AND 128,
                            JSONExtractKeysAndValuesRaw(pair.2)
                        )
                    ),
                    if(lengthUTF8(pair.1) BETWEEN 1 AND 128, [pair], [])
                ),
                JSONExtractKeysAndValuesRaw(if(JSONType(consent) = 'Object', consent, '{}'))
            )) AS by_identify,
            event != 'Consent Granted' AS denied,
            JSONExtractRaw(payload, 'properties') AS said_of,
            if(event LIKE 'Consent %', if(JSONType(said_of, 'channel') = 'String', JSONExtractString(said_of, 'channel'), ''), 'email') AS asked,
            if(event != 'Email Marked as Spam' AND purpose_kind = 'String', JSONExtractString(said_of, 'purpose'), '') AS whatfor,
            JSONType(said_of, 'purpose') AS purpose_kind,
            lengthUTF8(whatfor) BETWEEN 1 AND 128 AS named,
            (
                multiIf(
                    NOT lengthUTF8(asked) BETWEEN 1 AND 128, '',
                    named, concat(asked, '/', whatfor),
                    denied OR (whatfor = '' AND purpose_kind IN ('String', 'Null')), asked,
                    ''
                ),
                concat(
                    '{"granted":', if(denied, 'false', 'true'),
                    if(JSONHas(said_of, 'by'), concat(',"by":', JSONExtractRaw(said_of, 'by')), ''),
                    if(JSONHas(said_of, 'proof'), concat(',"proof":', JSONExtractRaw(said_of, 'proof')), ''), '}'
                )
            ) AS by_event
        FROM touchpoints
        WHERE (type = 'identify' AND JSONHas(payload, 'traits', 'consent')) OR (
            type = 'track' AND event IN ('Consent Granted', 'Consent Denied', 'Email Unsubscribed', 'Email Marked as Spam')
        )
    )
)
WHERE name != '' AND answer != ''
COMMENT 'The ledger of consent: every answer that people gave, with its proof. What holds now is profiles.consent';
