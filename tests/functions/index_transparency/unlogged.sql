-- An unlogged table, and temporary ones beside it, which have no index.
CREATE UNLOGGED TABLE note (id int PRIMARY KEY, body text);
-- index: note {body}
INSERT INTO note VALUES (1, 'a red apple') RETURNING *;
UPDATE note SET body = 'a green apple' RETURNING *;
CREATE TEMPORARY TABLE scratch (id int PRIMARY KEY, body text);
INSERT INTO scratch VALUES (1, 'a red apple') RETURNING *;
UPDATE scratch SET body = 'a green apple' RETURNING *;
BEGIN READ ONLY;
INSERT INTO scratch VALUES (2, 'a fig') RETURNING *;
COMMIT;
DELETE FROM scratch WHERE id = 1 RETURNING *;
DROP TABLE scratch;
CREATE TEMPORARY TABLE scratch (id int PRIMARY KEY, body text) ON COMMIT DELETE ROWS;
BEGIN;
INSERT INTO scratch VALUES (1, 'a red apple') RETURNING *;
COMMIT;
SELECT * FROM scratch;
BEGIN;
INSERT INTO scratch VALUES (1, 'the same number') RETURNING *;
COMMIT;
DISCARD TEMP;
BEGIN;
CREATE TEMPORARY TABLE scratch (id int PRIMARY KEY, body text) ON COMMIT DROP;
INSERT INTO scratch VALUES (1, 'a red apple') RETURNING *;
COMMIT;
