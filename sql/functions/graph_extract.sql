CREATE FUNCTION graph_extract(
    input text, entity_types text[] DEFAULT NULL, relation_types jsonb DEFAULT NULL, model text DEFAULT NULL
) RETURNS TABLE (
    subject text, subject_type text, predicate text, object text, object_type text, confidence real, start_pos int,
    end_pos int
)
LANGUAGE plpython3u STABLE COST 50000 ROWS 5 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import graph_extract; return graph_extract.graph_extract(input, entity_types, relation_types, model) $$;
COMMENT ON FUNCTION graph_extract IS 'The relations that a text states: who or what, which relation, to whom or to what, and where it says so.';
