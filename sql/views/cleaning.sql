CREATE VIEW llm.cleaning WITH (security_barrier) AS
SELECT c.id, c.target, c.columns, c.rules, c.usename, c.started_at, c.relation
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

CREATE VIEW llm.step WITH (security_barrier) AS
SELECT s.run, s.step, s."column", s.detector, s.description, s.condition, s.expression
FROM llm.all_step AS s
WHERE s.run IN (SELECT c.id FROM llm.all_cleaning AS c WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.step IS 'The steps of your runs: one transformation per column and kind, in words and in SQL';

CREATE VIEW llm.change WITH (security_barrier) AS
SELECT c.run, c.key, c."column", c.old, c.new, c.confidence, c.state, c.detector, c.reason, c.given, c.step
FROM llm.all_change AS c
WHERE c.run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.change IS 'The cells that look wrong in your runs: what they hold, what they should hold, why, and what was done';

CREATE VIEW llm.rule WITH (security_barrier) AS
SELECT r.usename, r.relation, r.name, r.severity, r.definition
FROM llm.all_rule AS r
WHERE r.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.rule IS 'Your rules on tables: name, severity, and what they demand';
