CREATE FUNCTION llm_register_model(
    name text, task text, source text, revision text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS text
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_register_model(name, task, source, revision, options) $$;
COMMENT ON FUNCTION llm_register_model IS 'Add a model to the registry, after loading it once; returns its digest.';

CREATE FUNCTION llm_drop_model(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_drop_model(name) $$;
COMMENT ON FUNCTION llm_drop_model IS 'Remove a model from the registry; an error while a semantic index still needs it.';

CREATE FUNCTION llm_load_model(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_load_model(name) $$;
COMMENT ON FUNCTION llm_load_model IS 'Load a model now, so that the next call finds it ready.';

CREATE FUNCTION llm_unload_model(name text) RETURNS boolean
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_unload_model(name) $$;
COMMENT ON FUNCTION llm_unload_model IS 'Drop a model from memory; true if it was there. The next call loads it again.';

CREATE FUNCTION llm_status() RETURNS TABLE (
    host_pid int, up_since timestamptz, model text, task text, state text, device text, engine text,
    bytes bigint, calls bigint, rows bigint, queue int, memo_hits bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import model; return model.llm_status() $$;
COMMENT ON FUNCTION llm_status IS 'The model host and each registered model: state, device, engine, memory and work done since the host started.';
