-- Every statement that writes, with RETURNING, counts and errors.
CREATE TABLE note (id int PRIMARY KEY, body text, stars int DEFAULT 3 CHECK (stars < 10), UNIQUE (body, stars));
INSERT INTO note VALUES (1, 'a red apple'), (2, 'a green pear'), (3, NULL), (4, ''), (5, '   ');
-- index: note {body}
INSERT INTO note VALUES (6, 'a yellow lemon') RETURNING *;
INSERT INTO note DEFAULT VALUES;
INSERT INTO note (id) VALUES (7), (8) RETURNING id, body IS NULL AS empty, stars;
INSERT INTO note SELECT n, 'number ' || n FROM generate_series(20, 25) AS n RETURNING id;
INSERT INTO note SELECT 99, 'nobody' WHERE false RETURNING id;
INSERT INTO note VALUES (1, 'twice');
INSERT INTO note VALUES (30, 'too many stars', 11);
INSERT INTO note VALUES (31, 'one'), (31, 'the other');
INSERT INTO note VALUES ('x', 'no number');
INSERT INTO note VALUES (32, 'a', 1, 'one too many');
INSERT INTO note VALUES (6, 'again') ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO note VALUES (6, 'a sour lemon'), (33, 'a fig') ON CONFLICT (id) DO UPDATE SET body = excluded.body
    RETURNING id, body, xmax = 0 AS inserted;
INSERT INTO note VALUES (34, 'x'), (34, 'y') ON CONFLICT (id) DO UPDATE SET body = excluded.body;
INSERT INTO note VALUES (6, 'unseen') ON CONFLICT (id) DO UPDATE SET body = excluded.body WHERE note.stars > 5 RETURNING *;
INSERT INTO note VALUES (35, 'a sour lemon', 3) ON CONFLICT ON CONSTRAINT note_body_stars_key DO UPDATE SET id = 36 RETURNING *;
UPDATE note SET body = upper(body) WHERE id IN (1, 2) RETURNING id, body;
UPDATE note SET stars = stars + 1 WHERE id = 1 RETURNING stars;
UPDATE note SET stars = 12 WHERE id = 1;
UPDATE note SET id = id + 100 WHERE id >= 20 RETURNING id;
UPDATE note SET id = 1 WHERE id = 2;
UPDATE note SET body = NULL WHERE id = 2 RETURNING *;
UPDATE note SET body = body;
UPDATE note SET body = v.body FROM (VALUES (3, 'no more empty'), (4, 'nor this')) AS v (id, body) WHERE note.id = v.id
    RETURNING note.id, v.body;
UPDATE note SET body = 'nobody' WHERE false;
UPDATE note SET nothing = 1;
DELETE FROM note WHERE id = 125 RETURNING *;
DELETE FROM note USING (VALUES (121), (122)) AS v (id) WHERE note.id = v.id RETURNING note.id;
MERGE INTO note AS n USING (VALUES (1, 'merged'), (2, NULL), (50, 'a new one')) AS v (id, body) ON n.id = v.id
    WHEN MATCHED AND v.body IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET body = v.body
    WHEN NOT MATCHED THEN INSERT (id, body) VALUES (v.id, v.body);
MERGE INTO note AS n USING (VALUES (1), (1)) AS v (id) ON n.id = v.id WHEN MATCHED THEN UPDATE SET body = 'twice';
MERGE INTO note AS n USING (VALUES (1)) AS v (id) ON n.id = v.id WHEN MATCHED THEN DO NOTHING;
WITH gone AS (DELETE FROM note WHERE id > 120 RETURNING *), changed AS (UPDATE note SET body = 'changed' WHERE id = 1 RETURNING *),
    new AS (INSERT INTO note SELECT id + 1000, body FROM gone RETURNING *)
    SELECT 'gone', count(*), sum(id) FROM gone UNION ALL SELECT 'changed', count(*), sum(id) FROM changed
    UNION ALL SELECT 'new', count(*), sum(id) FROM new;
WITH old AS (SELECT * FROM note WHERE id = 1) UPDATE note SET body = old.body || ' once more' FROM old WHERE note.id = old.id
    RETURNING note.body;
PREPARE put (int, text) AS INSERT INTO note VALUES ($1, $2) RETURNING *;
EXECUTE put(60, 'prepared');
EXECUTE put(61, 'and again');
EXECUTE put(61, 'too often');
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM note ORDER BY id FOR UPDATE;
FETCH c;
UPDATE note SET body = 'where current' WHERE CURRENT OF c RETURNING id;
FETCH c;
DELETE FROM note WHERE CURRENT OF c RETURNING id;
COMMIT;
SELECT * FROM note ORDER BY id;
SELECT ctid, id FROM note ORDER BY ctid;
TABLE note LIMIT 0;
TRUNCATE note;
SELECT count(*) FROM note;
INSERT INTO note VALUES (1, 'a fresh start') RETURNING ctid, *;
