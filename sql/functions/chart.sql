-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_chart(query text, kind text DEFAULT NULL, title text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 10000 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import chart; return chart.llm_chart(query, kind, title) $$;
COMMENT ON FUNCTION llm_chart IS 'The rows of a query as a Vega-Lite specification, its kind chosen from the columns'' types; NULL for NULL.';

CREATE FUNCTION llm_chart_svg(
    query text, kind text DEFAULT NULL, title text DEFAULT NULL, width bigint DEFAULT 640, height bigint DEFAULT 400
) RETURNS text
LANGUAGE plpython3u STABLE COST 100000
AS $$ from pg_llm.functions import chart; return chart.llm_chart_svg(query, kind, title, width, height) $$;
COMMENT ON FUNCTION llm_chart_svg IS 'The rows of a query as a chart in SVG; NULL for NULL.';

CREATE FUNCTION llm_chart_png(
    query text, kind text DEFAULT NULL, title text DEFAULT NULL, width bigint DEFAULT 640, height bigint DEFAULT 400,
    scale double precision DEFAULT 2
) RETURNS bytea
LANGUAGE plpython3u STABLE COST 100000
AS $$ from pg_llm.functions import chart; return chart.llm_chart_png(query, kind, title, width, height, scale) $$;
COMMENT ON FUNCTION llm_chart_png IS 'The rows of a query as a chart in PNG, scale pixels for each of width and height; NULL for NULL.';
