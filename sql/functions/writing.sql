CREATE FUNCTION llm_summarize(
    input text, instruction text DEFAULT NULL, max_words bigint DEFAULT NULL, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_summarize(input, instruction, max_words, model) $$;
COMMENT ON FUNCTION llm_summarize IS 'What a text tells, in a few sentences or in at most so many words; NULL for NULL.';

CREATE FUNCTION llm_summarize_batch(
    inputs text[], instruction text DEFAULT NULL, max_words bigint DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, summary text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_summarize_batch(inputs, instruction, max_words, model) $$;
COMMENT ON FUNCTION llm_summarize_batch IS 'The summary of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_translate(
    input text, target_language text, source_language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_translate(input, target_language, source_language, model) $$;
COMMENT ON FUNCTION llm_translate IS 'A text in another language; NULL for NULL.';

CREATE FUNCTION llm_translate_batch(
    inputs text[], target_language text, source_language text DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, translation text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_translate_batch(inputs, target_language, source_language, model) $$;
COMMENT ON FUNCTION llm_translate_batch IS 'Each text in another language, with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_fix_grammar(
    input text, model text DEFAULT NULL
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_fix_grammar(input, model) $$;
COMMENT ON FUNCTION llm_fix_grammar IS 'A text without mistakes of grammar, spelling and punctuation; NULL for NULL.';

CREATE FUNCTION llm_fix_grammar_batch(
    inputs text[], model text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, fixed text)
LANGUAGE plpython3u STABLE COST 1000000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import writing; return writing.llm_fix_grammar_batch(inputs, model) $$;
COMMENT ON FUNCTION llm_fix_grammar_batch IS 'Each text without mistakes of grammar, with its position from 1; NULL for NULL.';
