CREATE FUNCTION llm_generate(
    prompt text, model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0, seed bigint DEFAULT 0
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate(prompt, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate IS 'The text that a language model answers a prompt with; NULL for NULL.';

CREATE FUNCTION llm_generate_batch(
    prompts text[], model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0, seed bigint DEFAULT 0
) RETURNS TABLE (ordinality bigint, answer text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_batch(prompts, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate_batch IS 'The answer to each prompt with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_generate_json(
    prompt text, schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0,
    seed bigint DEFAULT 0
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 100000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_json(prompt, schema, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate_json IS 'The answer to a prompt as JSON that follows a JSON Schema; NULL for NULL and for what max_tokens cut off.';

CREATE FUNCTION llm_generate_json_batch(
    prompts text[], schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256, temperature double precision DEFAULT 0,
    seed bigint DEFAULT 0
) RETURNS TABLE (ordinality bigint, answer jsonb)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_generate_json_batch(prompts, schema, model, max_tokens, temperature, seed) $$;
COMMENT ON FUNCTION llm_generate_json_batch IS 'The answer to each prompt as JSON that follows a JSON Schema, with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_extract(
    input text, schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 100000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_extract(input, schema, model, max_tokens) $$;
COMMENT ON FUNCTION llm_extract IS 'The properties that a JSON Schema asks for, as the text states them, null where it does not; NULL for NULL.';

CREATE FUNCTION llm_extract_batch(
    inputs text[], schema jsonb, model text DEFAULT NULL, max_tokens bigint DEFAULT 256
) RETURNS TABLE (ordinality bigint, extracted jsonb)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import generation; return generation.llm_extract_batch(inputs, schema, model, max_tokens) $$;
COMMENT ON FUNCTION llm_extract_batch IS 'The properties that a JSON Schema asks for, from each text, with its position from 1; NULL for NULL.';
