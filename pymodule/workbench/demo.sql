\set ON_ERROR_STOP on
\set QUIET on
\pset pager off
\pset linestyle unicode
\pset footer off
SET client_min_messages = warning;
\timing on

\set ECHO queries
CREATE EXTENSION pg_llm CASCADE;
\set ECHO none

\echo
\echo '-- The first call on a server starts the model host and loads a model, once for all connections:'
\echo '-- most of the time below is that of loading. Later calls, on any connection, find it loaded.'
\set ECHO queries
SELECT llm_load_model('all-minilm-l6-v2');
\set ECHO none

\echo
\echo '-- Text becomes a vector; texts that mean the same lie close.'
\set ECHO queries
SELECT llm_similarity('a photo editor', 'software to retouch pictures') AS same_meaning,
       llm_similarity('a photo editor', 'a chess engine') AS other_meaning;
\set ECHO none

\echo
\echo '-- Real text: how this distribution describes its packages.'
\set ECHO queries
CREATE TABLE package (name text PRIMARY KEY, section text NOT NULL, summary text NOT NULL, description text NOT NULL);
\set ECHO none
COPY package FROM :'documents' (FORMAT csv, HEADER);
\set ECHO queries
SELECT section, count(*), min(summary) AS for_example FROM package GROUP BY section ORDER BY section;
\set ECHO none

\echo
\echo '-- One call makes a table searchable by meaning: vectors and words in a table beside it, and triggers that keep them true.'
\echo '-- Each of the texts goes through the model now, which is the slow part: half a minute on two cores.'
\set ECHO queries
CALL semantic_index('package', '{summary,description}');
\set ECHO none

\echo
\echo '-- By meaning alone, then fused with full-text search (the default).'
\set ECHO queries
SELECT key ->> 'name' AS name, round(score::numeric, 4) AS score, left(found.row ->> 'summary', 60) AS summary
FROM semantic_search('edit photos from the command line', 'package', k => 5, mode => 'vector') AS found;

SELECT key ->> 'name' AS name, round(score::numeric, 4) AS score, left(found.row ->> 'summary', 60) AS summary
FROM semantic_search('edit photos from the command line', 'package', k => 5) AS found;
\set ECHO none

\echo
\echo '-- A filter is applied inside the search, so five rows come back wherever five exist.'
\set ECHO queries
SELECT key ->> 'name' AS name, round(score::numeric, 4) AS score, left(found.row ->> 'summary', 60) AS summary
FROM semantic_search('a puzzle with falling blocks', 'package', k => 5, filter => '{"section": "games"}') AS found;
\set ECHO none

\echo
\echo '-- A new row is found at once, by the passage of its text that fits.'
\set ECHO queries
INSERT INTO package VALUES
    ('sourdough', 'education', 'plan the fermentation of bread dough', 'Tells when to feed the starter and when to bake.');

SELECT key ->> 'name' AS name, round(score::numeric, 4) AS score, left(replace(passage, E'\n', ' '), 80) AS passage
FROM semantic_search('when shall I bake my bread?', 'package', k => 3) AS found;
\set ECHO none

\echo
\echo '-- What is derived from the table lies in one beside it; the table has its own columns only.'
\set ECHO queries
SELECT name, chunk, start_pos, end_pos, vector_dims(embedding) AS dimensions FROM package_embedding WHERE name = 'sourdough';
\set ECHO none

\echo
\echo '-- Or a little later: with sync => background nothing runs in the writer''s transaction; llm_work does what waits, and so'
\echo '-- does a worker, which ./run worker starts.'
\set ECHO queries
CREATE TABLE wish (id int PRIMARY KEY, body text);
CALL semantic_index('wish', '{body}', sync => 'background');
INSERT INTO wish VALUES (1, 'a game of chess against the computer'), (2, 'a calculator for currencies');
CALL llm_work();
SELECT key, score FROM semantic_search('board games', 'wish', k => 1, mode => 'vector') AS found;
\set ECHO none

\echo
\echo '-- Which of some labels fits a text best, by meaning, without training.'
\set ECHO queries
SELECT name, llm_classify(summary, '{game,text editor,programming language}') AS label
FROM package WHERE name IN ('bouncy', 'nano', 'lua5.4', 'emacs') ORDER BY name;
\set ECHO none

\echo
\echo '-- Errors of a table are found, and repairs proposed; nothing is changed before llm_apply.'
CREATE TABLE clinic (id int PRIMARY KEY, zip text, city text, kind text);
INSERT INTO clinic
SELECT n, 'Z' || 10 + n / 12, (ARRAY['Oslo', 'Bergen', 'Hamar', 'Molde', 'Narvik'])[n / 12 + 1],
       (ARRAY['public', 'private'])[n % 2 + 1]
FROM generate_series(0, 59) AS n;
\set ECHO queries
UPDATE clinic SET city = 'Bergn' WHERE id = 15;
UPDATE clinic SET city = NULL WHERE id = 30;
UPDATE clinic SET kind = 'privat' WHERE id = 41;
SELECT llm_find_errors('clinic') AS run \gset
SELECT llm_propose_repairs(:'run') AS proposals;
SELECT key ->> 'id' AS id, "column", old, new, reason FROM llm.change WHERE run = :'run' ORDER BY 1;
SELECT * FROM llm_apply(:'run');
\set ECHO none

\echo
\echo '-- A question is answered by SQL that is shown, or not at all.'
\set ECHO queries
SELECT answer, sql, round(confidence::numeric, 2) AS confidence FROM ask('How many packages are in the section games?', '{package}');
SELECT answer, reason FROM ask('Which package is the most beautiful?', '{package}');
\set ECHO none

\echo
\echo '-- Texts become a graph of entities and relations, with the passages that say so; every change of a row changes it.'
\echo '-- graph_add loads one more model, lac for Chinese texts, at its first call.'
CREATE TABLE record (id int PRIMARY KEY, note text);
INSERT INTO record VALUES (1, '患者A被诊断为高血压，服用硝苯地平。'), (2, '患者B患有糖尿病。');
\set ECHO queries
SELECT graph_create('records', relation_types => '{
    "疾病": {"subject": "患者", "object": "疾病", "words": ["诊断为", "患有"]},
    "用药": {"subject": "患者", "object": "药物", "words": ["服用"]}}');
CALL graph_add('records', 'record', '{note}', model => 'lac');
INSERT INTO record VALUES (3, '患者C被诊断为高血压。');
SELECT subject, predicate, object FROM graph_triples('records');
SELECT answer, evidence -> 0 ->> 'passage' AS because FROM graph_answer('哪些患者有高血压？', 'records');
\set ECHO none

\echo
\echo '-- One model host serves every connection.'
\timing off
\x on
\set ECHO queries
SELECT * FROM llm_status();
