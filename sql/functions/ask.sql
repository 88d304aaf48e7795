-- Without SET search_path: tables are looked up, and written into the SQL, as the caller sees them.
CREATE FUNCTION llm_sql(
    question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL, after uuid DEFAULT NULL
) RETURNS TABLE (sql text, confidence real, explanation text, alternatives jsonb)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 1 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.llm_sql(question, tables, model, after) $$;
COMMENT ON FUNCTION llm_sql IS 'The SELECT that answers a question about your tables, how sure it is, and what else the question may mean.';

CREATE FUNCTION ask(
    question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL, after uuid DEFAULT NULL,
    explain boolean DEFAULT false
) RETURNS TABLE (
    answer text, sql text, "rows" jsonb, confidence real, chart jsonb, reason text, readings jsonb, assumptions text[],
    clarify jsonb, id uuid
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 1 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.ask(question, tables, model, after, explain) $$;
COMMENT ON FUNCTION ask IS 'The answer to a question about your tables, SQL, rows, chart; below llm.ask_threshold only why there is none.';

CREATE FUNCTION ask_rows(
    question text, tables regclass[] DEFAULT NULL, model text DEFAULT NULL, after uuid DEFAULT NULL
) RETURNS SETOF jsonb
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 100 TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import ask; return ask.ask_rows(question, tables, model, after) $$;
COMMENT ON FUNCTION ask_rows IS 'The rows that answer a question about your tables, one object each; an error where none are sure enough.';

CREATE FUNCTION ask_feedback(id uuid, correct boolean, sql text DEFAULT NULL) RETURNS void
LANGUAGE plpython3u VOLATILE
AS $$ from pg_llm.functions import ask; return ask.ask_feedback(id, correct, sql) $$;
COMMENT ON FUNCTION ask_feedback IS 'Say whether a question of your llm.ask_log was answered rightly, or by which SQL it is; this teaches.';

-- Without SET search_path: the taught SQL is looked up as the caller sees it.
CREATE FUNCTION llm_calibrate_ask(model text DEFAULT NULL) RETURNS TABLE (
    agreeing int, asked int, "right" int, confidence double precision
)
LANGUAGE plpython3u VOLATILE COST 100000 ROWS 4
AS $$ from pg_llm.functions import ask; return ask.llm_calibrate_ask(model) $$;
COMMENT ON FUNCTION llm_calibrate_ask IS 'Measure on your taught questions how often a model answers rightly; ask is as sure of it from then on.';
