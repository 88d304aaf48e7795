-- Foreign keys to and from the table, deferred constraints and constraint triggers.
CREATE TABLE author (id int PRIMARY KEY, name text);
CREATE TABLE note (
    id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, author int REFERENCES author ON UPDATE CASCADE ON DELETE CASCADE, body text UNIQUE,
    place int UNIQUE DEFERRABLE
);
CREATE TABLE remark (id int PRIMARY KEY, note text REFERENCES note (body) ON UPDATE CASCADE ON DELETE SET NULL, body text);
INSERT INTO author VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO note VALUES (1, 1, 'a red apple', 1), (2, 1, 'a green pear', 2), (3, 2, 'a yellow lemon', 3);
INSERT INTO remark VALUES (1, 'a red apple', 'nice'), (2, 'a yellow lemon', 'sour');
-- index: note {body}
-- index: remark {body,note}
UPDATE author SET id = 10 WHERE id = 1;
UPDATE note SET body = 'a ripe apple' WHERE id = 1;
SELECT * FROM remark ORDER BY id;
INSERT INTO note VALUES (4, 99, 'of nobody', 4);
UPDATE note SET author = 99 WHERE id = 1;
DELETE FROM author WHERE id = 2;
SELECT * FROM note ORDER BY id;
SELECT * FROM remark ORDER BY id;
BEGIN;
INSERT INTO note VALUES (1, 10, 'the same number for now', 9);
UPDATE note SET id = 5 WHERE body = 'the same number for now';
COMMIT;
BEGIN;
INSERT INTO note VALUES (1, 10, 'the same number for good', 10);
COMMIT;
UPDATE note SET place = place + 1;
UPDATE note SET id = id + 1;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
INSERT INTO note VALUES (6, 10, 'immediately', 20);
INSERT INTO note VALUES (6, 10, 'refused', 21);
ROLLBACK;
CREATE FUNCTION at_the_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% %: % -> %', TG_NAME, TG_OP, OLD, NEW;
    IF NEW.body = 'forbidden' THEN RAISE EXCEPTION 'forbidden'; END IF;
    IF NEW.body = 'once' THEN UPDATE note SET body = 'twice' WHERE id = NEW.id; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT OR UPDATE OR DELETE ON note DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION at_the_end();
BEGIN;
INSERT INTO note VALUES (7, 10, 'once', 30);
SELECT body FROM note WHERE id = 7;
COMMIT;
SELECT body FROM note WHERE id = 7;
BEGIN;
UPDATE note SET body = 'forbidden' WHERE id = 7;
SELECT body FROM note WHERE id = 7;
COMMIT;
BEGIN;
UPDATE note SET body = 'once more' WHERE id = 7;
SET CONSTRAINTS at_the_end IMMEDIATE;
DELETE FROM note WHERE id = 7;
COMMIT;
ALTER TABLE note ADD CONSTRAINT short CHECK (length(body) < 100) NOT VALID;
ALTER TABLE note VALIDATE CONSTRAINT short;
ALTER TABLE note ADD EXCLUDE USING btree (place WITH =);
TRUNCATE author;
TRUNCATE note;
TRUNCATE author CASCADE;
DROP TABLE author;
DROP TABLE note;
DROP TABLE author CASCADE;
DROP TABLE note CASCADE;
SELECT * FROM remark;
