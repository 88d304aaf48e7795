CREATE FUNCTION llm_duplicates(
    target regclass, columns text[] DEFAULT NULL, threshold double precision DEFAULT 0.65
) RETURNS TABLE (key_a jsonb, key_b jsonb, score real, differs text[], cluster bigint)
LANGUAGE plpython3u STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_duplicates(target, columns, threshold) $$;
COMMENT ON FUNCTION llm_duplicates IS 'Pairs of rows of a table that are about one thing, cluster by cluster, with the columns that differ.';

CREATE FUNCTION llm_golden(
    target regclass, survivorship jsonb DEFAULT '{}', columns text[] DEFAULT NULL,
    threshold double precision DEFAULT 0.95, clusters jsonb DEFAULT NULL
) RETURNS TABLE (cluster bigint, kept jsonb, removed jsonb, golden jsonb, changed jsonb)
LANGUAGE plpython3u STABLE ROWS 100 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_golden(target, survivorship, columns, threshold, clusters) $$;
COMMENT ON FUNCTION llm_golden IS 'The golden records that llm_merge would make of the duplicates of a table.';

-- Without SET search_path, so that the tables' triggers run as they do for any other statement.
CREATE FUNCTION llm_merge(
    target regclass, survivorship jsonb DEFAULT '{}', columns text[] DEFAULT NULL,
    threshold double precision DEFAULT 0.95, clusters jsonb DEFAULT NULL
) RETURNS uuid
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_merge(target, survivorship, columns, threshold, clusters) $$;
COMMENT ON FUNCTION llm_merge IS 'Make one golden record of each cluster of duplicates, and point foreign keys to it; returns the run.';

CREATE FUNCTION llm_unmerge(run uuid) RETURNS TABLE (restored bigint, edited bigint, gone bigint)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_unmerge(run) $$;
COMMENT ON FUNCTION llm_unmerge IS 'Put the rows and foreign keys back that llm_merge removed and changed; edited and deleted ones are counted.';

CREATE FUNCTION llm_match(
    input text, reference regclass, "column" text, k bigint DEFAULT 1, threshold double precision DEFAULT 0.5
) RETURNS TABLE (key jsonb, value text, score real)
LANGUAGE plpython3u STABLE ROWS 1 COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_match(input, reference, column, k, threshold) $$;
COMMENT ON FUNCTION llm_match IS 'The values of a reference table that a text means, with the keys of their rows; none where it is not sure.';

CREATE FUNCTION llm_match_batch(
    inputs text[], reference regclass, "column" text, k bigint DEFAULT 1, threshold double precision DEFAULT 0.5
) RETURNS TABLE (ordinality bigint, key jsonb, value text, score real)
LANGUAGE plpython3u STABLE ROWS 100 COST 10000 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import duplicates; return duplicates.llm_match_batch(inputs, reference, column, k, threshold) $$;
COMMENT ON FUNCTION llm_match_batch IS 'As llm_match for many texts, in one call; ordinality says which text a row is about.';
