CREATE VIEW @extschema@.llm_progress AS
SELECT p.pid, p.usename, p.command, p.target, p.name, p.phase, p.done, p.total, p.started_at
FROM llm.progress_report() AS p
WHERE p.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
AND (pg_catalog.pg_has_role(p.usename::pg_catalog.name, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
COMMENT ON VIEW @extschema@.llm_progress IS 'What long-running commands of this database are doing: phase, and rows done of how many';
