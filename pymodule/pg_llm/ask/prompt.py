"""The text-to-SQL prompt of a generation model, and the statement in its output."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

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


def build_prompt(context: Context) -> str:
    """The linked tables with keys, comments and sample values, what the question names, taught examples, the question.

    Short, as small models lose themselves in rules; the tables are first, as an engine need not read them again.
    """
    schema = context.schema
    shown = _linked_tables(context)
    lines = [_table_definition(schema, index, set(shown), context.rows.get(index, ())) for index in shown]
    remarks = [f"-- Today is {context.today}"]
    remarks += dict.fromkeys(
        f"-- {schema.tables[value.ref[0]].sql}.{schema.column(value.ref).sql} = {_comment_text(_literal(value.value))}"
        for value in [value for value in context.values if value.whole and value.ref[0] in shown][:_MOST_VALUES]
    )
    defined = [metric for metric in schema.metrics if {metric.table, *(ref[0] for ref in metric.refs)} <= set(shown)]
    remarks += [f"-- {_comment_text(', '.join(metric.phrases))} = {' '.join(metric.sql.split())}" for metric in defined]
    lines += ["", *remarks]
    for example in context.examples:
        lines += ["", f"Question: {example.question}", f"SQL: {example.sql}"]
    if context.before is not None:
        lines += ["", f"Question before: {context.before.question}", f"SQL: {context.before.sql or 'none'}"]
    lines += ["", f"Write a PostgreSQL query that answers: {context.question}", "Answer with the SQL only."]
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


def _table_definition(schema: Schema, index: int, shown: Collection[int], rows: Sequence[Row]) -> str:
    """The table with its keys and comments, and beside each column what the sample rows hold in it."""
    table = schema.tables[index]
    lines = [f"CREATE TABLE {table.sql} (" + (f" -- {_comment_text(table.phrases[0])}" if table.phrases else "")]
    keys = list(_foreign_keys(schema, index, shown))
    for place, column in enumerate(table.columns):
        key = " PRIMARY KEY" if table.key == [place] and not table.is_link else ""
        key += next((f" {reference}" for columns, reference in keys if columns == [place]), "")
        values = dict.fromkeys(row[column.sql] for row in rows if column.sql in row)
        said = [value if column.kind == "number" else _literal(value) for value in values]
        remarks = [_comment_text(text) for text in (*column.phrases[:1], ", ".join(said)) if text]
        lines.append(f"  {column.sql} {column.type}{key}," + (f" -- {'; '.join(remarks)}" if remarks else ""))
    for columns, reference in keys:
        if len(columns) > 1:
            lines.append(f"  FOREIGN KEY ({', '.join(table.columns[place].sql for place in columns)}) {reference},")
    return "\n".join([*lines, ");"])


def _foreign_keys(schema: Schema, index: int, shown: Collection[int]) -> Iterator[tuple[list[int], str]]:
    """The columns of a table that reference a row of another one that is shown, and what they reference."""
    for edge in schema.edges:
        if edge.many_to_one and edge.source == index and edge.target in shown:
            target = schema.tables[edge.target]
            columns = ", ".join(target.columns[place].sql for _, place in edge.columns)
            yield [place for place, _ in edge.columns], f"REFERENCES {target.sql} ({columns})"


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
