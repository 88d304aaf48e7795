-- Partitions: routing, moves, attaching and detaching, triggers on root and leaves.
CREATE TABLE note (id int, kind text, body text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
CREATE TABLE note_a PARTITION OF note FOR VALUES IN ('a');
CREATE TABLE note_b (body text, kind text NOT NULL, extra int, id int NOT NULL);
ALTER TABLE note_b DROP COLUMN extra;
ALTER TABLE note ATTACH PARTITION note_b FOR VALUES IN ('b');
CREATE TABLE note_c PARTITION OF note FOR VALUES IN ('c', 'd') PARTITION BY RANGE (id);
CREATE TABLE note_c1 PARTITION OF note_c FOR VALUES FROM (0) TO (100);
INSERT INTO note VALUES (1, 'a', 'a red apple'), (2, 'b', 'a green pear'), (3, 'c', 'a yellow lemon');
-- index: note {body}
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% on % % % %: % -> %', TG_NAME, TG_TABLE_NAME, TG_WHEN, TG_OP, TG_LEVEL, OLD, NEW;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION say();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION say();
CREATE TRIGGER statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON note EXECUTE FUNCTION say();
CREATE TRIGGER leaf_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON note_a EXECUTE FUNCTION say();
INSERT INTO note VALUES (10, 'a', 'a plum'), (11, 'b', 'a fig'), (12, 'd', 'a date') RETURNING tableoid::regclass, *;
INSERT INTO note VALUES (10, 'z', 'nowhere');
INSERT INTO note VALUES (1000, 'c', 'nowhere');
INSERT INTO note_a VALUES (13, 'a', 'straight into the leaf') RETURNING *;
INSERT INTO note_a VALUES (13, 'b', 'the wrong leaf');
INSERT INTO note_b (id, kind, body) VALUES (14, 'b', 'straight into the other') RETURNING *;
UPDATE note SET kind = 'b' WHERE id = 10 RETURNING tableoid::regclass, *;
UPDATE note SET kind = 'c', body = 'moved and changed' WHERE id = 11 RETURNING tableoid::regclass, *;
UPDATE note SET kind = 'z' WHERE id = 11;
UPDATE note_a SET kind = 'b';
UPDATE note_a SET body = upper(body) RETURNING *;
INSERT INTO note VALUES (1, 'a', 'an orange') ON CONFLICT (id, kind) DO UPDATE SET body = excluded.body RETURNING *;
INSERT INTO note VALUES (1, 'a', 'an orange') ON CONFLICT (id, kind) DO UPDATE SET kind = 'b' RETURNING *;
MERGE INTO note USING (VALUES (1, 'a', 'b'), (77, 'a', 'a')) AS v (id, kind, target) ON note.id = v.id AND note.kind = v.kind
    WHEN MATCHED THEN UPDATE SET kind = v.target, body = 'merged over' WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.kind, 'merged in');
DELETE FROM note WHERE id = 14 RETURNING tableoid::regclass, *;
DELETE FROM note_c RETURNING *;
COPY note FROM STDIN;
30	a	copied
31	b	copied
32	c	copied
\.
CREATE TABLE note_e PARTITION OF note FOR VALUES IN ('e');
INSERT INTO note_e VALUES (40, 'e', 'a new partition');
INSERT INTO note VALUES (41, 'e', 'through the root');
CREATE TABLE note_f (LIKE note INCLUDING ALL);
INSERT INTO note_f VALUES (50, 'f', 'before it is attached');
ALTER TABLE note ATTACH PARTITION note_f FOR VALUES IN ('f');
INSERT INTO note_f VALUES (51, 'f', 'straight into what was attached') RETURNING *;
UPDATE note_f SET body = 'attached and changed' WHERE id = 50 RETURNING *;
CREATE TABLE note_rest PARTITION OF note DEFAULT;
INSERT INTO note VALUES (60, 'x', 'whatever is left');
CREATE TABLE note_x PARTITION OF note FOR VALUES IN ('x');
ALTER TABLE note DETACH PARTITION note_e;
INSERT INTO note_e VALUES (42, 'e', 'on its own');
UPDATE note_e SET body = 'on its own' WHERE id = 41;
DELETE FROM note_e WHERE id = 40;
TRUNCATE note_e;
ALTER TABLE note DETACH PARTITION note_f CONCURRENTLY;
ALTER TABLE note DETACH PARTITION note_f;
DROP TABLE note_f;
DROP TABLE note_e;
TRUNCATE note_a;
DROP TABLE note_b;
TRUNCATE note_c, note_a;
SELECT tableoid::regclass, * FROM note ORDER BY id;
TRUNCATE note;
INSERT INTO note VALUES (1, 'a', 'a fresh start');
-- Transition tables of the user's on root and leaf.
CREATE FUNCTION show() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE '% on %: %', TG_NAME, TG_TABLE_NAME, (SELECT string_agg(r::text, ', ' ORDER BY id) FROM rows AS r); RETURN NULL; END $$;
CREATE TRIGGER root_rows AFTER INSERT ON note REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION show();
CREATE TRIGGER leaf_rows AFTER INSERT ON note_a REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION show();
INSERT INTO note VALUES (2, 'a', 'through the root'), (3, 'c', 'through the root');
INSERT INTO note_a VALUES (4, 'a', 'into the leaf');
DROP TABLE note;
