-- Views over the table, with INSTEAD OF triggers and rules.
CREATE TABLE note (id int PRIMARY KEY, body text, hidden boolean DEFAULT false);
INSERT INTO note VALUES (1, 'a red apple', false), (2, 'a green pear', true);
-- index: note {body}
CREATE VIEW shown AS SELECT id, body FROM note WHERE NOT hidden WITH CASCADED CHECK OPTION;
INSERT INTO shown VALUES (3, 'a yellow lemon') RETURNING *;
UPDATE shown SET body = upper(body) RETURNING *;
DELETE FROM shown WHERE id = 3 RETURNING *;
CREATE VIEW all_columns AS SELECT * FROM note WHERE NOT hidden WITH CHECK OPTION;
INSERT INTO all_columns VALUES (4, 'never shown', true);
UPDATE all_columns SET hidden = true WHERE id = 1;
MERGE INTO shown USING (VALUES (1)) AS v (id) ON shown.id = v.id WHEN MATCHED THEN UPDATE SET body = 'merged';
CREATE VIEW shouted AS SELECT id, upper(body) AS cry FROM note;
INSERT INTO shouted VALUES (5, 'NO');
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % %: % -> %', TG_NAME, TG_WHEN, TG_OP, OLD, NEW;
    IF TG_OP = 'DELETE' THEN DELETE FROM note WHERE id = OLD.id; RETURN OLD; END IF;
    INSERT INTO note VALUES (NEW.id, lower(NEW.cry)) ON CONFLICT (id) DO UPDATE SET body = excluded.body;
    RETURN NEW;
END $$;
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE OR DELETE ON shouted FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO shouted VALUES (5, 'YES') RETURNING *;
UPDATE shouted SET cry = cry || '!' WHERE id = 5 RETURNING *;
DELETE FROM shouted WHERE id = 5 RETURNING *;
COPY shouted FROM STDIN;
6	COPIED
\.
CREATE TABLE log (id int, body text);
CREATE RULE log_insert AS ON INSERT TO note DO ALSO INSERT INTO log VALUES (NEW.id, NEW.body);
CREATE RULE soft_delete AS ON DELETE TO note DO INSTEAD UPDATE note SET hidden = true, body = 'was ' || body WHERE id = OLD.id;
INSERT INTO note VALUES (7, 'a fig') RETURNING *;
INSERT INTO note VALUES (8, 'a date') ON CONFLICT DO NOTHING;
DELETE FROM note WHERE id = 7;
DELETE FROM note WHERE id = 7 RETURNING *;
CREATE RULE never AS ON UPDATE TO note WHERE NEW.id = 1 DO INSTEAD NOTHING;
UPDATE note SET body = 'never' WHERE id = 1;
UPDATE note SET body = 'once' WHERE id = 2;
SELECT * FROM note ORDER BY id;
SELECT * FROM log;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM note;
REFRESH MATERIALIZED VIEW kept;
CREATE VIEW whole AS SELECT n FROM note AS n;
SELECT * FROM whole ORDER BY 1;
DROP TABLE note;
DROP TABLE note CASCADE;
