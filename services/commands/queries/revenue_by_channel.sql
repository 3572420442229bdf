-- Revenue by channel and month, exact to the cent, with the number of orders and of buyers.
SELECT toStartOfMonth(timestamp) AS month, channel, count() AS orders, uniqExact(profile_id) AS buyers,
    sum(revenue) AS revenue_of_month
FROM touchpoints
WHERE workspace = 'main' AND event = 'Order Completed'
GROUP BY month, channel
ORDER BY month, revenue_of_month DESC, channel
