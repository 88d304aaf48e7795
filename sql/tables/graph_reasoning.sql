-- Beside the graph and not among the models: vectors say what they were learnt from, so that who may not read all of that
-- may not have them.
CREATE TABLE llm.all_graph_model (
    graph pg_catalog.int4 PRIMARY KEY REFERENCES llm.all_graph ON DELETE CASCADE,
    method pg_catalog.text NOT NULL CHECK (method OPERATOR(pg_catalog.=) ANY ('{complex,rotate,distmult,transe}')),
    digest pg_catalog.text NOT NULL CHECK (digest OPERATOR(pg_catalog.~) '^[0-9a-f]{64}$'),
    sources pg_catalog.int4[] NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    metrics pg_catalog.jsonb NOT NULL,
    seconds pg_catalog.float4 NOT NULL,
    fitted_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE llm.all_graph_model IS 'What was learnt from the graphs of all roles, for dumps';
COMMENT ON COLUMN llm.all_graph_model.digest IS 'SHA-256 of the files';
COMMENT ON COLUMN llm.all_graph_model.sources IS 'What the graph was made from when it was learnt from';
COMMENT ON COLUMN llm.all_graph_model.metrics IS 'Measured on relations kept back: ranks of both ends, filtered';

CREATE TABLE llm.all_graph_model_file (
    graph pg_catalog.int4 NOT NULL REFERENCES llm.all_graph_model ON DELETE CASCADE,
    path pg_catalog.text NOT NULL CHECK (path OPERATOR(pg_catalog.=) ANY ('{graph.json,graph.safetensors}')),
    part pg_catalog.int4 NOT NULL CHECK (part OPERATOR(pg_catalog.>=) 0),
    content pg_catalog.bytea NOT NULL,
    PRIMARY KEY (graph, path, part)
);
COMMENT ON TABLE llm.all_graph_model_file IS 'The files of what was learnt from graphs, in parts of 1 MB, for dumps';
ALTER TABLE llm.all_graph_model_file ALTER COLUMN content SET STORAGE EXTERNAL;

SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_model', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_model_file', '');
