"""SQL: streams: records are read from a log into a table, each exactly once, with windows and alerts over them."""

from __future__ import annotations

import json
from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.streams import (
    alerting,
    chart,
    definition,
    lease,
    lifecycle,
    publishing,
    removal,
    retrying,
    state,
    table_source,
    windowing,
    windows,
    writing,
)


@sql_function
def stream_create(
    db: Connection,
    name: str | None,
    source: str | None,
    target: str | None,
    columns: str | None,
    transform: str | None,
    key: list[str | None] | None,
    event_time: str | None,
    on_error: str | None,
    max_batch: int | None,
    max_delay: str | None,
) -> None:
    """Read records from a source into a table, each exactly once, through a SELECT over each batch."""
    lifecycle.create(
        db,
        arguments.required("name", name),
        arguments.required("source", source),
        arguments.required("target", target),
        columns,
        transform,
        [arguments.required("a column of key", column) for column in key or []],
        event_time,
        arguments.choice("on_error", on_error, lifecycle.ON_ERROR),
        arguments.in_range("max_batch", max_batch, 1, lifecycle.MOST_ROWS),
        arguments.required("max_delay", max_delay),
    )


@sql_function
def stream_drop(db: Connection, name: str | None) -> None:
    """Forget a stream with its offsets, dead letters, windows and alerts, or one window or alert; the target stays."""
    removal.drop(db, arguments.required("name", name))


@sql_function
def stream_pause(db: Connection, name: str | None) -> None:
    """Let a stream rest after the batch that is being written."""
    lifecycle.pause(db, arguments.required("name", name))


@sql_function
def stream_resume(db: Connection, name: str | None) -> None:
    """Let a stream that was paused, or that an error has stopped, go on where it was."""
    lifecycle.resume(db, arguments.required("name", name))


@sql_function
def stream_seek(db: Connection, name: str | None, partition: str | None, offset: int | None, at: str | None) -> int:
    """Let one or all partitions of a stream go on from an offset or a moment; returns how many."""
    return lifecycle.seek(db, arguments.required("name", name), partition, offset, at)


@sql_function
def stream_retry(db: Connection, name: str | None, id: int | None) -> int:
    """Take the dead letters of a stream, or one of them, once more; returns how many are taken now."""
    return retrying.retry(db, arguments.required("name", name), id)


@sql_function
def stream_run(db: Connection, name: str | None, max_rows: int | None) -> int:
    """Take what waits for a stream whose source is a table, without a worker; returns how many changes were taken."""
    if max_rows is not None and max_rows < 1:
        raise InvalidInput("max_rows must be at least 1", hint="Leave it out for all that waits.")
    return table_source.run(db, arguments.required("name", name), max_rows)


@sql_function
def stream_window(
    db: Connection,
    name: str | None,
    stream: str | None,
    kind: str | None,
    size: str | None,
    slide: str | None,
    lateness: str | None,
    group_by: list[str | None] | None,
    aggregates: str | None,
) -> None:
    """Keep aggregates of a stream by windows of event time, in a table of that name beside its target."""
    windowing.create(
        db,
        arguments.required("name", name),
        arguments.required("stream", stream),
        arguments.choice("kind", kind, windows.KINDS),
        arguments.required("size", size),
        slide,
        lateness,
        [arguments.required("a column of group_by", column) for column in group_by or []],
        arguments.parse_json("aggregates", arguments.required("aggregates", aggregates)),
    )


@sql_function
def stream_alert(
    db: Connection,
    name: str | None,
    source: str | None,
    condition: str | None,
    action: str | None,
    to: str | None,
    dedupe: str | None,
    cooldown: str | None,
    score: str | None,
) -> None:
    """Raise an alarm, with the row as evidence, where a condition holds for a row of a stream or for a window."""
    alerting.create(
        db,
        arguments.required("name", name),
        arguments.required("source", source),
        arguments.required("condition", condition),
        arguments.choice("action", action, alerting.ACTIONS),
        to,
        dedupe,
        cooldown,
        arguments.parse_json("score", score),
    )


@sql_function
def stream_chart(db: Connection, name: str | None) -> Any:
    """A stream's records and lag by minute, or the values of windows, with alarms as marks, as a chart in Vega-Lite."""
    return chart.chart(db, arguments.required("name", name))


