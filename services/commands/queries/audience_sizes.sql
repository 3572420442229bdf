-- Audiences: how many people are in each now, and how many entered and exited it in the last 30 days.
SELECT audience, people, entered_in_30_days, exited_in_30_days
FROM (SELECT audience, count() AS people FROM audiences WHERE workspace = 'main' GROUP BY audience) AS now
FULL JOIN (
    SELECT audience, countIf(change = 'entered') AS entered_in_30_days, countIf(change = 'exited') AS exited_in_30_days
    FROM audience_changes
    WHERE workspace = 'main' AND at > now() - INTERVAL 30 DAY
    GROUP BY audience
) AS lately USING (audience)
ORDER BY people DESC, audience
