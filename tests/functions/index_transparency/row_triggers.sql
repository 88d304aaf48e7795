-- Row triggers: before and after, with conditions and columns, in the order of their names, and what they change.
CREATE TABLE note (id int PRIMARY KEY, body text, version int DEFAULT 0, changed_by text);
CREATE TABLE fired (number int GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fired (what) VALUES (concat_ws(' ', TG_NAME, TG_WHEN, TG_OP, TG_LEVEL, TG_ARGV[0], OLD.id, OLD.body, '->', NEW.id, NEW.body));
    RAISE NOTICE '% % % %: % -> %', TG_NAME, TG_WHEN, TG_OP, TG_LEVEL, OLD, NEW;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION say_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fired (what) VALUES (concat_ws(' ', TG_NAME, TG_WHEN, TG_OP, TG_LEVEL));
    RAISE NOTICE '% % % % %', TG_NAME, TG_WHEN, TG_OP, TG_LEVEL, TG_NARGS;
    RETURN NULL;
END $$;
CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1; RETURN NEW;
END $$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION say('an argument');
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION say();
CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON note EXECUTE FUNCTION say_statement();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON note EXECUTE FUNCTION say_statement();
CREATE TRIGGER zzz_last AFTER INSERT OR UPDATE OR DELETE ON note EXECUTE FUNCTION say_statement();
CREATE TRIGGER of_body BEFORE UPDATE OF body ON note FOR EACH ROW EXECUTE FUNCTION say();
CREATE TRIGGER of_version AFTER UPDATE OF version ON note FOR EACH ROW EXECUTE FUNCTION say();
CREATE TRIGGER when_changed AFTER UPDATE ON note FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION say();
CREATE TRIGGER when_equal AFTER UPDATE ON note FOR EACH ROW WHEN (OLD.* *= NEW.*) EXECUTE FUNCTION say();
CREATE TRIGGER version BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION count_version();
INSERT INTO note VALUES (1, 'a red apple'), (2, 'a green pear');
-- index: note {body}
SELECT * FROM fired ORDER BY number;
INSERT INTO note VALUES (3, 'a yellow lemon') RETURNING *;
UPDATE note SET body = 'a ripe pear' WHERE id = 2 RETURNING *;
UPDATE note SET body = body WHERE id = 2 RETURNING *;
UPDATE note SET changed_by = 'me' RETURNING *;
UPDATE note SET id = 4 WHERE id = 3 RETURNING *;
UPDATE note SET body = 'nobody' WHERE false;
DELETE FROM note WHERE id = 4 RETURNING *;
INSERT INTO note VALUES (1, 'an orange') ON CONFLICT (id) DO UPDATE SET body = excluded.body RETURNING *;
MERGE INTO note USING (VALUES (1, 'a plum'), (9, 'a quince')) AS v (id, body) ON note.id = v.id
    WHEN MATCHED THEN UPDATE SET body = v.body WHEN NOT MATCHED THEN INSERT (id, body) VALUES (v.id, v.body);
COPY note (id, body) FROM STDIN;
20	a fig
21	a date
\.
TRUNCATE note;
SELECT number, what FROM fired ORDER BY number;

-- One that rewrites the text, one that skips rows, one that forbids changes.
CREATE TABLE diary (id int PRIMARY KEY, body text);
CREATE FUNCTION sweeten() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := 'honey ' || NEW.body; RETURN NEW; END $$;
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF coalesce(NEW.id, OLD.id) % 2 = 0 THEN RETURN NULL; END IF; RETURN coalesce(NEW, OLD); END $$;
CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER sweeten BEFORE INSERT OR UPDATE ON diary FOR EACH ROW EXECUTE FUNCTION sweeten();
CREATE TRIGGER a_skip BEFORE INSERT OR UPDATE OR DELETE ON diary FOR EACH ROW EXECUTE FUNCTION skip();
INSERT INTO diary VALUES (1, 'bread'), (2, 'never'), (3, 'tea');
-- index: diary {body}
INSERT INTO diary VALUES (4, 'never'), (5, 'milk') RETURNING *;
UPDATE diary SET body = 'cake' WHERE id = 5 RETURNING *;
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE ON diary FOR EACH ROW EXECUTE FUNCTION forbid();
INSERT INTO diary VALUES (7, 'salt') RETURNING *;
UPDATE diary SET body = 'pepper' WHERE id = 7;
DELETE FROM diary WHERE id = 7;
UPDATE diary SET body = 'pepper' WHERE false;
CREATE TRIGGER forbid_all BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON diary EXECUTE FUNCTION forbid();
INSERT INTO diary VALUES (9, 'sugar');
UPDATE diary SET body = 'sugar' WHERE false;
TRUNCATE diary;
DROP TRIGGER forbid_all ON diary;
CREATE TRIGGER same BEFORE UPDATE ON diary FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
DROP TRIGGER forbid ON diary;
DROP TRIGGER sweeten ON diary;
UPDATE diary SET body = body RETURNING *;
UPDATE diary SET body = id || ' jars' RETURNING *;
SELECT * FROM diary ORDER BY id;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'diary'::regclass AND tgfoid::regproc::text NOT LIKE 'llm.%' ORDER BY tgname;
ALTER TRIGGER same ON diary RENAME TO same_again;
DROP TRIGGER same ON diary;
DROP TRIGGER same_again ON diary;
DROP FUNCTION skip;
DROP FUNCTION skip CASCADE;
UPDATE diary SET body = 'even' WHERE id = 4 RETURNING *;
