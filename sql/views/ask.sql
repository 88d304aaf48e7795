CREATE VIEW llm.ask_log WITH (security_barrier) AS
SELECT a.id, a.usename, a.question, a.sql, a.confidence, a.reason, a.correct, a.asked_at
FROM llm.all_ask AS a
WHERE a.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.ask_log IS 'Your questions, kept where llm.ask_log is on: SQL, confidence, and whether it was right';
