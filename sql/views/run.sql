CREATE VIEW @extschema@.llm_runs AS
SELECT r.model, r.task, r.method, r.base, r.rows, r.metrics, r.seconds, r.options, r.usename, r.finished_at,
       r.data_hash, r.base_digest, r.digest
FROM llm.run AS r;
COMMENT ON VIEW @extschema@.llm_runs IS 'Every training that made a model, and every trial on the way to one: from what, how, with which result';
COMMENT ON COLUMN @extschema@.llm_runs.model IS 'The name under which the model was registered';
COMMENT ON COLUMN @extschema@.llm_runs.task IS 'What was learnt: classify, tag, entities, relations, recommend';
COMMENT ON COLUMN @extschema@.llm_runs.method IS 'How it was learnt: head, finetune, lora, self_train, recommender';
COMMENT ON COLUMN @extschema@.llm_runs.base IS 'The model that training started from';
COMMENT ON COLUMN @extschema@.llm_runs.rows IS 'Rows that were learnt from and measured on';
COMMENT ON COLUMN @extschema@.llm_runs.metrics IS 'Measured on validation rows that the training did not see: F1 from 0 to 1';
COMMENT ON COLUMN @extschema@.llm_runs.seconds IS 'How long the training took';
COMMENT ON COLUMN @extschema@.llm_runs.options IS 'The options of the training, defaults included';
COMMENT ON COLUMN @extschema@.llm_runs.usename IS 'The role that trained it';
COMMENT ON COLUMN @extschema@.llm_runs.finished_at IS 'When it was registered';
COMMENT ON COLUMN @extschema@.llm_runs.data_hash IS 'SHA-256 of the rows it learnt from, in any order';
COMMENT ON COLUMN @extschema@.llm_runs.base_digest IS 'SHA-256 of the base model''s files';
COMMENT ON COLUMN @extschema@.llm_runs.digest IS 'SHA-256 of the model''s files; NULL of a trial, which leaves none';
