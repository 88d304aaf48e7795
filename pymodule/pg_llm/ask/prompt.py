"""The text-to-SQL prompt of a generation model, and the statement in its output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pg_llm.ask.context import Context
from pg_llm.ask.sample_rows import Row
from pg_llm.ask.schema import Schema

# A schema with more columns is cut down to the tables that the question is linked to.
_MOST_COLUMNS = 150
_LONGEST_PHRASE = 120
_MOST_VALUES = 20
# The similarity from which a name of the question links a table to it.
_LEAST_SCORE = 0.6
_BLOCK = re.compile(r"```(?:sql|postgresql|postgres)?\s*(.*?)(?:```|$)", re.S | re.I)
_SELECT = re.compile(r"\b(?:SELECT|WITH)\b.*", re.S | re.I)
# As far as a semicolon outside of quotes.
_STATEMENT = re.compile(r"""(?:'[^']*+'|"[^"]*+"|[^;])*+""")
_DIALECT = """\
Rules:
- PostgreSQL; one SELECT, which may begin with WITH. Use only the tables and columns above, and write values of text as
  the rows have them.
- Show what is asked for and nothing else; for rows without a question about a column, the column that names them, or
  their key.
- Divide numbers as 1.0 * a / nullif(b, 0). Sort descending with NULLS LAST. Today is {today}."""


def build_prompt(context: Context) -> str:
    """The linked tables with comments and sample rows, the dialect, values that the question names, taught examples."""
    schema = context.schema
    shown = _linked_tables(context)
    lines = ["Write the PostgreSQL query that answers a question about these tables.", ""]
    lines += [_table_definition(schema, index, context.rows.get(index, ())) for index in shown]
    lines += _key_lines(schema, set(shown))
    # Up to here all questions about the same tables are told the same, which an engine need not read again.
    lines += ["", _DIALECT.format(today=context.today)]
    conditions = {
        f"{schema.tables[value.ref[0]].sql}.{schema.column(value.ref).sql} = {_literal(value.value)}": None
        for value in context.values
        if value.whole and value.ref[0] in shown
    }
    defined = [metric for metric in schema.metrics if {metric.table, *(ref[0] for ref in metric.refs)} <= set(shown)]
    if defined:
        lines += ["", "Words that are computed so:"]
        lines += [f"{_comment_text(', '.join(metric.phrases))} = {metric.sql}" for metric in defined]
    if conditions:
        lines += ["", "Values that the question may name:", *list(conditions)[:_MOST_VALUES]]
    for example in context.examples:
        lines += ["", f"Question: {example.question}", f"SQL: {example.sql}"]
    if context.before is not None:
        lines += ["", f"Question before: {context.before.question}", f"SQL: {context.before.sql or 'none'}"]
    lines += ["", f"Question: {context.question}", "Write only the SQL."]
    return "\n".join(lines)


def _linked_tables(context: Context) -> list[int]:
    """All tables, or of a large schema those that the question names and those between them, as far as there is room.

    Without any name the first tables, which were ranked before.
    """
    schema = context.schema
    everything = range(len(schema.tables))
    if sum(len(table.columns) for table in schema.tables) <= _MOST_COLUMNS:
        return list(everything)
    named = {
        ref[0]: None
        for mention in context.linked.mentions
        for ref, score in [*mention.refs, *((value.ref, value.confidence) for value in mention.value_matches)]
        if score >= _LEAST_SCORE
    }
    tree = schema.join_tree(list(named)) if named else None
    between = {index: None for edge in (tree[0] if tree else ()) for index in (edge.source, edge.target)}
    shown: list[int] = []
    columns = 0
    for index in {**named, **between} or everything:
        columns += len(schema.tables[index].columns)
        if columns > _MOST_COLUMNS and shown:
            break
        shown.append(index)
    return sorted(shown)


def _table_definition(schema: Schema, index: int, rows: Sequence[Row]) -> str:
    """The table with its comments, and beside each column what the sample rows hold in it."""
    table = schema.tables[index]
    lines = [f"CREATE TABLE {table.sql} (" + (f" -- {_comment_text(table.phrases[0])}" if table.phrases else "")]
    for place, column in enumerate(table.columns):
        key = " PRIMARY KEY" if table.key == [place] and not table.is_link else ""
        values = dict.fromkeys(row[column.sql] for row in rows if column.sql in row)
        shown = [value if column.kind == "number" else _literal(value) for value in values]
        remarks = [_comment_text(text) for text in (*column.phrases[:1], ", ".join(shown)) if text]
        lines.append(f"  {column.sql} {column.type}{key}," + (f" -- {'; '.join(remarks)}" if remarks else ""))
    return "\n".join([*lines, ");"])


def _key_lines(schema: Schema, shown: set[int]) -> Iterator[str]:
    for edge in schema.edges:
        if edge.many_to_one and {edge.source, edge.target} <= shown:
            one, other = schema.tables[edge.source], schema.tables[edge.target]
            pairs = " AND ".join(
                f"{one.sql}.{one.columns[a].sql} = {other.sql}.{other.columns[b].sql}" for a, b in edge.columns
            )
            yield f"-- foreign key: {pairs}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _comment_text(text: str) -> str:
    """The text on one line, without an end of a comment."""
    return re.sub(r"\s+", " ", text).replace("*/", "* /")[:_LONGEST_PHRASE]


def first_statement(written: str) -> str | None:
    """The first statement in a model's output; None if there is none."""
    block = _BLOCK.search(written)
    statement = _SELECT.search(block[1] if block else written)
    if statement is None:
        return None
    ended = _STATEMENT.match(statement[0])
    return (ended[0] if ended else statement[0]).strip() or None
