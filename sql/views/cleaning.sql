CREATE VIEW llm.cleaning WITH (security_barrier) AS
SELECT c.id, c.target, c.columns, c.rules, c.usename, c.started_at
FROM llm.all_cleaning AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.cleaning IS 'Your searches for errors: table, columns, rules';

CREATE VIEW llm.mark WITH (security_barrier) AS
SELECT m.run, m.key, m."column", m.value
FROM llm.all_mark AS m
WHERE m.run IN (SELECT c.id FROM llm.all_cleaning AS c WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.mark IS 'The cells whose right value you gave, so that repairs learn from them';

CREATE VIEW llm.change WITH (security_barrier) AS
SELECT c.run, c.key, c."column", c.old, c.new, c.confidence, c.state, c.detector, c.reason, c.given
FROM llm.all_change AS c
WHERE c.run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.change IS 'The cells that look wrong in your runs: what they hold, what they should hold, why, and what was done';
