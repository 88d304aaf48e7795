CREATE FUNCTION llm.progress_report() RETURNS TABLE (
    pid int, usename text, command text, target text, name text, phase text,
    done bigint, total bigint, started_at timestamptz, detail jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import progress; return progress.progress_report() $$;
COMMENT ON FUNCTION llm.progress_report IS 'The reports that the caller may see, for the view llm_progress.';
