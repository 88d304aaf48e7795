CREATE FUNCTION llm_clean(
    input text, instruction text DEFAULT NULL, model text DEFAULT NULL, locale text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import clean; return clean.llm_clean(input, instruction, model, locale) $$;
COMMENT ON FUNCTION llm_clean IS 'A text without damage and misspellings, or in the form that the instruction asks for; NULL for NULL.';

CREATE FUNCTION llm_clean_batch(
    inputs text[], instruction text DEFAULT NULL, model text DEFAULT NULL, locale text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, cleaned text)
LANGUAGE plpython3u STABLE COST 50000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import clean; return clean.llm_clean_batch(inputs, instruction, model, locale) $$;
COMMENT ON FUNCTION llm_clean_batch IS 'Each text cleaned as llm_clean() does, with its position from 1; NULL for NULL.';
