"""What a generation model is shown of a database to write SQL, and the SQL in what it writes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema

_MOST_COLUMNS = 200
_LONGEST_PHRASE = 120
_BLOCK = re.compile(r"```(?:sql|postgresql|postgres)?\s*(.*?)(?:```|$)", re.S | re.I)
_SELECT = re.compile(r"\b(?:SELECT|WITH)\b.*", re.S | re.I)


def prompt(question: str, schema: Schema, values: Sequence[ValueMatch], taught: Sequence[tuple[str, str]]) -> str:
    """The tables with what is known of them, worked examples, values that the question names, and the question."""
    lines = ["You write one PostgreSQL SELECT statement that answers a question about these tables.", ""]
    lines += _tables(schema)
    named = sorted(
        {f"{schema.tables[v.ref[0]].sql}.{schema.column(v.ref).sql} = '{v.value}'" for v in values if v.whole}
    )
    if named:
        lines += ["", "Values that the question names:", *named[:20]]
    for its, sql in taught:
        lines += ["", f"Question: {its}", f"SQL: {sql}"]
    lines += ["", f"Question: {question}", "Answer with the SQL only, using the names above."]
    return "\n".join(lines)


def _tables(schema: Schema) -> list[str]:
    lines = []
    columns = 0
    for table in schema.tables:
        if columns > _MOST_COLUMNS:
            break
        its = []
        for column in table.columns:
            columns += 1
            said = f" /* {_plain(column.phrases[0])} */" if column.phrases else ""
            its.append(f"{column.sql} {column.type}{said}")
        said = f" -- {_plain(table.phrases[0])}" if table.phrases else ""
        lines.append(f"CREATE TABLE {table.sql} ({', '.join(its)});{said}")
    for edge in schema.edges:
        if edge.single:
            one, other = schema.tables[edge.one], schema.tables[edge.other]
            pairs = " AND ".join(
                f"{one.sql}.{one.columns[a].sql} = {other.sql}.{other.columns[b].sql}" for a, b in edge.columns
            )
            lines.append(f"-- {pairs}")
    return lines


def _plain(text: str) -> str:
    """A comment on one line, that ends nothing it stands in."""
    return re.sub(r"\s+", " ", text).replace("*/", "* /")[:_LONGEST_PHRASE]


def sql(written: str) -> str | None:
    """The first statement in what a model wrote; None where there is none."""
    block = _BLOCK.search(written)
    found = _SELECT.search(block[1] if block else written)
    if found is None:
        return None
    return found[0].split(";")[0].strip() or None
