CREATE VIEW llm.ask_log WITH (security_barrier) AS
SELECT a.id, a.usename, a.question, a.sql, a.confidence, a.reason, a.correct, a.asked_at, a.clarify
FROM llm.all_ask AS a
WHERE a.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.ask_log IS 'Your questions, kept where llm.ask_log is on: SQL, confidence, and whether it was right';

CREATE VIEW llm.ask_calibration WITH (security_barrier) AS
SELECT c.usename, c.model, c.source, c.samples, c.agreeing, c.asked, c."right"
FROM llm.all_ask_calibration AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.ask_calibration IS 'How often models answered your taught questions rightly, by how many samples agreed: llm_calibrate_ask()';
