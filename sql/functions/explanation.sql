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

CREATE FUNCTION llm_counterfactual(input text, model text DEFAULT NULL, labels text[] DEFAULT NULL) RETURNS TABLE (
    token text, start_pos int, end_pos int, before text, after text, changed text
)
LANGUAGE plpython3u STABLE COST 200000 ROWS 3 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_counterfactual(input, model, labels) $$;
COMMENT ON FUNCTION llm_counterfactual IS 'The fewest words without which a text has another label, and the text without them.';

-- jsonb without TRANSFORM: the key passes through as text, exact and unparsed.
CREATE FUNCTION llm_why(target regclass, key jsonb, "column" text) RETURNS TABLE (
    origin text, state text, value text, before text, confidence real, reason text, evidence jsonb, usename text,
    at timestamptz
)
LANGUAGE plpython3u VOLATILE ROWS 2 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import explanation; return explanation.llm_why(target, key, column) $$;
COMMENT ON FUNCTION llm_why IS 'Where the value of a cell comes from, as far as something here wrote it: what, when, how sure, and by whom.';
