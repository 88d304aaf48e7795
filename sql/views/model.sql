CREATE VIEW @extschema@.llm_models AS
SELECT m.name, m.task, m.source, m.revision, m.dimensions, m.labels, m.options, m.digest
FROM llm.model AS m;
COMMENT ON VIEW @extschema@.llm_models IS 'The registered models';
