-- The procedures commit as they go, so they cannot carry SET search_path: they pin it themselves.
CREATE PROCEDURE semantic_index(
    target regclass, columns text[], model text DEFAULT NULL, name text DEFAULT NULL, method text DEFAULT 'hnsw',
    metric text DEFAULT 'cosine', sync text DEFAULT 'live', key text[] DEFAULT NULL, chunking text DEFAULT 'auto',
    chunk_tokens int DEFAULT NULL, chunk_overlap int DEFAULT 0, template text DEFAULT NULL,
    storage text DEFAULT 'vector'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_index(target, columns, model, name, method, metric, sync, key, chunking, chunk_tokens, chunk_overlap, template, storage) $$;
COMMENT ON PROCEDURE semantic_index IS 'Index the text of a table''s columns for semantic_search, and keep the index true.';

CREATE PROCEDURE semantic_refresh(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_refresh(target, name) $$;
COMMENT ON PROCEDURE semantic_refresh IS 'Make a semantic index true: rows of a manual index, of new partitions, of an interrupted fill, of a replica.';

CREATE PROCEDURE semantic_drop(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_drop(target, name) $$;
COMMENT ON PROCEDURE semantic_drop IS 'Remove a semantic index with its companion table and triggers.';

-- jsonb without TRANSFORM: the keys pass through as text, exact and unparsed.
CREATE FUNCTION semantic_sync(target regclass, name text, keys jsonb) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import semantic_index; return semantic_index.semantic_sync(target, name, keys) $$;
COMMENT ON FUNCTION semantic_sync IS 'Make the chunks of the rows with these keys true; for the table''s owner.';

-- One for all tables, and the extension's: nobody can plant another under its name. Keys in full, however few digits the
-- writer's session shows.
CREATE FUNCTION llm.follow_index() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import semantic_index; return semantic_index.follow_index(TD) $$;
COMMENT ON FUNCTION llm.follow_index IS 'Statement trigger of a live semantic index: makes chunks of what was written, with the rights of the table''s owner.';

-- Once a query, with the rights of whoever reads the companion: privileges on the columns that were indexed, and row-level
-- security, are asked of the source.
CREATE FUNCTION llm.readable_keys(semantic_index int) RETURNS SETOF record
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
             SELECT w.name, NULL FROM unnest(i.columns || i.context) AS w (name) WHERE w.name IS NOT NULL
         ) AS n),
        i.target
    ) INTO query FROM llm.semantic_index AS i WHERE i.id = readable_keys.semantic_index;
    IF query IS NOT NULL THEN
        RETURN QUERY EXECUTE query;
    END IF;
END
$$;
COMMENT ON FUNCTION llm.readable_keys IS 'The keys of the rows of an indexed source that the caller may read';

CREATE FUNCTION llm.create_companion_policy(companion regclass, semantic_index int) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    keys text;
    typed text;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
           string_agg(format('%I %s', a.attname, format_type(a.atttypid, -1)), ', ' ORDER BY a.attnum) INTO keys, typed
    FROM llm.all_semantic_index AS i JOIN pg_attribute AS a
    ON a.attrelid = i.companion AND a.attnum BETWEEN 1 AND cardinality(i.key)
    WHERE i.id = create_companion_policy.semantic_index;
    EXECUTE format(
        'CREATE POLICY readable ON %s FOR SELECT USING ((%s) IN (SELECT r.* FROM llm.readable_keys(%s) AS r (%s)))',
        companion, keys, semantic_index, typed
    );
END
$$;
COMMENT ON FUNCTION llm.create_companion_policy IS 'Let whoever may read a row of the source read its chunks';
