-- Inheritance: children with keys and columns of their own.
CREATE TABLE note (id int PRIMARY KEY, body text);
CREATE TABLE memo (due date, PRIMARY KEY (id)) INHERITS (note);
INSERT INTO note VALUES (1, 'a red apple');
INSERT INTO memo VALUES (10, 'buy bread', '2020-02-02');
-- index: note {body}
INSERT INTO memo VALUES (11, 'buy milk', NULL) RETURNING *;
UPDATE note SET body = upper(body) RETURNING tableoid::regclass, *;
UPDATE ONLY note SET body = lower(body) RETURNING *;
UPDATE memo SET due = '2021-01-01' RETURNING *;
UPDATE memo SET body = 'BUY TEA' WHERE id = 11 RETURNING *;
DELETE FROM note WHERE id = 11 RETURNING tableoid::regclass, *;
CREATE TABLE later (PRIMARY KEY (id)) INHERITS (note);
INSERT INTO later VALUES (20, 'a child that came later');
CREATE TABLE adopted (id int PRIMARY KEY, body text);
INSERT INTO adopted VALUES (30, 'a child of others');
ALTER TABLE adopted INHERIT note;
INSERT INTO adopted VALUES (31, 'and its sister');
UPDATE note SET body = body || '.' RETURNING tableoid::regclass, *;
ALTER TABLE adopted NO INHERIT note;
INSERT INTO adopted VALUES (32, 'on its own');
DELETE FROM adopted WHERE id = 30;
-- The key is unique in each table only.
INSERT INTO memo VALUES (1, 'the same number', NULL) RETURNING *;
DELETE FROM ONLY note WHERE id = 1 RETURNING *;
TRUNCATE ONLY note;
DROP TABLE note;
DROP TABLE later;
TRUNCATE note;
DROP TABLE memo, adopted;
DROP TABLE note;
