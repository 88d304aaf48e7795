-- Transition tables of the user's own triggers, beside ours of whatever name.
CREATE TABLE note (id int PRIMARY KEY, body text);
CREATE FUNCTION show_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % new: %', TG_NAME, TG_OP, (SELECT string_agg(c::text, ', ' ORDER BY id) FROM changed AS c); RETURN NULL;
END $$;
CREATE FUNCTION show_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % old: %', TG_NAME, TG_OP, (SELECT string_agg(o::text, ', ' ORDER BY id) FROM old AS o); RETURN NULL;
END $$;
CREATE FUNCTION show_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % both: % / %', TG_NAME, TG_OP, (SELECT string_agg(o::text, ', ' ORDER BY id) FROM old AS o),
        (SELECT string_agg(c::text, ', ' ORDER BY id) FROM changed AS c);
    RETURN NULL;
END $$;
INSERT INTO note VALUES (1, 'a red apple');
-- index: note {body}
CREATE TRIGGER i AFTER INSERT ON note REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION show_new();
CREATE TRIGGER u AFTER UPDATE ON note REFERENCING NEW TABLE AS changed OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION show_both();
CREATE TRIGGER d AFTER DELETE ON note REFERENCING OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION show_old();
CREATE TRIGGER r AFTER UPDATE ON note REFERENCING NEW TABLE AS changed OLD TABLE AS old FOR EACH ROW EXECUTE FUNCTION show_both();
CREATE TRIGGER no_columns AFTER UPDATE OF body ON note REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION show_new();
CREATE TRIGGER no_two_events AFTER INSERT OR UPDATE ON note REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION show_new();
CREATE TRIGGER no_truncate AFTER TRUNCATE ON note REFERENCING OLD TABLE AS old FOR EACH STATEMENT EXECUTE FUNCTION show_old();
INSERT INTO note VALUES (2, 'a green pear'), (3, 'a yellow lemon');
UPDATE note SET body = 'ripe ' || body WHERE id > 1;
UPDATE note SET id = id WHERE false;
INSERT INTO note VALUES (3, 'a sour lemon'), (4, 'a fig') ON CONFLICT (id) DO UPDATE SET body = excluded.body;
MERGE INTO note USING (VALUES (1, NULL), (4, 'a date'), (5, 'a plum')) AS v (id, body) ON note.id = v.id
    WHEN MATCHED AND v.body IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET body = v.body
    WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.body);
WITH a AS (INSERT INTO note VALUES (10, 'ten') RETURNING id), b AS (INSERT INTO note VALUES (11, 'eleven') RETURNING id)
    UPDATE note SET body = 'none' FROM a, b WHERE note.id = a.id RETURNING note.id;
COPY note FROM STDIN;
20	copied
21	copied too
\.
DELETE FROM note WHERE id >= 20;
DELETE FROM note WHERE false;
-- A user's temporary tables of the names that triggers of ours may use.
CREATE TEMPORARY TABLE changed (id int, body text);
CREATE TEMPORARY TABLE old (id int, body text);
INSERT INTO note VALUES (30, 'beside temporary tables');
UPDATE note SET body = 'changed beside them' WHERE id = 30;
DELETE FROM note WHERE id = 30;
SELECT * FROM note ORDER BY id;
