-- Triggers that write their own table, and their depth.
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, body text, children int DEFAULT 0);
CREATE FUNCTION count_children() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % depth %', TG_OP, coalesce(NEW.id, OLD.id), pg_trigger_depth();
    IF TG_OP IN ('INSERT', 'UPDATE') AND NEW.parent IS NOT NULL AND pg_trigger_depth() < 3 THEN
        UPDATE tree SET children = children + 1, body = body || '.' WHERE id = NEW.parent;
    END IF;
    IF TG_OP = 'DELETE' THEN
        UPDATE tree SET children = children - 1 WHERE id = OLD.parent;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_children AFTER INSERT OR UPDATE OR DELETE ON tree FOR EACH ROW EXECUTE FUNCTION count_children();
INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'branch'), (3, 2, 'twig');
-- index: tree {body}
INSERT INTO tree VALUES (4, 2, 'another twig'), (5, 4, 'leaf') RETURNING *;
UPDATE tree SET body = 'long ' || body WHERE id = 5 RETURNING *;
UPDATE tree SET parent = 1 WHERE id = 5 RETURNING *;
DELETE FROM tree WHERE id = 5 RETURNING *;
DELETE FROM tree WHERE id = 1;
SELECT * FROM tree ORDER BY id;
-- A row that is changed by its own BEFORE trigger.
CREATE TABLE self (id int PRIMARY KEY, body text);
INSERT INTO self VALUES (1, 'one'), (2, 'two');
CREATE FUNCTION change_myself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE self SET body = body || '!' WHERE id = OLD.id AND pg_trigger_depth() < 2; RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER change_myself BEFORE UPDATE OR DELETE ON self FOR EACH ROW EXECUTE FUNCTION change_myself();
-- index: self {body}
UPDATE self SET body = 'changed' WHERE id = 1;
DELETE FROM self WHERE id = 1;
DROP TRIGGER change_myself ON self;
CREATE FUNCTION add_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id < 8 THEN INSERT INTO self VALUES (NEW.id + 1, 'after ' || NEW.body); END IF; RETURN NEW;
END $$;
CREATE TRIGGER add_more BEFORE INSERT ON self FOR EACH ROW EXECUTE FUNCTION add_more();
INSERT INTO self VALUES (5, 'five') RETURNING *;
SELECT ctid, * FROM self ORDER BY id;
CREATE FUNCTION forever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE self SET body = body || '.' WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER forever AFTER UPDATE ON self FOR EACH ROW WHEN (pg_trigger_depth() < 20) EXECUTE FUNCTION forever();
UPDATE self SET body = 'depth' WHERE id = 2 RETURNING body;
SELECT body FROM self WHERE id = 2;
