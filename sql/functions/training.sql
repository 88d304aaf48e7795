-- Without SET search_path, so that the query means what it means to the caller; what follows it is pinned inside.
CREATE FUNCTION llm_fit(
    name text, task text, query text, base text DEFAULT NULL, method text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_fit(name, task, query, base, method, options) $$;
COMMENT ON FUNCTION llm_fit IS 'Train a model on the rows of a query and register it; returns what was measured on rows kept back.';

CREATE FUNCTION llm_tune(
    name text, task text, query text, base text DEFAULT NULL, method text DEFAULT NULL, trials bigint DEFAULT 10,
    options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_tune(name, task, query, base, method, trials, options) $$;
COMMENT ON FUNCTION llm_tune IS 'Train a model with the best hyperparameters of some trials; returns what was measured on rows none has seen.';

CREATE FUNCTION llm_self_train(
    name text, query text, unlabelled text, base text DEFAULT NULL, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import training; return training.llm_self_train(name, query, unlabelled, base, options) $$;
COMMENT ON FUNCTION llm_self_train IS 'Train a classifier on labelled rows and on its own sure answers to unlabelled ones, as far as that helps.';

CREATE FUNCTION llm_suspect_labels(query text, model text DEFAULT NULL) RETURNS TABLE (
    key text, input text, label text, suggested text, quality real
)
LANGUAGE plpython3u VOLATILE ROWS 100
AS $$ from pg_llm.functions import training; return training.llm_suspect_labels(query, model) $$;
COMMENT ON FUNCTION llm_suspect_labels IS 'The rows of a query whose label is probably wrong, most doubtful first, with the label that fits better.';

CREATE FUNCTION llm_similar_training(input text, model text, query text, k bigint DEFAULT 5) RETURNS TABLE (
    key text, text text, label text, similarity real
)
LANGUAGE plpython3u VOLATILE ROWS 5
AS $$ from pg_llm.functions import training; return training.llm_similar_training(input, model, query, k) $$;
COMMENT ON FUNCTION llm_similar_training IS 'The labelled rows of a query that a text is most like to a model: what speaks for its answer.';
