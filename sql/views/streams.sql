-- Rights are the caller's: pg_has_role() asks for whoever runs the query, while the closed tables are read with the
-- owner's rights.
CREATE VIEW @extschema@.stream_stats WITH (security_barrier) AS
SELECT
    s.name, s.target, s.state, o.partition, o."position" AS "offset",
    greatest(o.last_position OPERATOR(pg_catalog.-) o."position", 0) AS lag, o.watermark,
    o.rows, o.late, o.dead, o.skipped,
    (CASE WHEN o.seconds OPERATOR(pg_catalog.>) 0 THEN o.rows OPERATOR(pg_catalog./) o.seconds END)::pg_catalog.float4 AS rows_per_second,
    o.written_at, CASE WHEN o.lease_until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp() THEN o.holder END AS worker,
    CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN coalesce(s.error, o.error) END AS error
FROM llm.all_stream AS s
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid
LEFT JOIN pg_catalog.pg_class AS f ON f.oid OPERATOR(pg_catalog.=) s.followed::pg_catalog.oid
LEFT JOIN llm.stream_offset AS o ON o.stream OPERATOR(pg_catalog.=) s.id
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(f.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.stream_stats IS 'How far the caller''s streams are, by partition: offset, lag, watermark, rates, late rows, dead letters, errors';
COMMENT ON COLUMN @extschema@.stream_stats.name IS 'The stream';
COMMENT ON COLUMN @extschema@.stream_stats.target IS 'The table that it fills';
COMMENT ON COLUMN @extschema@.stream_stats.state IS 'running; paused by somebody; stopped by an error';
COMMENT ON COLUMN @extschema@.stream_stats.partition IS 'The partition of the source; NULL before a worker has seen one';
COMMENT ON COLUMN @extschema@.stream_stats."offset" IS 'The next record to be read';
COMMENT ON COLUMN @extschema@.stream_stats.lag IS 'Records that wait in the source, when a worker last looked';
COMMENT ON COLUMN @extschema@.stream_stats.watermark IS 'The latest event time seen in the partition';
COMMENT ON COLUMN @extschema@.stream_stats.rows IS 'Records taken';
COMMENT ON COLUMN @extschema@.stream_stats.late IS 'Of these the ones whose event time lay before the watermarks of all partitions';
COMMENT ON COLUMN @extschema@.stream_stats.dead IS 'Records that became dead letters';
COMMENT ON COLUMN @extschema@.stream_stats.skipped IS 'Records that could not be taken and were left out';
COMMENT ON COLUMN @extschema@.stream_stats.rows_per_second IS 'Speed while there was work; NULL before the first row';
COMMENT ON COLUMN @extschema@.stream_stats.written_at IS 'When the last batch was written';
COMMENT ON COLUMN @extschema@.stream_stats.worker IS 'The session that reads the partition, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.stream_stats.error IS 'What stopped the stream, or keeps the partition from being read';

CREATE VIEW @extschema@.stream_dead_letter WITH (security_barrier) AS
SELECT d.id, s.name, d.partition, d."position" AS "offset", d.payload, d.error, d.sqlstate, d.died_at
FROM llm.all_stream_dead_letter AS d JOIN llm.all_stream AS s ON s.id OPERATOR(pg_catalog.=) d.stream
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.stream_dead_letter IS 'Records of the caller''s streams that could not be taken, with the error, until stream_retry() takes them';
COMMENT ON COLUMN @extschema@.stream_dead_letter.id IS 'Its number, for stream_retry()';
COMMENT ON COLUMN @extschema@.stream_dead_letter.name IS 'The stream';
COMMENT ON COLUMN @extschema@.stream_dead_letter.partition IS 'The partition of the source';
COMMENT ON COLUMN @extschema@.stream_dead_letter."offset" IS 'Where it stands in the partition';
COMMENT ON COLUMN @extschema@.stream_dead_letter.payload IS 'What came, as it came; of very large records the beginning';
COMMENT ON COLUMN @extschema@.stream_dead_letter.error IS 'What was wrong';
COMMENT ON COLUMN @extschema@.stream_dead_letter.sqlstate IS 'The code of that error';
COMMENT ON COLUMN @extschema@.stream_dead_letter.died_at IS 'When it became one';

CREATE VIEW @extschema@.stream_alarm WITH (security_barrier) AS
SELECT m.id, a.name AS alert, s.name AS stream, m.at, m.evidence, m.raised_at, m.delivered_at, m.error
FROM llm.all_stream_alarm AS m JOIN llm.all_stream_alert AS a ON a.id OPERATOR(pg_catalog.=) m.alert
JOIN llm.all_stream AS s ON s.id OPERATOR(pg_catalog.=) a.stream
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.target::pg_catalog.oid
WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW @extschema@.stream_alarm IS 'What alerts over the caller''s streams have raised, with the row that did as evidence';
COMMENT ON COLUMN @extschema@.stream_alarm.id IS 'Its number';
COMMENT ON COLUMN @extschema@.stream_alarm.alert IS 'The alert';
COMMENT ON COLUMN @extschema@.stream_alarm.stream IS 'The stream';
COMMENT ON COLUMN @extschema@.stream_alarm.at IS 'The event time of the row, or the end of the window';
COMMENT ON COLUMN @extschema@.stream_alarm.evidence IS 'The row or the window, with its score';
COMMENT ON COLUMN @extschema@.stream_alarm.raised_at IS 'When it was raised';
COMMENT ON COLUMN @extschema@.stream_alarm.delivered_at IS 'When whoever was to be told was told; NULL before';
COMMENT ON COLUMN @extschema@.stream_alarm.error IS 'Why it could not be delivered so far';
