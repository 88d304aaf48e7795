CREATE FUNCTION dp_allow(target regclass, role text, epsilon float8, unit text, delta float8 DEFAULT 0) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_allow(target, role, epsilon, unit, delta) $$;
COMMENT ON FUNCTION dp_allow IS 'Let a role ask for noisy figures of a table of yours, until it has spent so much epsilon and delta.';

-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION dp_count(query text, epsilon float8, contributions int DEFAULT 1) RETURNS bigint
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_count(query, epsilon, contributions) $$;
COMMENT ON FUNCTION dp_count IS 'How many rows a query gives, with noise that hides any one person.';

CREATE FUNCTION dp_sum(query text, epsilon float8, bounds float8[], contributions int DEFAULT 1) RETURNS float8
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_sum(query, epsilon, bounds, contributions) $$;
COMMENT ON FUNCTION dp_sum IS 'The sum of a column, values held within bounds, with noise that hides any one person.';

CREATE FUNCTION dp_mean(query text, epsilon float8, bounds float8[], contributions int DEFAULT 1) RETURNS float8
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_mean(query, epsilon, bounds, contributions) $$;
COMMENT ON FUNCTION dp_mean IS 'The mean of a column, values held within bounds, with noise that hides any one person.';

CREATE FUNCTION dp_quantile(
    query text, epsilon float8, bounds float8[], quantile float8 DEFAULT 0.5, contributions int DEFAULT 1
) RETURNS float8
LANGUAGE plpython3u VOLATILE COST 1000000
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_quantile(query, epsilon, bounds, quantile, contributions) $$;
COMMENT ON FUNCTION dp_quantile IS 'A quantile of a column, the median by default, chosen with noise that hides any one person.';

CREATE FUNCTION dp_histogram(query text, epsilon float8, edges float8[], contributions int DEFAULT 1)
RETURNS TABLE (low float8, high float8, count bigint)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 10
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_histogram(query, epsilon, edges, contributions) $$;
COMMENT ON FUNCTION dp_histogram IS 'How many values of a column lie between edges, with noise that hides any one person.';

CREATE FUNCTION dp_group_count(query text, epsilon float8, delta float8, contributions int DEFAULT 1)
RETURNS TABLE (value text, persons bigint)
LANGUAGE plpython3u VOLATILE COST 1000000 ROWS 20
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_group_count(query, epsilon, delta, contributions) $$;
COMMENT ON FUNCTION dp_group_count IS 'How many persons there are of each value of a column, with noise; values of few persons are left out.';

CREATE FUNCTION dp_spent() RETURNS TABLE (
    "table" text, role text, unit text, epsilon float8, epsilon_spent float8, delta float8, delta_spent float8
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import differential_privacy; return differential_privacy.dp_spent() $$;
COMMENT ON FUNCTION dp_spent IS 'The privacy budgets that you may spend from or have given, and what was spent of each.';
