CREATE VIEW llm.ai_column WITH (security_barrier) AS
SELECT
    a.id, a.source AS target, a.name::pg_catalog.text AS name, a.companion,
    llm.present_names(a.source, a.number, a.key, a.key_numbers) AS key,
    llm.present_names(a.source, a.number, a.inputs, a.input_numbers) AS inputs,
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

CREATE VIEW @extschema@.llm_staleness AS
SELECT r.kind, r.target::pg_catalog.regclass AS target, r.name, r.sync, r.rows, r.stale, r.missing, r.failed, r.corrected,
       r.oldest, r.models
FROM llm.staleness_report() AS r;
COMMENT ON VIEW @extschema@.llm_staleness IS 'How true semantic indexes and AI columns are: rows that are stale, missing or failed, and by which models';
COMMENT ON COLUMN @extschema@.llm_staleness.kind IS 'index or column';
COMMENT ON COLUMN @extschema@.llm_staleness.rows IS 'Rows of the table that the caller may read; NULL where reading it would run code of somebody whom the caller cannot trust';
COMMENT ON COLUMN @extschema@.llm_staleness.stale IS 'Rows whose input, expression or model changed since';
COMMENT ON COLUMN @extschema@.llm_staleness.missing IS 'Rows for which there is nothing yet';
COMMENT ON COLUMN @extschema@.llm_staleness.failed IS 'Rows whose value is an error';
COMMENT ON COLUMN @extschema@.llm_staleness.corrected IS 'Rows whose value a person has set';
COMMENT ON COLUMN @extschema@.llm_staleness.oldest IS 'When the oldest value was computed';
COMMENT ON COLUMN @extschema@.llm_staleness.models IS 'Rows by the models that computed them, each with the beginning of its digest';
