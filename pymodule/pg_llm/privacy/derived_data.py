"""Where data derived from a row is kept (data lineage): each place as a table and a condition on its rows.

In conditions the row is `r`, $1 are the numbers of the tables of the person's row, $2 their names, $3 the row's key, $4
what names the person, $5 the roles for whom the caller acts.
"""

from __future__ import annotations

from dataclasses import dataclass

TYPES = ("int8[]", "text[]", "text", "text[]", "text[]")


@dataclass(frozen=True, slots=True)
class Place:
    """`change` is what is set instead of a deletion; `defined` is what somebody wrote, which is told and not erased."""

    name: str
    table: str
    condition: str
    change: str | None = None
    defined: bool = False


def _names(*expressions: str) -> str:
    """Condition: one of these texts names the person."""
    found = (f"strpos(lower({each}), lower(f.form)) > 0" for each in expressions)
    return f"EXISTS (SELECT FROM unnest($4) AS f (form) WHERE {' OR '.join(found)})"


_OF_TABLE = "{0}.target::oid::int8 = ANY ($1)"
_OWN = "{0}.usename::text = ANY ($5)"
_RUNS = (
    "r.run IN (SELECT c.id FROM llm.all_cleaning AS c WHERE c.target::oid::int8 = ANY ($1) OR c.relation = ANY ($2)"
    " AND c.usename::text = ANY ($5))"
)
_MERGES = (
    "r.run IN (SELECT m.id FROM llm.all_record_merge AS m WHERE m.target::oid::int8 = ANY ($1) OR"
    " m.relation = ANY ($2) AND m.usename::text = ANY ($5))"
)
_STREAMS = (
    "r.stream IN (SELECT s.id FROM llm.all_stream AS s WHERE s.target::oid::int8 = ANY ($1)"
    " OR s.followed::oid::int8 = ANY ($1) OR s.usename::text = ANY ($5))"
)
_ALERTS = (
    _STREAMS.replace("r.stream IN (", "r.alert IN (SELECT a.id FROM llm.all_stream_alert AS a WHERE a.stream IN (")
    + ")"
)
_WORK = "(r.kind, r.object) IN (SELECT k.kind, k.id FROM llm.companion_table AS k WHERE k.source::oid::int8 = ANY ($1))"
_PAYLOAD = "EXISTS (SELECT FROM unnest($4) AS f (form) WHERE position(convert_to(f.form, 'UTF8') IN r.payload) > 0)"
_ERASED = "error = 'erased'"

PLACES = (
    Place("changes of cleaning runs", "llm.all_change",
          f"{_RUNS} AND (r.key = $3::jsonb OR {_names('r.old', 'r.new', 'r.reason', 'r.given::text', 'r.key::text')})"),
    Place("marks of cleaning runs", "llm.all_mark",
          f"{_RUNS} AND (r.key = $3::jsonb OR {_names('r.value', 'r.key::text')})"),
    Place("steps of cleaning runs", "llm.all_step",
          f"{_RUNS} AND {_names('r.description', 'r.condition', 'r.expression')}"),
    Place("cleaning runs whose rules name the person", "llm.all_cleaning",
          f"(r.target::oid::int8 = ANY ($1) OR r.relation = ANY ($2) AND {_OWN.format('r')})"
          f" AND {_names('r.rules::text')}"),
    Place("rules", "llm.all_rule", f"r.relation = ANY ($2) AND {_names('r.definition::text', 'r.name')}"),
    Place("merged rows", "llm.all_merged_row",
          f"{_MERGES} AND (r.key = $3::jsonb OR r.kept = $3::jsonb OR"
          f" {_names('r.before::text', 'r.after::text', 'r.key::text')})"),
    Place("rows that merges pointed elsewhere", "llm.all_repointed_row",
          f"{_MERGES} AND (r.relation = ANY ($2) AND r.key = $3::jsonb OR"
          f" {_names('r.before::text', 'r.after::text', 'r.key::text')})"),
    Place("queue of work", "llm.all_work", f"{_WORK} AND r.key = $3::jsonb"),
    Place("errors in the queue of work", "llm.all_work", f"{_WORK} AND {_names('r.error')}", _ERASED),
    Place("questions asked", "llm.all_ask",
          f"{_OWN.format('r')} AND {_names('r.question', 'r.sql', 'r.reason', 'r.clarify::text')}"),
    Place("taught examples", "llm.all_taught", f"{_OWN.format('r')} AND {_names('r.question', 'r.sql')}"),
    Place("descriptions", "llm.all_description", f"{_OWN.format('r')} AND {_names('r.description')}"),
    Place("catalogue", "llm.all_catalog", f"{_OWN.format('r')} AND {_names('r.content')}"),
    Place("dead letters of streams", "llm.all_stream_dead_letter",
          f"{_STREAMS} AND ({_PAYLOAD} OR {_names('r.key', 'r.error')})"),
    Place("changes that streams have to read", "llm.stream_change", f"{_STREAMS} AND {_names('r.payload')}"),
    Place("alarms", "llm.all_stream_alarm", f"{_ALERTS} AND {_names('r.evidence::text', 'r.dedupe_key', 'r.error')}"),
    Place("scores of alerts", "llm.stream_score", f"{_ALERTS} AND {_names('r.group_key', 'r.state::text')}"),
    Place("errors of partitions", "llm.stream_offset", f"{_STREAMS} AND {_names('r.error')}", _ERASED),
    Place("errors of streams", "llm.all_stream",
          f"{_STREAMS.replace('r.stream', 'r.id')} AND {_names('r.error')}", _ERASED),
    Place("expressions of AI columns", "llm.all_column",
          f"{_OWN.format('r')} AND {_names('r.expression')}", defined=True),
    Place("transforms of streams", "llm.all_stream", f"{_OWN.format('r')} AND {_names('r.transform')}", defined=True),
    Place("conditions of alerts", "llm.all_stream_alert",
          f"{_OWN.format('r')} AND {_names('r.condition')}", defined=True),
    Place("metrics", "llm.all_metric",
          f"{_OWN.format('r')} AND {_names('r.expression', 'r.name', 'r.synonyms::text')}", defined=True),
    Place("queries of recommenders", "llm.recommender", f"{_OWN.format('r')} AND {_names('r.query')}", defined=True),
)  # fmt: skip

GRAPH_ROWS = """
    SELECT r.id FROM llm.all_graph_row AS r JOIN llm.all_graph_source AS s ON s.id = r.source
    WHERE s.target::oid::int8 = ANY ($1) AND r.key = $3::jsonb
"""
_OF_ENTITY = """
    SELECT FROM llm.all_evidence AS v JOIN llm.all_graph_source AS s ON s.id = v.source
    WHERE (v.entity = e.id OR v.extracted = e.id AND v.relation IS NULL)
"""
# In graphs of others only entities that stand in the person's table and nowhere else: not in tables that it is joined
# to, nor in triples of a query, as whoever asks about words of their own would learn that they stand there.
GRAPH_ENTITIES = f"""
    SELECT e.id FROM llm.all_entity AS e JOIN llm.all_graph AS g ON g.id = e.graph WHERE (
        g.usename::text = ANY ($5) OR EXISTS ({_OF_ENTITY} AND s.target::oid::int8 = ANY ($1))
        AND NOT EXISTS ({_OF_ENTITY} AND (s.target::oid::int8 = ANY ($1)) IS NOT TRUE)
    ) AND {_names("e.name")}
"""
