CREATE FUNCTION llm_classify(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS text
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify(input, labels, model, examples, instruction, allow_none) $$;
COMMENT ON FUNCTION llm_classify IS 'The one label that fits a text best; NULL for NULL.';

CREATE FUNCTION llm_classify_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS TABLE (ordinality bigint, label text)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_batch(inputs, labels, model, examples, instruction, allow_none) $$;
COMMENT ON FUNCTION llm_classify_batch IS 'The label of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_classify_scored(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS TABLE (label text, score double precision, margin double precision)
LANGUAGE plpython3u STABLE COST 20000 ROWS 1 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_scored(input, labels, model, examples, instruction, allow_none) $$;
COMMENT ON FUNCTION llm_classify_scored IS 'The label that fits a text best, its probability, and by how much that exceeds the next label''s.';

CREATE FUNCTION llm_classify_scored_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL, allow_none boolean DEFAULT false
) RETURNS TABLE (ordinality bigint, label text, score double precision, margin double precision)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_scored_batch(inputs, labels, model, examples, instruction, allow_none) $$;
COMMENT ON FUNCTION llm_classify_scored_batch IS 'The label of each text, its probability and its lead, with the text''s position from 1; NULL for NULL.';

CREATE FUNCTION llm_tag(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes bigint DEFAULT 1, instruction text DEFAULT NULL
) RETURNS text[]
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag(input, labels, model, threshold, examples, votes, instruction) $$;
COMMENT ON FUNCTION llm_tag IS 'The labels that apply to a text, most probable first, possibly none; NULL for NULL.';

CREATE FUNCTION llm_tag_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, threshold double precision DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes bigint DEFAULT 1, instruction text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, labels text[])
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_batch(inputs, labels, model, threshold, examples, votes, instruction) $$;
COMMENT ON FUNCTION llm_tag_batch IS 'The labels of each text with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_tag_scores(
    input text, labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 20000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_scores(input, labels, model, examples, instruction) $$;
COMMENT ON FUNCTION llm_tag_scores IS 'The probability of each label that it applies to a text, as a JSON object; NULL for NULL.';

CREATE FUNCTION llm_tag_scores_batch(
    inputs text[], labels text[] DEFAULT NULL, model text DEFAULT NULL, examples jsonb DEFAULT NULL,
    instruction text DEFAULT NULL
) RETURNS TABLE (ordinality bigint, scores jsonb)
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_scores_batch(inputs, labels, model, examples, instruction) $$;
COMMENT ON FUNCTION llm_tag_scores_batch IS 'The probabilities of each text''s labels with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_tag_votes(
    input text, labels text[] DEFAULT NULL, models text[] DEFAULT NULL, threshold double precision DEFAULT 0.5,
    examples jsonb DEFAULT NULL, votes bigint DEFAULT 3, instruction text DEFAULT NULL
) RETURNS TABLE (label text, votes int, voters int, agreement real, score real)
LANGUAGE plpython3u STABLE COST 60000 ROWS 10 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_tag_votes(input, labels, models, threshold, examples, votes, instruction) $$;
COMMENT ON FUNCTION llm_tag_votes IS 'How several models, or several wordings of the question, vote on each label of a text, and how far they agree.';

CREATE FUNCTION llm_classify_set(input text, model text DEFAULT NULL, alpha double precision DEFAULT 0.1) RETURNS text[]
LANGUAGE plpython3u STABLE COST 20000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_set(input, model, alpha) $$;
COMMENT ON FUNCTION llm_classify_set IS 'The labels that a text may have, of which the right one is missing in a share alpha at most; NULL for NULL.';

CREATE FUNCTION llm_classify_set_batch(
    inputs text[], model text DEFAULT NULL, alpha double precision DEFAULT 0.1
) RETURNS TABLE (ordinality bigint, labels text[])
LANGUAGE plpython3u STABLE COST 200000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_classify_set_batch(inputs, model, alpha) $$;
COMMENT ON FUNCTION llm_classify_set_batch IS 'The labels that each text may have with its position from 1; NULL for NULL.';

CREATE FUNCTION llm_ensemble(input text, models text[], labels text[] DEFAULT NULL)
RETURNS TABLE (label text, score real, disagreement real)
LANGUAGE plpython3u STABLE COST 40000 ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_ensemble(input, models, labels) $$;
COMMENT ON FUNCTION llm_ensemble IS 'The label that several classifiers give a text together, and how far they disagree; NULL for NULL.';

CREATE FUNCTION llm_ensemble_batch(inputs text[], models text[], labels text[] DEFAULT NULL)
RETURNS TABLE (ordinality bigint, label text, score real, disagreement real)
LANGUAGE plpython3u STABLE COST 400000 ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import classification; return classification.llm_ensemble_batch(inputs, models, labels) $$;
COMMENT ON FUNCTION llm_ensemble_batch IS 'What several classifiers say of each text together with its position from 1; NULL for NULL.';
