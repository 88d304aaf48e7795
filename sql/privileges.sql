GRANT USAGE ON SCHEMA llm TO PUBLIC;
GRANT SELECT ON llm.model, llm.model_file, llm.run, llm.recommender, llm.embedding_column TO PUBLIC;
-- For dumps and restores by a database's owner; everybody else has the views, each role its own rows.
GRANT SELECT, INSERT ON llm.all_cleaning, llm.all_mark, llm.all_change, llm.all_catalog, llm.all_description,
    llm.all_taught, llm.all_ask TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.cleaning, llm.mark, llm.change, llm.catalog, llm.description,
    llm.taught, llm.ask_log TO PUBLIC;
GRANT SELECT ON @extschema@.llm_models, @extschema@.llm_progress, @extschema@.llm_runs TO PUBLIC;
