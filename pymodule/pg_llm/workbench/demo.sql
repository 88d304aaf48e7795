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
\echo '-- Text becomes a vector; texts that mean the same lie close. The first call starts the model host.'
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
\echo '-- One call makes a table searchable by meaning: a pgvector column, its index, and triggers that keep it true.'
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
\echo '-- A new row is found at once.'
\set ECHO queries
INSERT INTO package VALUES
    ('sourdough', 'education', 'plan the fermentation of bread dough', 'Tells when to feed the starter and when to bake.');

SELECT key ->> 'name' AS name, round(score::numeric, 4) AS score, left(found.row ->> 'summary', 60) AS summary
FROM semantic_search('when shall I bake my bread?', 'package', k => 3) AS found;
\set ECHO none

\echo
\echo '-- One model host serves every connection.'
\timing off
\x on
\set ECHO queries
SELECT * FROM llm_status();
