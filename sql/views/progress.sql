CREATE VIEW @extschema@.llm_progress AS
SELECT p.pid, p.usename, p.command, p.target, p.name, p.phase, p.done, p.total, p.started_at, p.detail
FROM llm.progress_report() AS p;
COMMENT ON VIEW @extschema@.llm_progress IS 'What long-running commands of this database are doing: phase, and rows or steps done of how many';
COMMENT ON COLUMN @extschema@.llm_progress.pid IS 'The process of the session, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.llm_progress.usename IS 'The role that runs the command';
COMMENT ON COLUMN @extschema@.llm_progress.command IS 'The SQL function or procedure';
COMMENT ON COLUMN @extschema@.llm_progress.target IS 'The table, task or object that it works on';
COMMENT ON COLUMN @extschema@.llm_progress.name IS 'The index, graph or model that is made';
COMMENT ON COLUMN @extschema@.llm_progress.phase IS 'What it is doing now';
COMMENT ON COLUMN @extschema@.llm_progress.done IS 'Rows or steps done in this phase';
COMMENT ON COLUMN @extschema@.llm_progress.total IS 'Rows or steps of this phase';
COMMENT ON COLUMN @extschema@.llm_progress.started_at IS 'When the command began';
COMMENT ON COLUMN @extschema@.llm_progress.detail IS 'More of the phase as JSON, such as the loss of a training';
