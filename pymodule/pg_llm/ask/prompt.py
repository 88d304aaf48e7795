"""The text-to-SQL prompt of a generation model, and the statement in its output."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema

_MOST_COLUMNS = 200
_LONGEST_PHRASE = 120
_BLOCK = re.compile(r"```(?:sql|postgresql|postgres)?\s*(.*?)(?:```|$)", re.S | re.I)
_SELECT = re.compile(r"\b(?:SELECT|WITH)\b.*", re.S | re.I)


def build_prompt(question: str, schema: Schema, values: Sequence[ValueMatch], taught: Sequence[tuple[str, str]]) -> str:
    """The schema as CREATE TABLE statements, examples, values that the question names, and the question."""
    lines = ["You write one PostgreSQL SELECT statement that answers a question about these tables.", ""]
    lines += _table_lines(schema)
    conditions = sorted(
        {f"{schema.tables[v.ref[0]].sql}.{schema.column(v.ref).sql} = '{v.value}'" for v in values if v.whole}
    )
    if conditions:
        lines += ["", "Values that the question names:", *conditions[:20]]
    for example, sql in taught:
        lines += ["", f"Question: {example}", f"SQL: {sql}"]
    lines += ["", f"Question: {question}", "Answer with the SQL only, using the names above."]
    return "\n".join(lines)


def _table_lines(schema: Schema) -> list[str]:
    lines = []
    columns = 0
    for table in schema.tables:
        if columns > _MOST_COLUMNS:
            break
        definitions = []
        for column in table.columns:
            columns += 1
            comment = f" /* {_comment_text(column.phrases[0])} */" if column.phrases else ""
            definitions.append(f"{column.sql} {column.type}{comment}")
        comment = f" -- {_comment_text(table.phrases[0])}" if table.phrases else ""
        lines.append(f"CREATE TABLE {table.sql} ({', '.join(definitions)});{comment}")
    for edge in schema.edges:
        if edge.many_to_one:
            one, other = schema.tables[edge.source], schema.tables[edge.target]
            pairs = " AND ".join(
                f"{one.sql}.{one.columns[a].sql} = {other.sql}.{other.columns[b].sql}" for a, b in edge.columns
            )
            lines.append(f"-- {pairs}")
    return lines


def _comment_text(text: str) -> str:
    """The text on one line, without an end of a comment."""
    return re.sub(r"\s+", " ", text).replace("*/", "* /")[:_LONGEST_PHRASE]


def first_statement(written: str) -> str | None:
    """The first statement in a model's output; None if there is none."""
    block = _BLOCK.search(written)
    statement = _SELECT.search(block[1] if block else written)
    if statement is None:
        return None
    return statement[0].split(";")[0].strip() or None
