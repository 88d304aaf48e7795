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
