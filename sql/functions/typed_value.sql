CREATE FUNCTION llm_parse_number(input text, locale text DEFAULT NULL) RETURNS numeric
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_number(input, locale) $$;
COMMENT ON FUNCTION llm_parse_number IS 'The number that a text is, by the marks of any country or of a locale; NULL where it is none or may be two.';

CREATE FUNCTION llm_parse_date(input text, locale text DEFAULT NULL) RETURNS date
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_date(input, locale) $$;
COMMENT ON FUNCTION llm_parse_date IS 'The day that a text is, in any language or in the order of a locale; NULL where it is none or may be two.';

CREATE FUNCTION llm_parse_phone(input text, locale text DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE COST 5000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_phone(input, locale) $$;
COMMENT ON FUNCTION llm_parse_phone IS 'The phone number that a text is, in E.164; a locale with a territory lets it go without country code.';

CREATE FUNCTION llm_parse_address(input text) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 5000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_parse_address(input) $$;
COMMENT ON FUNCTION llm_parse_address IS 'The parts of a postal address, as far as they are certain; NULL where nothing is.';

CREATE FUNCTION llm_semantic_type(inputs text[], locale text DEFAULT NULL) RETURNS TABLE (
    type text, share real, decimal_mark text, date_order text, region text, unit text, pattern text, ambiguous boolean
)
LANGUAGE plpython3u STABLE COST 50000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import typed_value; return typed_value.llm_semantic_type(inputs, locale) $$;
COMMENT ON FUNCTION llm_semantic_type IS 'What the values of a column are, and how they are written: dates, money, phones, codes, names of countries.';
