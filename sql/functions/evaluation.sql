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

CREATE FUNCTION llm_confusion(model text, query text, labels text[] DEFAULT NULL) RETURNS TABLE (
    label text, answer text, rows bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_confusion(model, query, labels) $$;
COMMENT ON FUNCTION llm_confusion IS 'How often rows of each label were given each label by a classifier: the confusion matrix.';

CREATE FUNCTION llm_reliability(model text, query text, labels text[] DEFAULT NULL, bins bigint DEFAULT 10) RETURNS TABLE (
    confidence real, accuracy real, rows bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_reliability(model, query, labels, bins) $$;
COMMENT ON FUNCTION llm_reliability IS 'How often a classifier is right where it is so sure: the points of a reliability diagram.';

CREATE FUNCTION llm_privacy_report(model text, members text, non_members text) RETURNS TABLE (
    auc real, low real, high real, advantage real, member_rows bigint, non_member_rows bigint
)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import evaluation; return evaluation.llm_privacy_report(model, members, non_members) $$;
COMMENT ON FUNCTION llm_privacy_report IS 'How well an attack by its loss tells which rows a classifier has learnt from: 0.5 is chance.';
