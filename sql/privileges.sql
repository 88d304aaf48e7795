GRANT USAGE ON SCHEMA llm TO PUBLIC;
GRANT SELECT ON llm.model, llm.model_file, llm.run, llm.embedding_column TO PUBLIC;
GRANT SELECT ON @extschema@.llm_models, @extschema@.llm_progress, @extschema@.llm_runs TO PUBLIC;
