CREATE VIEW @extschema@.llm_runs AS
SELECT r.model, r.task, r.method, r.base, r.rows, r.metrics, r.seconds, r.options, r.usename, r.finished_at,
       r.data_hash, r.base_digest, r.digest
FROM llm.run AS r;
COMMENT ON VIEW @extschema@.llm_runs IS 'Every training that made a model: from what, how, with which result';
