"""How many records each minute brought to each partition, and how many waited then, for a day."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner

_NOTE = """
    WITH old AS (
        DELETE FROM llm.stream_minute AS m WHERE m.stream = $1 AND m.minute < clock_timestamp() - interval '1 day'
        AND m.partition IN (SELECT n.key FROM jsonb_each($2::jsonb) AS n (key, value))
    )
    INSERT INTO llm.stream_minute AS m (stream, partition, minute, rows, lag)
    SELECT $1, o.partition, date_trunc('minute', clock_timestamp()), n.value::int8,
           greatest(o.last_position - o.position, 0)
    FROM jsonb_each_text($2::jsonb) AS n (key, value)
    JOIN llm.stream_offset AS o ON o.stream = $1 AND o.partition = n.key
    ON CONFLICT (stream, partition, minute) DO UPDATE SET rows = m.rows + excluded.rows, lag = excluded.lag
"""
# Minutes in which nothing came are there too.
_MINUTES = """
    SELECT to_json(g.minute) #>> '{}' AS minute, coalesce(sum(m.rows), 0)::int8 AS rows, sum(m.lag)::int8 AS lag
    FROM (SELECT min(i.minute) AS first, max(i.minute) AS last FROM llm.stream_minute AS i WHERE i.stream = $1) AS b
    CROSS JOIN generate_series(b.first, b.last, interval '1 minute') AS g (minute)
    LEFT JOIN llm.stream_minute AS m ON m.stream = $1 AND m.minute = g.minute
    GROUP BY g.minute ORDER BY g.minute
"""


@as_extension_owner
def note(db: Connection, stream: int, rows: Mapping[str, int]) -> None:
    """Count what a batch brought, by partition; whoever calls holds the partitions."""
    db.rows(_NOTE, ("int4", "text"), (stream, json.dumps(rows)))


@as_extension_owner
def minutes(db: Connection, stream: int) -> list[Row]:
    """Records and lag of each minute, times as ISO 8601 in the session's time zone."""
    return db.rows(_MINUTES, ("int4",), (stream,))
