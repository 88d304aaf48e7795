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
