-- Funnel: how many people looked at a product, started a checkout and ordered, in this order and within seven days.
-- Change the events, their number, or the 7 days (604800 seconds) as you like.
WITH
    ['Product Viewed', 'Checkout Started', 'Order Completed'] AS steps,
    reached AS (
        SELECT profile_id,
            windowFunnel(604800)(
                toDateTime(timestamp), event = steps[1], event = steps[2], event = steps[3]
            ) AS step
        FROM touchpoints
        WHERE workspace = 'main' AND event IN steps
        GROUP BY profile_id
    )
SELECT number AS step, steps[number] AS event, countIf(reached.step >= number) AS people,
    round(people / nullIf((SELECT countIf(step >= 1) FROM reached), 0), 4) AS share_of_first
FROM reached CROSS JOIN (SELECT toUInt8(arrayJoin([1, 2, 3])) AS number) AS numbers
GROUP BY number
ORDER BY number
