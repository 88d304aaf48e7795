-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_evaluate(model text, query text, labels text[] DEFAULT NULL) RETURNS TABLE (
    label text, "precision" real, recall real, f1 real, support bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_evaluate(model, query, labels) $$;
COMMENT ON FUNCTION llm_evaluate IS 'How well a model labels the rows of a query: precision, recall and F1 of each label and on average.';

CREATE FUNCTION llm_promote(name text, over text, query text) RETURNS TABLE (
    model text, score real, promoted boolean
)
LANGUAGE plpython3u VOLATILE ROWS 2
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_promote(name, over, query) $$;
COMMENT ON FUNCTION llm_promote IS 'Let a name stand for a new model from now on, if that labels the rows of a query better; shows both scores.';

CREATE FUNCTION llm_calibrate(model text, query text) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_calibrate(model, query) $$;
COMMENT ON FUNCTION llm_calibrate IS 'Calibrate a classifier on labelled rows that it has not learnt from, for llm_classify_set.';
