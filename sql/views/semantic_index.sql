CREATE VIEW llm.semantic_index WITH (security_barrier) AS
SELECT
    i.id, i.source AS target, c.relname::pg_catalog.text AS name, i.companion,
    llm.present_names(i.source, i.number, i.key, i.key_numbers) AS key,
    llm.present_names(i.source, i.number, i.columns, i.column_numbers) AS columns,
    llm.present_names(i.source, i.number, i.context, i.context_numbers) AS context,
    i.model, i.method, i.metric, i.sync, i.chunking, i.chunk_tokens, i.chunk_overlap, i.template, i.storage,
    i.text_config
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
    llm.present_names(i.source, i.number, i.key, i.key_numbers) AS key,
    llm.present_names(
        i.source, i.number, i.columns OPERATOR(pg_catalog.||) i.context,
        i.column_numbers OPERATOR(pg_catalog.||) i.context_numbers
    ) AS inputs
FROM llm.all_semantic_index AS i
UNION ALL
SELECT
    'column', a.id, a.source, a.companion, a.sync, a.number, a.key_numbers,
    llm.present_names(a.source, a.number, a.key, a.key_numbers),
    llm.present_names(a.source, a.number, a.inputs, a.input_numbers)
FROM llm.all_column AS a;
COMMENT ON VIEW llm.companion_table IS 'The companion tables of this database, each with the table that it is derived from';
COMMENT ON COLUMN llm.companion_table.inputs IS 'The columns of the source that it is made from';