@sql_function
def stream_publish(
    db: Connection,
    name: str | None,
    source: str | None,
    topic: str | None,
    to: str | None,
    events: list[str | None] | None,
    max_batch: int | None,
) -> None:
    """Send what is written to a table, or what an alert raises, to a topic of Kafka, in order and at least once."""
    publishing.create(
        db,
        arguments.required("name", name),
        arguments.required("source", source),
        arguments.required("topic", topic),
        arguments.parse_json("to", arguments.required("to", to)),
        None if events is None else [arguments.required("an event", event) for event in events],
        arguments.in_range("max_batch", max_batch, 1, lifecycle.MOST_ROWS),
    )


@sql_function
def stream_outbox(db: Connection, stream: int | None, token: int | None, max_rows: int | None) -> list[dict[str, Any]]:
    """The next records of a publication to be sent, for a worker that holds its lease."""
    number, limit = arguments.required("stream", stream), arguments.in_range("max_rows", max_rows, 1, 100_000)
    return publishing.waiting(db, number, arguments.required("token", token), limit)


@sql_function
def stream_sent(
    db: Connection, stream: int | None, token: int | None, ids: list[int] | None, failed: str | None
) -> None:
    """Forget records of a publication that the brokers have, and keep those that they refuse as dead letters."""
    number = arguments.required("stream", stream)
    publishing.sent(db, number, arguments.required("token", token), ids or [], failed or "[]")


@sql_function
def stream_assignments(db: Connection) -> list[dict[str, Any]]:
    """The running streams whose owner's rights the caller has."""
    names = ("id", "name", "max_batch", "max_delay")
    return [
        {name: getattr(stream, name) for name in names}
        | {
            "source": json.dumps(stream.source),
            "columns": json.dumps(stream.columns),
            "publish": json.dumps(stream.publish) if stream.publish is not None else None,
        }
        for stream in definition.running(db)
    ]


@sql_function
def stream_slots(db: Connection, security: str | None) -> list[int]:
    """The numbers of all streams that read a publication of the servers of that name."""
    return definition.of_publications(db, arguments.required("security", security))


@sql_function
def stream_lease(db: Connection, stream: int | None, partitions: list[str] | None) -> list[dict[str, Any]]:
    """Take or keep the session's fair share of a stream's partitions; each with the fencing token to write with."""
    found = definition.by_id(db, arguments.required("stream", stream))
    if found.state != "running" or not partitions:
        lease.leave(db, found.id)
        return []
    return lease.take(db, found.id, partitions)


@sql_function
def stream_position(
    db: Connection, stream: int | None, partition: str | None, token: int | None, position: int | None
) -> bool:
    """Set where a partition is read from that had no offset yet, or only a moment."""
    found = definition.by_id(db, arguments.required("stream", stream))
    given = arguments.required("partition", partition), arguments.required("token", token)
    return lease.set_position(db, found.id, *given, arguments.required("position", position))


@sql_function
def stream_report(
    db: Connection, stream: int | None, partition: str | None, error: str | None, stop: bool | None
) -> None:
    """Say in stream_stats what keeps a worker from reading a partition, or the whole stream; it may stop the stream."""
    found = definition.by_id(db, arguments.required("stream", stream))
    if stop:
        state.set_state(db, found.id, "stopped", error)
    else:
        state.report(db, found.id, partition, error)


@sql_function
def stream_write(
    db: Connection,
    stream: int | None,
    claims: str | None,
    payloads: str | None,
    places: str | None,
    positions: str | None,
    times: str | None,
    keys: str | None,
    dead: str | None,
) -> int:
    """Write what came of a batch with the offsets after it, if the caller still holds the partitions."""
    records = [payloads or "[]", places or "[]", positions or "[]", times or "[]", keys or "[]"]
    return writing.write(db, arguments.required("stream", stream), claims or "[]", records, dead or "[]")


@sql_function
def stream_alarms(db: Connection, max_rows: int | None) -> list[dict[str, Any]]:
    """Alarms of the caller's streams that a worker has to deliver."""
    return alerting.waiting(db, arguments.in_range("max_rows", max_rows, 1, 10_000))


@sql_function
def stream_delivered(db: Connection, alarm: int | None, error: str | None) -> None:
    """Note that an alarm was delivered, or why it could not be."""
    alerting.delivered(db, arguments.required("alarm", alarm), error)


@sql_function
def follow_stream(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of a table that is a stream's source: keeps the rows that were written until they are read."""
    table_source.keep_changes(db, trigger)
