-- A barrier, so that no condition of a query meets the arguments of other people's triggers.
CREATE VIEW llm.embedding_column WITH (security_barrier) AS
SELECT
    t.tgrelid::pg_catalog.regclass AS target,
    a.definition OPERATOR(pg_catalog.->>) 'name' AS name,
    ARRAY(SELECT pg_catalog.jsonb_array_elements_text(a.definition OPERATOR(pg_catalog.->) 'columns')) AS columns,
    a.definition OPERATOR(pg_catalog.->>) 'model' AS model,
    a.definition OPERATOR(pg_catalog.->>) 'method' AS method,
    a.definition OPERATOR(pg_catalog.->>) 'metric' AS metric,
    a.definition OPERATOR(pg_catalog.->>) 'sync' AS sync,
    a.definition OPERATOR(pg_catalog.->>) 'text_config' AS text_config
FROM pg_catalog.pg_trigger AS t
CROSS JOIN LATERAL (SELECT llm.semantic_definition(t.tgargs) OFFSET 0) AS a (definition)
WHERE t.tgfoid OPERATOR(pg_catalog.=) 'llm.semantic_forget()'::pg_catalog.regprocedure
AND t.tgparentid OPERATOR(pg_catalog.=) 0
AND a.definition IS NOT NULL;
COMMENT ON VIEW llm.embedding_column IS 'The semantic indexes of this database; each is defined by the arguments of its row trigger';
