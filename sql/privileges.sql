GRANT USAGE ON SCHEMA llm TO PUBLIC;
GRANT SELECT ON llm.model, llm.embedding_column, llm_models, llm_progress TO PUBLIC;
