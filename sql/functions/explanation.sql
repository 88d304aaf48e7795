CREATE FUNCTION llm_explain(
    input text, model text DEFAULT NULL, target text DEFAULT NULL, labels text[] DEFAULT NULL, method text DEFAULT 'auto'
) RETURNS TABLE (token text, start_pos int, end_pos int, attribution double precision, method text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 30 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_explain(input, model, target, labels, method) $$;
COMMENT ON FUNCTION llm_explain IS 'How much each word of a text adds to a model''s score for a label, or to its likeness to another text.';

CREATE FUNCTION llm_explain_svg(
    input text, model text DEFAULT NULL, target text DEFAULT NULL, labels text[] DEFAULT NULL, method text DEFAULT 'auto',
    title text DEFAULT NULL, width int DEFAULT 640
) RETURNS text
LANGUAGE plpython3u STABLE COST 200000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_explain_svg(input, model, target, labels, method, title, width) $$;
COMMENT ON FUNCTION llm_explain_svg IS 'A text in SVG with the words marked that speak for a model''s answer and against it; NULL for NULL.';
