GRANT USAGE ON SCHEMA llm TO PUBLIC;
GRANT SELECT ON llm.model, llm.embedding_column, @extschema@.llm_models, @extschema@.llm_progress TO PUBLIC;
