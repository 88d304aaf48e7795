-- Rights are the caller's: pg_has_role() asks for whoever runs the query, while the closed tables are read with the
-- owner's rights.
CREATE VIEW @extschema@.llm_failed_work WITH (security_barrier) AS
SELECT s.source AS target, w.kind, w.key, w.error, w.attempts, w.state, w.next_at, w.requested_at
FROM llm.all_work AS w
JOIN llm.companion_table AS s ON s.kind OPERATOR(pg_catalog.=) w.kind AND s.id OPERATOR(pg_catalog.=) w.object
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.source::pg_catalog.oid
WHERE w.error IS NOT NULL AND pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.llm_failed_work IS 'Rows whose work in the background failed, with the error: to be tried again, or dead after five attempts';
COMMENT ON COLUMN @extschema@.llm_failed_work.target IS 'The table';
COMMENT ON COLUMN @extschema@.llm_failed_work.kind IS 'What is kept true, such as index';
COMMENT ON COLUMN @extschema@.llm_failed_work.key IS 'The primary key of the row; NULL for the whole table';
COMMENT ON COLUMN @extschema@.llm_failed_work.error IS 'What the last attempt said';
COMMENT ON COLUMN @extschema@.llm_failed_work.attempts IS 'How often this row failed; 0 where what it needs was not there';
COMMENT ON COLUMN @extschema@.llm_failed_work.state IS 'delayed, claimed for its next attempt, or dead: not tried again before llm_retry_work(), or before the row changes';
COMMENT ON COLUMN @extschema@.llm_failed_work.next_at IS 'When it is tried again';
COMMENT ON COLUMN @extschema@.llm_failed_work.requested_at IS 'When the row changed';

CREATE VIEW @extschema@.llm_workers WITH (security_barrier) AS
SELECT
    k.pid, pg_catalog.pg_get_userbyid(k.role) AS usename, k.since, k.rows,
    (CASE WHEN k.seconds OPERATOR(pg_catalog.>) 0 THEN k.rows OPERATOR(pg_catalog./) k.seconds END)::pg_catalog.float4 AS rows_per_second, k.failures, l.waiting,
    coalesce(pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) l.oldest, '0'::pg_catalog.interval) AS lag
FROM llm.all_worker AS k
JOIN pg_catalog.pg_stat_get_activity(NULL) AS a ON a.pid OPERATOR(pg_catalog.=) k.pid
    AND coalesce(a.backend_start OPERATOR(pg_catalog.<=) k.since, true)
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS waiting, pg_catalog.min(w.requested_at) AS oldest
    FROM llm.all_work AS w
    JOIN llm.companion_table AS s ON s.kind OPERATOR(pg_catalog.=) w.kind AND s.id OPERATOR(pg_catalog.=) w.object
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.source::pg_catalog.oid
    WHERE w.state OPERATOR(pg_catalog.<>) 'dead' AND pg_catalog.pg_has_role(k.role, c.relowner, 'USAGE')
) AS l
WHERE pg_catalog.pg_has_role(k.role, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW @extschema@.llm_workers IS 'The workers of this database: who, since when, how fast, how far behind';
COMMENT ON COLUMN @extschema@.llm_workers.pid IS 'The process of the session, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.llm_workers.usename IS 'The role whose work it does';
COMMENT ON COLUMN @extschema@.llm_workers.since IS 'When it began';
COMMENT ON COLUMN @extschema@.llm_workers.rows IS 'Rows done';
COMMENT ON COLUMN @extschema@.llm_workers.rows_per_second IS 'Speed while there was work; NULL before the first row';
COMMENT ON COLUMN @extschema@.llm_workers.failures IS 'Attempts that failed';
COMMENT ON COLUMN @extschema@.llm_workers.waiting IS 'Rows that it may do and that wait, those that others are doing included';
COMMENT ON COLUMN @extschema@.llm_workers.lag IS 'For how long the oldest of them has been waiting';
