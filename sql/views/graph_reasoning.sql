-- Whoever may not read every row of all that was learnt from sees that there is a model, and nothing of it.
CREATE VIEW llm.graph_model WITH (security_barrier) AS
SELECT
    m.graph, m.method, m.fitted_at, r.readable,
    CASE WHEN r.readable THEN m.digest END AS digest,
    CASE WHEN r.readable THEN m.options END AS options,
    CASE WHEN r.readable THEN m.metrics END AS metrics,
    CASE WHEN r.readable THEN m.seconds END AS seconds
FROM llm.all_graph_model AS m
CROSS JOIN LATERAL (
    SELECT m.sources OPERATOR(pg_catalog.<@) ARRAY(SELECT s.id FROM llm.readable_graph_source AS s WHERE s.whole) AS readable
    OFFSET 0
) AS r;
COMMENT ON VIEW llm.graph_model IS 'What was learnt from graphs: method, when, how good; readable: by a caller who may read every row of their sources';

CREATE VIEW llm.graph_model_file WITH (security_barrier) AS
SELECT f.graph, f.path, f.part, f.content
FROM llm.all_graph_model_file AS f JOIN llm.graph_model AS m ON m.graph OPERATOR(pg_catalog.=) f.graph
WHERE m.readable;
COMMENT ON VIEW llm.graph_model_file IS 'The files of what was learnt from graphs, for those who may use it';

CREATE VIEW llm.own_graph_model WITH (security_barrier) AS
SELECT m.graph, m.method, m.digest, m.sources, m.options, m.metrics, m.seconds
FROM llm.all_graph_model AS m
WHERE m.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_graph_model IS 'What was learnt from your graphs';

CREATE VIEW llm.own_graph_model_file WITH (security_barrier) AS
SELECT f.graph, f.path, f.part, f.content
FROM llm.all_graph_model_file AS f
WHERE f.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_graph_model_file IS 'The files of what was learnt from your graphs';
