-- Without SET search_path, so that target and transform mean what they mean to the caller; the rest is pinned inside.
-- jsonb without TRANSFORM: it passes through as text.
CREATE PROCEDURE stream_create(
    name text, source jsonb, target text, columns jsonb DEFAULT NULL, transform text DEFAULT NULL,
    key text[] DEFAULT NULL, event_time text DEFAULT NULL, on_error text DEFAULT 'dead_letter',
    max_batch int DEFAULT 5000, max_delay interval DEFAULT '500 ms'
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import streams; return streams.stream_create(name, source, target, columns, transform, key, event_time, on_error, max_batch, max_delay) $$;
COMMENT ON PROCEDURE stream_create IS 'Read records from a source into a table, each exactly once, through a SELECT over each batch.';

CREATE PROCEDURE stream_drop(name text)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_drop(name) $$;
COMMENT ON PROCEDURE stream_drop IS 'Forget a stream with its offsets, dead letters, windows and alerts, or one window or alert; the target stays.';

CREATE PROCEDURE stream_pause(name text)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_pause(name) $$;
COMMENT ON PROCEDURE stream_pause IS 'Let a stream rest after the batch that is being written.';

CREATE PROCEDURE stream_resume(name text)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_resume(name) $$;
COMMENT ON PROCEDURE stream_resume IS 'Let a stream that was paused, or that an error has stopped, go on where it was.';

CREATE FUNCTION stream_seek(
    name text, partition text DEFAULT NULL, "offset" bigint DEFAULT NULL, at timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_seek(name, partition, offset, at) $$;
COMMENT ON FUNCTION stream_seek IS 'Let one or all partitions of a stream go on from an offset or a moment; returns how many.';

CREATE FUNCTION stream_retry(name text, id bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_retry(name, id) $$;
COMMENT ON FUNCTION stream_retry IS 'Take the dead letters of a stream, or one of them, once more; returns how many are taken now.';

CREATE FUNCTION stream_run(name text, max_rows bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_run(name, max_rows) $$;
COMMENT ON FUNCTION stream_run IS 'Take what waits for a stream whose source is a table, without a worker; returns how many changes were taken.';

CREATE PROCEDURE stream_window(
    name text, stream text, kind text, size interval, slide interval DEFAULT NULL, lateness interval DEFAULT NULL,
    group_by text[] DEFAULT '{}', aggregates jsonb DEFAULT '{"rows": "count(*)"}'
)
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_window(name, stream, kind, size, slide, lateness, group_by, aggregates) $$;
COMMENT ON PROCEDURE stream_window IS 'Keep aggregates of a stream by windows of event time, in a table of that name beside its target.';

-- Without SET search_path, so that the condition means what it means to the caller.
CREATE PROCEDURE stream_alert(
    name text, source text, condition text, action text DEFAULT 'table', "to" text DEFAULT NULL,
    dedupe text DEFAULT NULL, cooldown interval DEFAULT NULL, score jsonb DEFAULT NULL
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import streams; return streams.stream_alert(name, source, condition, action, to, dedupe, cooldown, score) $$;
COMMENT ON PROCEDURE stream_alert IS 'Raise an alarm, with the row as evidence, where a condition holds for a row of a stream or for a window.';

CREATE FUNCTION stream_chart(name text) RETURNS jsonb
LANGUAGE plpython3u STABLE COST 10000 TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_chart(name) $$;
COMMENT ON FUNCTION stream_chart IS 'A stream''s records and lag by minute, or the values of windows, with alarms as marks, as a chart in Vega-Lite.';

CREATE PROCEDURE stream_publish(
    name text, source text, topic text, "to" jsonb, events text[] DEFAULT NULL, max_batch int DEFAULT 5000
)
LANGUAGE plpython3u
AS $$ from pg_llm.functions import streams; return streams.stream_publish(name, source, topic, to, events, max_batch) $$;
COMMENT ON PROCEDURE stream_publish IS 'Send what is written to a table, or what an alert raises, to a topic of Kafka, in order and at least once.';

CREATE FUNCTION llm.stream_outbox(stream int, token bigint, max_rows int) RETURNS TABLE (
    id bigint, event text, payload text, "time" bigint
)
LANGUAGE plpython3u VOLATILE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_outbox(stream, token, max_rows) $$;
COMMENT ON FUNCTION llm.stream_outbox IS 'The next records of a publication to be sent, for a worker that holds its lease.';

CREATE FUNCTION llm.stream_sent(stream int, token bigint, ids bigint[], failed text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_sent(stream, token, ids, failed) $$;
COMMENT ON FUNCTION llm.stream_sent IS 'Forget records of a publication that the brokers have, and keep those that they refuse as dead letters.';

CREATE FUNCTION llm.stream_alarms(max_rows int) RETURNS TABLE (
    id bigint, name text, action jsonb, source jsonb, evidence jsonb, at text
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_alarms(max_rows) $$;
COMMENT ON FUNCTION llm.stream_alarms IS 'Alarms of the caller''s streams that a worker has to deliver.';

CREATE FUNCTION llm.stream_delivered(alarm bigint, error text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_delivered(alarm, error) $$;
COMMENT ON FUNCTION llm.stream_delivered IS 'Note that an alarm was delivered, or why it could not be.';

CREATE FUNCTION llm.stream_assignments() RETURNS TABLE (
    id int, name text, source jsonb, columns jsonb, max_batch int, max_delay int, publish jsonb
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_assignments() $$;
COMMENT ON FUNCTION llm.stream_assignments IS 'The running streams whose owner''s rights the caller has.';

CREATE FUNCTION llm.stream_slots(security text) RETURNS SETOF int
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_slots(security) $$;
COMMENT ON FUNCTION llm.stream_slots IS 'The numbers of all streams that read a publication of the servers of that name.';

CREATE FUNCTION llm.stream_lease(stream int, partitions text[]) RETURNS TABLE (
    partition text, "position" bigint, seek_to timestamptz, token bigint
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_lease(stream, partitions) $$;
COMMENT ON FUNCTION llm.stream_lease IS 'Take or keep the session''s fair share of a stream''s partitions; each with the fencing token to write with.';

CREATE FUNCTION llm.stream_position(stream int, partition text, token bigint, "position" bigint) RETURNS bool
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_position(stream, partition, token, position) $$;
COMMENT ON FUNCTION llm.stream_position IS 'Set where a partition is read from that had no offset yet, or only a moment.';

CREATE FUNCTION llm.stream_report(stream int, partition text, error text, stop bool) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_report(stream, partition, error, stop) $$;
COMMENT ON FUNCTION llm.stream_report IS 'Say in stream_stats what keeps a worker from reading a partition, or the whole stream; it may stop the stream.';

-- JSON in texts, which is read where it is needed.
CREATE FUNCTION llm.stream_write(
    stream int, claims text, payloads text, places text, positions text, times text, keys text, dead text
) RETURNS bigint
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import streams; return streams.stream_write(stream, claims, payloads, places, positions, times, keys, dead) $$;
COMMENT ON FUNCTION llm.stream_write IS 'Write what came of a batch with the offsets after it, if the caller still holds the partitions.';

-- One for all tables, and the extension's: nobody can plant another under its name.
CREATE FUNCTION llm.follow_stream() RETURNS trigger
LANGUAGE plpython3u SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $$ from pg_llm.functions import streams; return streams.follow_stream(TD) $$;
COMMENT ON FUNCTION llm.follow_stream IS 'Statement trigger of a table that is a stream''s source: keeps the rows that were written until they are read.';

CREATE TRIGGER author BEFORE INSERT OR UPDATE ON llm.all_stream FOR EACH ROW EXECUTE FUNCTION llm.column_author();
CREATE TRIGGER author BEFORE INSERT OR UPDATE ON llm.all_stream_alert FOR EACH ROW EXECUTE FUNCTION llm.column_author();
