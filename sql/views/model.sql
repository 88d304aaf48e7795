CREATE VIEW llm_models AS
SELECT m.name, m.task, m.source, m.revision, m.dimensions, m.options, m.digest
FROM llm.model AS m;
COMMENT ON VIEW llm_models IS 'The registered models';
