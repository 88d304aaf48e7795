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
