-- Privileges are the caller's in every view: CURRENT_USER, has_table_privilege() and row_security_active() ask for whoever
-- runs the query, while the closed tables are read with the owner's rights.
CREATE VIEW llm.graph WITH (security_barrier) AS
SELECT
    g.id, g.name, g.entity_types, g.relation_types, g.embedding_model,
    CASE WHEN pg_catalog.pg_get_userbyid(g.owner) OPERATOR(pg_catalog.=) g.usename THEN g.usename END AS usename,
    g.created_at
FROM llm.all_graph AS g;
COMMENT ON VIEW llm.graph IS 'The knowledge graphs of this database: name, schema, owner';
COMMENT ON COLUMN llm.graph.usename IS 'The owner; NULL where that role was renamed or dropped';

CREATE VIEW llm.graph_source WITH (security_barrier) AS
SELECT s.id, s.graph, s.kind, s.target, s.columns, s.joined, s.mapping, s.model, s.sync
FROM llm.all_graph_source AS s;
COMMENT ON VIEW llm.graph_source IS 'What each graph is made from: tables and their columns, kept true live or on refresh';

-- Sources whose every row the caller may read, and those where row-level security decides row by row.
CREATE VIEW llm.readable_graph_source WITH (security_barrier) AS
SELECT
    s.id,
    s.target IS NULL OR NOT EXISTS (
        SELECT FROM pg_catalog.unnest(s.joined OPERATOR(pg_catalog.||) s.target) AS t (relation)
        WHERE pg_catalog.row_security_active(t.relation::pg_catalog.oid)
    ) AS whole
FROM llm.all_graph_source AS s
WHERE CASE WHEN s.target IS NULL THEN
    EXISTS (
        SELECT FROM llm.graph AS g JOIN pg_catalog.pg_roles AS r ON r.rolname OPERATOR(pg_catalog.=) g.usename
        WHERE g.id OPERATOR(pg_catalog.=) s.graph AND pg_catalog.pg_has_role(r.oid, 'USAGE')
    )
ELSE
    NOT EXISTS (
        SELECT FROM pg_catalog.unnest(s.joined OPERATOR(pg_catalog.||) s.target) AS t (relation)
        -- By index: a join would go through all of pg_class.
        LEFT JOIN LATERAL (
            SELECT c.oid, c.relnamespace FROM pg_catalog.pg_class AS c
            WHERE c.oid OPERATOR(pg_catalog.=) t.relation::pg_catalog.oid OFFSET 0
        ) AS c ON true
        WHERE c.oid IS NULL OR NOT pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
        OR NOT (
            pg_catalog.has_table_privilege(c.oid, 'SELECT')
            OR c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS a
                LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid OPERATOR(pg_catalog.=) a.attrelid AND i.indisprimary
                WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                AND (a.attname OPERATOR(pg_catalog.=) ANY (s.columns)
                     OR a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey::pg_catalog.int2[]))
                AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
            )
        )
    )
END;
COMMENT ON VIEW llm.readable_graph_source IS 'The sources that the caller may read, and whether every row of them';

-- The part of the evidence that the caller may see; the other views are made from it.
CREATE VIEW llm.seen_evidence AS
SELECT e.source, e."row", e.entity, e.relation, e.extracted, e."column", e.start_pos, e.end_pos, e.confidence
FROM llm.all_evidence AS e
-- Functions, once a query: as subqueries they would be estimated for every row, and such plans compiled (jit) for seconds.
WHERE e.source OPERATOR(pg_catalog.=) ANY ((SELECT llm.readable_graph_sources(true))::pg_catalog.int4[])
OR (
    e.source OPERATOR(pg_catalog.=) ANY ((SELECT llm.readable_graph_sources(false))::pg_catalog.int4[])
    AND llm.graph_row_readable(
        e.source, (SELECT r.key FROM llm.all_graph_row AS r WHERE r.id OPERATOR(pg_catalog.=) e."row")
    )
);
COMMENT ON VIEW llm.seen_evidence IS 'The evidence that the caller may see, as the other views use it';

CREATE VIEW llm.entity_name WITH (security_barrier) AS
SELECT coalesce(e.merged_into, e.id) AS entity, e.graph, e.type, e.name, e.folded
FROM llm.all_entity AS e
WHERE EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) coalesce(e.merged_into, e.id) AND v.extracted OPERATOR(pg_catalog.=) e.id
);
COMMENT ON VIEW llm.entity_name IS 'Every name of every entity that the caller may see: its own and those that were merged into it';

