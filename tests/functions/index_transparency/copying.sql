-- COPY in all its forms, with and without a list of columns.
CREATE TABLE note (id int PRIMARY KEY, body text, stars int DEFAULT 3);
INSERT INTO note VALUES (1, 'a red apple'), (2, 'a green pear'), (3, NULL);
-- index: note {body}
COPY note FROM STDIN;
10	a yellow lemon	1
11	\N	2
\.
COPY note FROM STDIN WITH (FORMAT csv, HEADER match);
id,body,stars
12,"a fig, dried",4
\.
COPY note FROM STDIN WITH (FORMAT csv, HEADER match);
id,body
13,never
\.
COPY note (body, id) FROM STDIN WITH (DELIMITER '|', NULL '?');
a date|14
?|15
\.
COPY note FROM STDIN;
16	too	1	many
\.
COPY note FROM STDIN;
1	twice	1
\.
COPY note FROM STDIN WHERE stars > 5;
17	a plum	1
18	a quince	9
\.
COPY note FROM STDIN WITH (FREEZE);
19	never	1
\.
COPY note TO STDOUT;
COPY note TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *);
COPY (SELECT * FROM note WHERE stars = 3 ORDER BY id) TO STDOUT;
COPY (UPDATE note SET body = upper(body) WHERE id = 10 RETURNING *) TO STDOUT;
COPY (DELETE FROM note WHERE id = 18 RETURNING *) TO STDOUT;
\copy note (id, body) FROM PROGRAM 'printf "20\tfrom a program\n21\tand another\n"'
BEGIN;
TRUNCATE note;
COPY note FROM STDIN WITH (FREEZE);
30	frozen	1
\.
COMMIT;
BEGIN;
COPY note FROM STDIN;
31	rolled back	1
\.
ROLLBACK;
SELECT * FROM note ORDER BY id;
CREATE TABLE copy_of (LIKE note INCLUDING ALL);
INSERT INTO copy_of TABLE note;
CREATE TABLE as_select AS TABLE note;
SELECT * INTO into_table FROM note;
TABLE copy_of;
TABLE as_select;
\gdesc
SELECT to_jsonb(n) FROM note AS n;
SELECT row_to_json(n) FROM note AS n;
SELECT n FROM note AS n;
SELECT count(*), count(n.*), min(length(n::text)) FROM note AS n;
SELECT * FROM note NATURAL JOIN copy_of;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'app' AND table_name = 'note' ORDER BY ordinal_position;
