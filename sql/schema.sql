\echo Use "CREATE EXTENSION pg_llm CASCADE" to load this file. \quit

CREATE SCHEMA llm;
COMMENT ON SCHEMA llm IS 'Tables of the extension pg_llm';
