-- Without SET search_path, so that the expression means what it means to the caller; the procedures that compute commit as
-- they go. What follows is pinned inside.
CREATE PROCEDURE llm_column(
    target regclass, "column" text, expression text, sync text DEFAULT 'live', name text DEFAULT NULL
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_column(target, column, expression, sync, name) $$;
COMMENT ON PROCEDURE llm_column IS 'Keep the value of an expression for each row of a table beside it, computed again where an input changes.';

CREATE PROCEDURE llm_refresh_column(target regclass, "column" text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_refresh_column(target, column) $$;
COMMENT ON PROCEDURE llm_refresh_column IS 'Compute the rows of an AI column whose value is missing, stale or failed.';

CREATE PROCEDURE llm_drop_column(target regclass, "column" text)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_drop_column(target, column) $$;
COMMENT ON PROCEDURE llm_drop_column IS 'Remove an AI column with its values and corrections.';

CREATE PROCEDURE llm_column_view(target regclass, name text DEFAULT NULL)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_column_view(target, name) $$;
COMMENT ON PROCEDURE llm_column_view IS 'Make a view that shows a table with its AI columns, each reader the rows that they may see.';

-- jsonb without TRANSFORM: the key passes through as text, exact and unparsed.
CREATE FUNCTION llm_correct(target regclass, "column" text, key jsonb, value text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_correct(target, column, key, value) $$;
COMMENT ON FUNCTION llm_correct IS 'Set the value of an AI column for one row, for good; NULL takes a correction back.';

CREATE FUNCTION llm_corrections(target regclass, "column" text DEFAULT NULL) RETURNS TABLE (text text, label text)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import ai_column; return ai_column.llm_corrections(target, column) $$;
COMMENT ON FUNCTION llm_corrections IS 'Text and right label of each corrected row, as llm_fit takes them.';

-- One for all tables, and the extension's: nobody can plant another under its name. Keys in full, however few digits the
-- writer's session shows.
CREATE FUNCTION llm.follow_column() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import ai_column; return ai_column.follow_column(TD) $$;
COMMENT ON FUNCTION llm.follow_column IS 'Statement trigger of a live AI column: computes the rows that changed, with the rights of the table''s owner.';

-- A row that somebody restores in the name of a role whose rights they have not is theirs: it computes nothing for others.
CREATE FUNCTION llm.column_author() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_roles AS me LEFT JOIN pg_roles AS author ON author.rolname = NEW.usename
        WHERE me.rolname = CURRENT_USER AND (me.rolsuper OR pg_has_role(author.oid, 'USAGE'))
    ) THEN
        NEW.usename := CURRENT_USER;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION llm.column_author IS 'Row trigger of llm.all_column: an expression is written in nobody else''s name';
CREATE TRIGGER author BEFORE INSERT OR UPDATE ON llm.all_column FOR EACH ROW EXECUTE FUNCTION llm.column_author();
