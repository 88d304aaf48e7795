CREATE VIEW llm.catalog WITH (security_barrier) AS
SELECT c.usename, c.target, c."column", c.model, c.content, c.embedding
FROM llm.all_catalog AS c
WHERE c.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.catalog IS 'The tables and columns that you may read, as llm_catalog_refresh() embedded them';

CREATE VIEW llm.description WITH (security_barrier) AS
SELECT d.usename, d.target, d."column", d.description
FROM llm.all_description AS d
WHERE d.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.description IS 'What you said with llm_describe() that tables and columns mean';

CREATE VIEW llm.taught WITH (security_barrier) AS
SELECT t.usename, t.question, t.sql, t.model, t.embedding, t.taught_at
FROM llm.all_taught AS t
WHERE t.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.taught IS 'The questions that you taught with their SQL';

CREATE VIEW llm.metric WITH (security_barrier) AS
SELECT m.usename, m.name, m.target, m.expression, m.synonyms
FROM llm.all_metric AS m
WHERE m.usename OPERATOR(pg_catalog.=) CURRENT_USER
WITH CHECK OPTION;
COMMENT ON VIEW llm.metric IS 'What you said with llm_define_metric() that words of questions are computed by';
