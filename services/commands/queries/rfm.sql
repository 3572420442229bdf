-- RFM: how recently, how often and for how much people bought, each in fifths (5 is best), and how many people and how
-- much revenue each combination stands for. Days are counted back from the last order of all, so old data works too.
WITH
    (SELECT max(timestamp) FROM touchpoints WHERE workspace = 'main' AND event = 'Order Completed') AS last_order,
    buyers AS (
        SELECT profile_id, dateDiff('day', max(timestamp), last_order) AS days_since, count() AS orders,
            sum(revenue) AS spent
        FROM touchpoints
        WHERE workspace = 'main' AND event = 'Order Completed'
        GROUP BY profile_id
    ),
    scored AS (
        SELECT profile_id, days_since, orders, spent,
            toUInt8(ntile(5) OVER (ORDER BY days_since DESC, profile_id)) AS recency,
            toUInt8(ntile(5) OVER (ORDER BY orders, profile_id)) AS frequency,
            toUInt8(ntile(5) OVER (ORDER BY spent, profile_id)) AS monetary
        FROM buyers
    )
SELECT recency, frequency, monetary, count() AS people, sum(spent) AS revenue, round(avg(orders), 2) AS orders_each,
    round(avg(days_since)) AS days_since_last
FROM scored
GROUP BY recency, frequency, monetary
ORDER BY recency DESC, frequency DESC, monetary DESC
