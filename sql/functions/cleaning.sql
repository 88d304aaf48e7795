CREATE FUNCTION llm_profile(target regclass) RETURNS TABLE (
    "column" text, type text, looks_like text, share real, missing bigint, "distinct" bigint, likely_key boolean,
    patterns jsonb, outliers bigint, determined_by text[]
)
LANGUAGE plpython3u STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_profile(target) $$;
COMMENT ON FUNCTION llm_profile IS 'What the columns of a table hold: types, missing and distinct values, patterns, likely keys, dependencies.';

CREATE FUNCTION llm_find_errors(
    target regclass, columns text[] DEFAULT NULL, rules jsonb DEFAULT '[]', labels jsonb DEFAULT '[]'
) RETURNS uuid
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_find_errors(target, columns, rules, labels) $$;
COMMENT ON FUNCTION llm_find_errors IS 'Find the cells of a table that look wrong and write them to llm.change; returns the run.';

CREATE FUNCTION llm_propose_repairs(run uuid) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_propose_repairs(run) $$;
COMMENT ON FUNCTION llm_propose_repairs IS 'Fill in what the cells of a run should hold, as far as that is known; returns for how many it is.';

CREATE FUNCTION llm_mark(run uuid, key jsonb, "column" text, value text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_mark(run, key, column, value) $$;
COMMENT ON FUNCTION llm_mark IS 'Say what a cell should hold, so that the next llm_propose_repairs learns from it; right values count too.';

CREATE FUNCTION llm_review(run uuid, k bigint DEFAULT 10) RETURNS TABLE (
    key jsonb, "column" text, old text, new text, confidence real, reason text, alike bigint
)
LANGUAGE plpython3u STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_review(run, k) $$;
COMMENT ON FUNCTION llm_review IS 'The cells that are worth marking next: those that decide most others and are least sure.';

CREATE FUNCTION llm_steps(run uuid) RETURNS TABLE (
    step bigint, "column" text, detector text, description text, cells bigint, "values" bigint, confidence real,
    states jsonb, examples jsonb
)
LANGUAGE plpython3u STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_steps(run) $$;
COMMENT ON FUNCTION llm_steps IS 'The repairs of a run as steps of a recipe, one transformation per column and kind, with counts and examples.';

CREATE FUNCTION llm_accept(
    run uuid, step bigint DEFAULT NULL, "column" text DEFAULT NULL, detector text DEFAULT NULL, key jsonb DEFAULT NULL
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_accept(run, step, column, detector, key) $$;
COMMENT ON FUNCTION llm_accept IS 'Accept repairs of a run by step, column, detector or row: llm_apply writes them whatever their confidence.';

CREATE FUNCTION llm_refuse(
    run uuid, step bigint DEFAULT NULL, "column" text DEFAULT NULL, detector text DEFAULT NULL, key jsonb DEFAULT NULL
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_refuse(run, step, column, detector, key) $$;
COMMENT ON FUNCTION llm_refuse IS 'Refuse repairs of a run by step, column, detector or row: they are not applied, nor proposed again.';

-- Without SET search_path, so that the table's triggers run as they do for any other UPDATE.
CREATE FUNCTION llm_apply(
    run uuid, min_confidence double precision DEFAULT 0.95, step bigint DEFAULT NULL, "column" text DEFAULT NULL,
    detector text DEFAULT NULL
) RETURNS TABLE (applied bigint, changed_meanwhile bigint, refused bigint)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_apply(run, min_confidence, step, column, detector) $$;
COMMENT ON FUNCTION llm_apply IS 'Write the proposed repairs of a run into the table, where its cells still hold what was found.';

CREATE FUNCTION llm_rollback(run uuid) RETURNS TABLE (restored bigint, edited bigint, gone bigint)
LANGUAGE plpython3u VOLATILE ROWS 1
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_rollback(run) $$;
COMMENT ON FUNCTION llm_rollback IS 'Put the old values back where a cell still holds what llm_apply wrote; edited and deleted ones are counted.';

CREATE FUNCTION llm_rules(run uuid, target regclass DEFAULT NULL) RETURNS text
LANGUAGE plpython3u STABLE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_rules(run, target) $$;
COMMENT ON FUNCTION llm_rules IS 'The applied repairs of a run as one UPDATE that needs no model, for the same or another table.';

CREATE FUNCTION llm_guard(target regclass, run uuid, mode text DEFAULT 'trigger') RETURNS TABLE (
    step bigint, "column" text, description text, cells bigint, covered bigint, sql text, note text
)
LANGUAGE plpython3u VOLATILE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_guard(target, run, mode) $$;
COMMENT ON FUNCTION llm_guard IS 'Let the accepted repairs of a run clean what is written to a table from now on, in plain SQL, or show a view.';

CREATE FUNCTION llm_drop_guard(target regclass) RETURNS boolean
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_drop_guard(target) $$;
COMMENT ON FUNCTION llm_drop_guard IS 'Take the guard of a table away, trigger and view; false if it has none.';

CREATE FUNCTION llm_define_rule(
    target regclass, name text, sql text DEFAULT NULL, definition jsonb DEFAULT NULL, severity text DEFAULT 'warn'
) RETURNS void
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_define_rule(target, name, sql, definition, severity) $$;
COMMENT ON FUNCTION llm_define_rule IS 'Keep a rule that the rows of a table must follow, in place of your rule of that name on that table.';

CREATE FUNCTION llm_drop_rule(target regclass, name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_drop_rule(target, name) $$;
COMMENT ON FUNCTION llm_drop_rule IS 'Forget a rule of yours on a table.';

CREATE FUNCTION llm_check(target regclass) RETURNS TABLE (rule text, severity text, failed bigint, examples jsonb)
LANGUAGE plpython3u STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import cleaning; return cleaning.llm_check(target) $$;
COMMENT ON FUNCTION llm_check IS 'How many rows of a table break each of your rules, with examples and what would satisfy the rule there.';
