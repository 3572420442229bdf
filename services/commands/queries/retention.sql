-- Cohort retention: of those whose first order was in a month, which share ordered again one, two, … twelve months later.
-- Replace `Order Completed` by the event that you want people to come back for.
WITH
    active AS (
        SELECT profile_id, toStartOfMonth(timestamp) AS month
        FROM touchpoints
        WHERE workspace = 'main' AND event = 'Order Completed'
        GROUP BY profile_id, month
    ),
    began AS (SELECT profile_id, min(month) AS cohort FROM active GROUP BY profile_id),
    counted AS (
        SELECT cohort, dateDiff('month', cohort, month) AS months_later, uniqExact(profile_id) AS people
        FROM active INNER JOIN began USING (profile_id)
        GROUP BY cohort, months_later
    )
SELECT cohort, months_later, people,
    round(people / first_value(people) OVER (PARTITION BY cohort ORDER BY months_later), 4) AS retained
FROM counted
WHERE months_later <= 12
ORDER BY cohort, months_later
