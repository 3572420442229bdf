-- First-touch attribution: the revenue of each order goes to where the customer was met first in the 30 days before it:
-- the campaign's source (utm_source) if there is one, else the channel. Orders that nothing went before are `(direct)`.
WITH
    touches AS (
        SELECT profile_id, arraySort(groupArray((timestamp, touch))) AS met
        FROM (
            SELECT profile_id, timestamp, JSONExtractString(payload, 'context', 'campaign', 'source') AS campaign,
                if(campaign != '', campaign, channel) AS touch
            FROM touchpoints
            WHERE workspace = 'main' AND channel IN ('web', 'email', 'call', 'social') AND event != 'Order Completed'
        )
        GROUP BY profile_id
    ),
    orders AS (
        SELECT profile_id, timestamp AS ordered_at, revenue
        FROM touchpoints
        WHERE workspace = 'main' AND event = 'Order Completed'
    ),
    attributed AS (
        SELECT revenue,
            arrayFirst(one -> one.1 <= ordered_at AND one.1 > ordered_at - INTERVAL 30 DAY, met).2 AS touch
        FROM orders LEFT JOIN touches USING (profile_id)
    )
SELECT if(touch = '', '(direct)', touch) AS first_touch, count() AS orders, sum(revenue) AS revenue_of_orders
FROM attributed
GROUP BY first_touch
ORDER BY revenue_of_orders DESC, first_touch
