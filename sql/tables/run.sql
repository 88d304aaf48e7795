CREATE TABLE llm.model_file (
    digest pg_catalog.text NOT NULL,
    path pg_catalog.text NOT NULL,
    part pg_catalog.int4 NOT NULL,
    content pg_catalog.bytea NOT NULL,
    PRIMARY KEY (digest, path, part)
);
COMMENT ON TABLE llm.model_file IS 'The files of models that were trained here, in parts of 1 MB, so that dumps and replicas have them; closed to all but the database''s owner';
COMMENT ON COLUMN llm.model_file.digest IS 'SHA-256 of all files of the model; the source database:DIGEST of llm.model means these';
ALTER TABLE llm.model_file ALTER COLUMN content SET STORAGE EXTERNAL;
SELECT pg_catalog.pg_extension_config_dump('llm.model_file', '');

CREATE TABLE llm.run (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    model pg_catalog.text NOT NULL,
    task pg_catalog.text NOT NULL,
    method pg_catalog.text NOT NULL,
    base pg_catalog.text NOT NULL,
    base_digest pg_catalog.text,
    digest pg_catalog.text,
    rows pg_catalog.int8 NOT NULL,
    data_hash pg_catalog.text NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    metrics pg_catalog.jsonb NOT NULL,
    seconds pg_catalog.float4 NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    finished_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE llm.run IS 'Every training that made a model, and every trial on the way to one: from what, how, with which result';
COMMENT ON COLUMN llm.run.data_hash IS 'SHA-256 of the rows it learnt from, in any order';
COMMENT ON COLUMN llm.run.metrics IS 'Measured on validation rows that the training did not see: F1 from 0 to 1';
SELECT pg_catalog.pg_extension_config_dump('llm.run', '');
