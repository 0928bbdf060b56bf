-- Decisions about listings of an account stand in the audit, like all others.

INSERT INTO operator_actions (at, who, why, action, store, marketplace, details)
SELECT d.at, d.who, d.why, CASE WHEN d.decision ~ '^(ours|theirs) ' THEN 'drift_' ELSE 'account_' END || split_part(d.decision, ' ', 1),
    s.key, d.site, jsonb_build_object('sku', d.sku, 'decision', d.decision)
FROM account_decisions d JOIN stores s ON s.id = d.store_id ORDER BY d.at;

DROP TABLE account_decisions;

-- A feed that an operator wanted cancelled is not sent again by itself; one that the marketplace cancelled is.
ALTER TABLE submissions ADD COLUMN cancel_asked text;
