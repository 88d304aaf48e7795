CREATE FUNCTION llm.staleness_report() RETURNS TABLE (
    kind text, target oid, name text, sync text, rows bigint, stale bigint, missing bigint, failed bigint,
    corrected bigint, waiting bigint, oldest timestamptz, models jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import staleness; return staleness.staleness_report() $$;
COMMENT ON FUNCTION llm.staleness_report IS 'How true the semantic indexes and AI columns are that the caller may read, for the view llm_staleness.';
