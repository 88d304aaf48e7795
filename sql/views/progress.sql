CREATE VIEW @extschema@.llm_progress AS
SELECT p.pid, p.usename, p.command, p.target, p.name, p.phase, p.done, p.total, p.started_at, p.detail
FROM llm.progress_report() AS p;
COMMENT ON VIEW @extschema@.llm_progress IS 'What long-running commands of this database are doing: phase, and rows or steps done of how many';
