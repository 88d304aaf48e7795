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

CREATE OR REPLACE FUNCTION llm_apply(run uuid, min_confidence real DEFAULT 0.95) RETURNS TABLE (
    applied bigint, changed_meanwhile bigint, refused bigint
)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_apply(run, min_confidence) $$;

CREATE OR REPLACE FUNCTION llm.graph_follow() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 SET jit = off
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

COMMENT ON PROCEDURE semantic_drop IS 'Remove a semantic index with its columns and triggers.';

COMMENT ON FUNCTION semantic_sync IS 'Embed the rows with these primary keys that lack an embedding; for the table''s owner.';

CREATE OR REPLACE FUNCTION llm.semantic_follow() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_follow(TD) $$;

COMMENT ON FUNCTION llm.semantic_follow IS 'Statement trigger of a live semantic index: embeds what was written, with the rights of the table''s owner.';

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

-- Rights.
REVOKE ALL ON llm.model_file, llm.own_graph, llm.own_graph_source, llm.own_graph_row, llm.own_entity,
llm.own_entity_embedding, llm.own_relation, llm.own_evidence, llm.own_merge, llm.own_graph_model, llm.own_graph_model_file
FROM PUBLIC;
GRANT SELECT, INSERT ON llm.model_file TO pg_database_owner;
GRANT SELECT ON llm.own_graph, llm.own_graph_source, llm.own_graph_row, llm.own_entity, llm.own_entity_embedding,
llm.own_relation, llm.own_evidence, llm.own_merge, llm.own_graph_model, llm.own_graph_model_file TO PUBLIC;

-- Triggers of live graphs and indexes call functions of the extension now; the functions that were made for each go.
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
        EXECUTE regexp_replace(
            regexp_replace(old.definition, '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
            'EXECUTE FUNCTION .*$', format(
                'EXECUTE FUNCTION llm.%s(%L)',
                CASE WHEN old.proname ~ '^graph_[0-9]+_sync' THEN 'graph_follow' ELSE 'semantic_follow' END,
                coalesce(
                    substring(old.proname FROM '^graph_([0-9]+)_sync'),
                    substring(old.tgname FROM '^zz_(.*)_(?:insert|update)$')
                )
            )
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
COMMENT ON COLUMN @extschema@.llm_runs.digest IS 'SHA-256 of the model''s files';

CREATE FUNCTION llm_chunk(
    input text, chunking text DEFAULT 'auto', chunk_tokens int DEFAULT NULL, chunk_overlap int DEFAULT 0,
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

CREATE FUNCTION llm_rank(query text, texts text[], model text DEFAULT NULL)
RETURNS TABLE (ordinality bigint, score real)
LANGUAGE plpython3u STABLE COST 100000 ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ranking; return ranking.llm_rank(query, texts, model) $$;
COMMENT ON FUNCTION llm_rank IS 'How relevant each text is to a query, with its position from 1; NULL for NULL.';

-- jsonb without TRANSFORM: filter and citations pass through as text.
CREATE FUNCTION semantic_answer(
    question text, target regclass, k int DEFAULT 5, model text DEFAULT NULL, also regclass[] DEFAULT NULL,
    filter jsonb DEFAULT NULL, name text DEFAULT NULL, rerank text DEFAULT NULL, entailment text DEFAULT NULL,
    threshold real DEFAULT 0.5
) RETURNS TABLE (answer text, citations jsonb, confidence real)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1
SET search_path = pg_catalog, pg_temp
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 100
SET ivfflat.iterative_scan = 'relaxed_order' SET ivfflat.probes = 10
AS $$ from pg_llm.functions import answer; return answer.semantic_answer(question, target, k, model, also, filter, name, rerank, entailment, threshold) $$;
COMMENT ON FUNCTION semantic_answer IS 'The answer to a question from the texts of tables, with checked citations; NULL where they do not answer it.';