-- Merged into another, and seen by the caller.
CREATE VIEW llm.seen_alias AS
SELECT a.merged_into AS entity, a.id, a.name
FROM llm.all_entity AS a
WHERE a.merged_into IS NOT NULL AND EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) a.merged_into AND v.extracted OPERATOR(pg_catalog.=) a.id
);
COMMENT ON VIEW llm.seen_alias IS 'The names merged into others that the caller may see, as the view of entities uses them';

-- Where the entity's own name stands only in rows that the caller may not read, one of its other names takes its place.
-- Those are looked for in each column by itself, so that a query that asks for none does not look.
CREATE VIEW llm.entity WITH (security_barrier) AS
SELECT
    e.id, e.graph, e.type,
    CASE WHEN own.seen THEN e.name ELSE (
        SELECT a.name FROM llm.seen_alias AS a
        WHERE a.entity OPERATOR(pg_catalog.=) e.id ORDER BY a.name COLLATE "C" LIMIT 1
    ) END AS name,
    (ARRAY(
        SELECT a.name FROM llm.seen_alias AS a
        WHERE a.entity OPERATOR(pg_catalog.=) e.id ORDER BY a.name COLLATE "C"
    ))[CASE WHEN own.seen THEN 1 ELSE 2 END:] AS aliases,
    (
        SELECT m.embedding FROM llm.all_entity_embedding AS m
        WHERE m.graph OPERATOR(pg_catalog.=) e.graph AND m.entity OPERATOR(pg_catalog.=) CASE WHEN own.seen THEN e.id ELSE (
            SELECT a.id FROM llm.seen_alias AS a
            WHERE a.entity OPERATOR(pg_catalog.=) e.id ORDER BY a.name COLLATE "C" LIMIT 1
        ) END
    ) AS embedding,
    (SELECT pg_catalog.count(*) FROM llm.seen_evidence AS v WHERE v.entity OPERATOR(pg_catalog.=) e.id) AS support
FROM llm.all_entity AS e
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM llm.seen_evidence AS v
        WHERE v.entity OPERATOR(pg_catalog.=) e.id AND v.extracted OPERATOR(pg_catalog.=) e.id
    ) AS seen OFFSET 0
) AS own
WHERE e.merged_into IS NULL AND (
    own.seen OR EXISTS (SELECT FROM llm.seen_alias AS a WHERE a.entity OPERATOR(pg_catalog.=) e.id OFFSET 0)
);
COMMENT ON VIEW llm.entity IS 'The entities that the caller may see: type, name, other names, embedding, how many passages speak of each';

-- Whoever sees a relation sees a row that names both its ends: under their own name, unless they have several.
CREATE VIEW llm.relation_end AS
SELECT e.id, CASE WHEN EXISTS (SELECT FROM llm.all_entity AS a WHERE a.merged_into OPERATOR(pg_catalog.=) e.id OFFSET 0)
THEN (SELECT ARRAY[n.name, n.type] FROM llm.entity AS n WHERE n.id OPERATOR(pg_catalog.=) e.id)
ELSE ARRAY[e.name, e.type] END AS entity
FROM llm.all_entity AS e;
COMMENT ON VIEW llm.relation_end IS 'Name and type of each entity, as whoever sees a relation of it may know them';

CREATE VIEW llm.relation WITH (security_barrier) AS
SELECT
    r.id, r.graph, r.subject, r.predicate, r.object,
    CASE WHEN sole.seen THEN r.sole_confidence ELSE v.confidence END AS confidence,
    CASE WHEN sole.seen THEN 1 ELSE v.support END AS support,
    (SELECT e.entity FROM llm.relation_end AS e WHERE e.id OPERATOR(pg_catalog.=) r.subject) AS subject_entity,
    (SELECT e.entity FROM llm.relation_end AS e WHERE e.id OPERATOR(pg_catalog.=) r.object) AS object_entity
FROM llm.all_relation AS r
CROSS JOIN LATERAL (
    SELECT coalesce(
        r.sole_source OPERATOR(pg_catalog.=) ANY ((SELECT llm.readable_graph_sources(true))::pg_catalog.int4[]), false
    ) AS seen OFFSET 0
) AS sole
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.count(*) AS support,
        (1 OPERATOR(pg_catalog.-) pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(
            greatest(1 OPERATOR(pg_catalog.-) e.confidence::pg_catalog.float8, 1e-9)
        ))))::pg_catalog.float4 AS confidence
    FROM llm.seen_evidence AS e WHERE e.relation OPERATOR(pg_catalog.=) r.id AND NOT sole.seen
) AS v
WHERE sole.seen OR v.support OPERATOR(pg_catalog.>) 0;
COMMENT ON VIEW llm.relation IS 'The relations that the caller may see; confidence: that one passage at least is right, support: how many there are';
COMMENT ON COLUMN llm.relation.subject_entity IS 'Name and type of the subject';
COMMENT ON COLUMN llm.relation.object_entity IS 'Name and type of the object';

