GRANT USAGE ON SCHEMA llm TO PUBLIC;
GRANT SELECT ON llm.model, llm.run, llm.recommender, llm.semantic_index, llm.companion_table TO PUBLIC;
GRANT SELECT, INSERT ON llm.all_semantic_index TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_semantic_index_id_seq TO pg_database_owner;
-- What a model was trained on shows in its files.
GRANT SELECT, INSERT ON llm.model_file TO pg_database_owner;
-- For dumps and restores by a database's owner; everybody else has the views, each role its own rows.
GRANT SELECT, INSERT ON llm.all_cleaning, llm.all_mark, llm.all_step, llm.all_change, llm.all_rule, llm.all_catalog, llm.all_description,
    llm.all_taught, llm.all_metric, llm.all_ask, llm.all_ask_calibration TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.cleaning, llm.mark, llm.step, llm.change, llm.rule, llm.catalog, llm.description,
    llm.taught, llm.metric, llm.ask_log, llm.ask_calibration TO PUBLIC;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_graph_id_seq, llm.all_graph_source_id_seq, llm.all_graph_row_id_seq, llm.all_entity_id_seq,
llm.all_relation_id_seq TO pg_database_owner;
GRANT SELECT, INSERT ON llm.all_graph, llm.all_graph_source, llm.all_graph_row, llm.all_entity, llm.all_entity_embedding,
llm.all_relation, llm.all_evidence, llm.all_merge TO pg_database_owner;
GRANT SELECT ON llm.graph, llm.graph_source, llm.readable_graph_source, llm.entity_name, llm.entity, llm.relation, llm.evidence, llm.merge TO PUBLIC;
GRANT SELECT ON llm.own_graph, llm.own_graph_source, llm.own_graph_row, llm.own_entity, llm.own_entity_embedding,
llm.own_relation, llm.own_evidence, llm.own_merge, llm.own_graph_model, llm.own_graph_model_file TO PUBLIC;
GRANT SELECT, INSERT ON llm.all_graph_model, llm.all_graph_model_file TO pg_database_owner;
GRANT SELECT ON llm.graph_model, llm.graph_model_file TO PUBLIC;
GRANT SELECT ON @extschema@.llm_models, @extschema@.llm_progress, @extschema@.llm_runs TO PUBLIC;
-- Keys of rows and errors; for dumps.
GRANT SELECT, INSERT ON llm.all_work TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_work_id_seq TO pg_database_owner;
GRANT SELECT ON @extschema@.llm_failed_work, @extschema@.llm_workers TO PUBLIC;
GRANT SELECT, INSERT ON llm.all_column TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_column_id_seq TO pg_database_owner;
GRANT SELECT ON llm.ai_column, @extschema@.llm_staleness TO PUBLIC;
-- Each login's limits are no secret; the rows of llm_usage are chosen by the function under it.
GRANT SELECT ON llm.budget TO PUBLIC;
GRANT SELECT, INSERT ON llm.budget TO pg_database_owner;
GRANT SELECT ON @extschema@.llm_usage TO PUBLIC;
-- Where a key lies is no secret; the key itself is in no table.
GRANT SELECT ON llm.redaction_key TO PUBLIC;
-- Merges of duplicates: for dumps; everybody else has the views, each role its own rows.
GRANT SELECT, INSERT ON llm.all_record_merge, llm.all_merged_row, llm.all_repointed_row TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.record_merge, llm.merged_row, llm.repointed_row TO PUBLIC;
-- Streams: transforms and records, for dumps; each role has the views of its own.
GRANT SELECT, INSERT ON llm.all_stream, llm.stream_offset, llm.all_stream_dead_letter, llm.stream_change, llm.all_stream_window,
    llm.all_stream_alert, llm.stream_score, llm.all_stream_alarm TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_stream_id_seq, llm.all_stream_dead_letter_id_seq, llm.stream_change_id_seq,
    llm.all_stream_window_id_seq, llm.all_stream_alert_id_seq, llm.all_stream_alarm_id_seq TO pg_database_owner;
GRANT SELECT ON @extschema@.stream_stats, @extschema@.stream_dead_letter, @extschema@.stream_alarm TO PUBLIC;
-- Which texts models have learnt from, as keyed hashes: for dumps.
GRANT SELECT, INSERT ON llm.training_lineage TO pg_database_owner;
