CREATE VIEW @extschema@.llm_models AS
SELECT m.name, m.task, m.source, m.revision, m.dimensions, m.labels, m.options, m.digest
FROM llm.model AS m;
COMMENT ON VIEW @extschema@.llm_models IS 'The registered models';
COMMENT ON COLUMN @extschema@.llm_models.name IS 'The name that functions take as model';
COMMENT ON COLUMN @extschema@.llm_models.task IS 'What it does: embedding, classification, entities, relations, generation, ranking, recommendation';
COMMENT ON COLUMN @extschema@.llm_models.source IS 'Where its files are: package:NAME/path, path:/folder, hf:org/name, database:DIGEST or https://host/v1#model';
COMMENT ON COLUMN @extschema@.llm_models.revision IS 'The commit of a hub model, 40 hexadecimal digits';
COMMENT ON COLUMN @extschema@.llm_models.dimensions IS 'Length of the vectors of an embedding model';
COMMENT ON COLUMN @extschema@.llm_models.labels IS 'What a trained classifier or entity model can answer; NULL where callers give the labels';
COMMENT ON COLUMN @extschema@.llm_models.options IS 'What it was registered with';
COMMENT ON COLUMN @extschema@.llm_models.digest IS 'SHA-256 of the files; a model whose files differ is not loaded';