CREATE VIEW llm.evidence WITH (security_barrier) AS
SELECT v.entity, v.relation, s.graph, s.target AS "table", r.key, v."column", v.start_pos, v.end_pos, v.confidence, v.source
FROM llm.seen_evidence AS v
JOIN llm.all_graph_source AS s ON s.id OPERATOR(pg_catalog.=) v.source
JOIN llm.all_graph_row AS r ON r.id OPERATOR(pg_catalog.=) v."row";
COMMENT ON VIEW llm.evidence IS 'What speaks for an entity or a relation: table, primary key, column, place; only of rows that the caller may read';

-- Without reason and score: those may come from rows that the caller may not read.
CREATE VIEW llm.merge WITH (security_barrier) AS
SELECT m.graph, m.kept, k.name, m.merged, e.name AS merged_name, m.merged_at
FROM llm.all_merge AS m
JOIN llm.all_entity AS k ON k.id OPERATOR(pg_catalog.=) m.kept
JOIN llm.all_entity AS e ON e.id OPERATOR(pg_catalog.=) m.merged
WHERE m.state OPERATOR(pg_catalog.=) 'merged' AND EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) coalesce(k.merged_into, k.id) AND v.extracted OPERATOR(pg_catalog.=) k.id
) AND EXISTS (
    SELECT FROM llm.seen_evidence AS v
    WHERE v.entity OPERATOR(pg_catalog.=) coalesce(e.merged_into, e.id) AND v.extracted OPERATOR(pg_catalog.=) e.id
);
COMMENT ON VIEW llm.merge IS 'The names that were merged, where the caller may see both';

-- The same for whoever keeps a graph: all of it.
CREATE VIEW llm.own_graph WITH (security_barrier) AS
SELECT g.id, g.name, g.entity_types, g.relation_types, g.embedding_model, g.usename
FROM llm.graph AS g
WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER;
COMMENT ON VIEW llm.own_graph IS 'Your graphs';

CREATE VIEW llm.own_graph_source WITH (security_barrier) AS
SELECT s.id, s.graph, s.kind, s.target, s.columns, s.joined, s.mapping, s.model, s.sync
FROM llm.all_graph_source AS s
WHERE s.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_graph_source IS 'What your graphs are made from';

CREATE VIEW llm.own_graph_row WITH (security_barrier) AS
SELECT r.id, r.graph, r.source, r.key, r.found_by, r.hash
FROM llm.all_graph_row AS r
WHERE r.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_graph_row IS 'The rows that your graphs have read';

CREATE VIEW llm.own_entity WITH (security_barrier) AS
SELECT e.id, e.graph, e.type, e.name, e.folded, e.merged_into
FROM llm.all_entity AS e
WHERE e.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_entity IS 'The entities of your graphs as they were read, merged ones too';

CREATE VIEW llm.own_entity_embedding WITH (security_barrier) AS
SELECT m.graph, m.entity, m.embedding
FROM llm.all_entity_embedding AS m
WHERE m.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_entity_embedding IS 'The vectors of the names in your graphs';

CREATE VIEW llm.own_relation WITH (security_barrier) AS
SELECT r.id, r.graph, r.subject, r.predicate, r.object, r.sole_source, r.sole_confidence
FROM llm.all_relation AS r
WHERE r.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_relation IS 'The relations of your graphs, those between merged entities too';

CREATE VIEW llm.own_evidence WITH (security_barrier) AS
SELECT e.graph, e.source, e."row", e.entity, e.relation, e.extracted, e."column", e.start_pos, e.end_pos, e.confidence
FROM llm.all_evidence AS e
WHERE e.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_evidence IS 'What speaks for the entities and relations of your graphs';

CREATE VIEW llm.own_merge WITH (security_barrier) AS
SELECT m.graph, m.kept, m.merged, m.score, m.reason, m.state, m.merged_at
FROM llm.all_merge AS m
WHERE m.graph IN (SELECT g.id FROM llm.graph AS g WHERE g.usename OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON VIEW llm.own_merge IS 'What was merged in your graphs and what of it was undone, with score and reason';
