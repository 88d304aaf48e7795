"""Every public function with arguments that nobody means: a result or a clear error, never one of the inside."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

import psycopg
import pytest

# Literals of each type of argument: missing, empty, out of every range, of another shape.
ODD = {
    "text": (
        *("NULL", "''", "' '", "'x'", "'odd'", "'body'", "'-1'", "'NaN'", "'null'", "'{}'", "'SELECT'", "'public'"),
        *(
            "'SELECT id, body FROM public.odd'",
            "'SELECT body, body FROM public.odd'",
            "'count(*)'",
            "'id > 0'",
            "'2024-13-45'",
        ),
        *("'all-minilm-l6-v2'", "'classify'", r"E'\u0001\u200b\U0001F600'", "repeat('x', 70000)", r"'a''b\"c\\d$$'"),
    ),
    "bigint": ("NULL", "0", "-1", "1", "9223372036854775807", "-9223372036854775808"),
    "integer": ("NULL", "0", "-1", "1", "2147483647", "-2147483648"),
    "double precision": ("NULL", "0", "-1", "0.5", "'NaN'", "'Infinity'", "'-Infinity'", "1e308"),
    "boolean": ("NULL", "true", "false"),
    "jsonb": (
        *("NULL", "'{}'", "'[]'", "'null'", "'1'", """'"x"'""", """'{"": {"": null}}'""", "'[[], [null]]'"),
        *("""'{"id": 1e400}'""", """'{"id": 1}'""", """'{"body": "redact"}'""", """'{"kind": "table"}'"""),
        *("""'{"epochs": -1}'""", """'["id int"]'""", "(repeat('[', 500) || repeat(']', 500))"),
    ),
    "text[]": ("NULL", "'{}'", "'{NULL}'", "'{\"\"}'", "'{a,b}'", "'{id}'", "'{body}'", "'{a,a}'", "'{{a,b},{c,d}}'"),
    "regclass": (
        "NULL",
        "'public.odd'",
        "'pg_tablespace'",
        "'llm.model'",
        "'llm_models'",
        "'public.odd_pkey'",
        "0",
        "4294967295",
    ),
    "regclass[]": ("NULL", "'{}'", "'{public.odd}'", "'{NULL}'", "'{0}'", "'{{public.odd}}'"),
    "regnamespace": ("NULL", "'public'", "0"),
    "uuid": ("NULL", "'00000000-0000-0000-0000-000000000000'"),
    "interval": ("NULL", "'0'", "'-1 day'", "'1 s'", "'178000000 years'"),
    "bytea": ("NULL", "''", r"'\x00ff'", "'%PDF-1.4'"),
    "timestamp with time zone": ("NULL", "'infinity'", "'-infinity'", "now()"),
    "record": ("NULL", "ROW(1, 'a')", "(SELECT o FROM public.odd AS o LIMIT 1)"),
    "anyelement": ("NULL::text", "'x'::text", "1", "ROW(1, 2)"),
    "double precision[]": ("NULL", "'{}'", "'{NULL}'", "'{NaN}'", "'{-1}'", "'{Infinity}'", "'{{1}}'"),
    "bigint[]": ("NULL", "'{}'", "'{NULL}'", "'{-1}'"),
    "jsonb[]": ("NULL", "'{}'", "'{NULL}'"),
    "vector": ("NULL", "'[1]'"),
}
# They write texts or train models, which takes long whatever they are given.
LONG = re.compile("translate|summarize|generate|grammar|distill|tune|federat|self_train|llm_fit|llm_work")
# Internal errors, those of Python, and a server that went down; a cancel by the timeout is none.
INSIDE = ("XX0", "XX1", "XX2", "380", "390", "57P")
_INSIDE = re.compile("Traceback|internal error|(Key|Type|Index|Attribute|Value)Error|NoneType")
_FUNCTIONS = """
    SELECT p.proname, p.prokind::text, p.pronargs - p.pronargdefaults,
        ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS u (t, n) ORDER BY n),
        p.proargnames[:p.pronargs]
    FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_llm'
    WHERE p.pronamespace = 'public'::regnamespace AND p.prokind <> 'a' ORDER BY p.oid::regprocedure::text
"""
SETTINGS = {
    "as it is": "",
    "names": "SET standard_conforming_strings = off; SET quote_all_identifiers = on; SET search_path = ''",
    "output": """
        SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; SET bytea_output = 'escape';
        SET extra_float_digits = -15; SET client_encoding = 'LATIN1'
    """,
    "plans": "SET jit_above_cost = 0; SET force_parallel_mode = on; SET plan_cache_mode = 'force_generic_plan'",
    "transactions": "SET default_transaction_read_only = on; SET default_transaction_isolation = 'serializable'",
}


class Function(NamedTuple):
    name: str
    kind: str
    required: int
    types: list[str]
    names: list[str]

    def call(self, choose: random.Random) -> str:
        """A statement that calls it with odd arguments, some of those left out that have a default."""
        arguments = []
        for place, kind in enumerate(self.types):
            if place >= self.required and choose.random() < 0.5:
                continue
            value = choose.choice(ODD[kind])
            cast = "" if kind in ("record", "anyelement") else f"::{kind}"
            name = f'"{self.names[place]}" => ' if place >= self.required else ""
            arguments.append(f"{name}({value}){cast}")
        return f"{'CALL' if self.kind == 'p' else 'SELECT'} public.{self.name}({', '.join(arguments)})"


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_argument_shows_the_inside(db: psycopg.Connection, setting: str) -> None:
    db.execute("CREATE TABLE odd (id int PRIMARY KEY, body text, amount float8, at timestamptz DEFAULT now())")
    db.execute("INSERT INTO odd SELECT i, nullif('text ' || i % 9, 'text 3'), 'NaN' FROM generate_series(1, 40) AS i")
    found = [Function(*row) for row in db.execute(_FUNCTIONS).fetchall()]
    functions = [function for function in found if not LONG.search(function.name)]
    assert len(functions) > 100
    choose = random.Random(setting)
    db.execute("SET statement_timeout = '60s'; SET client_min_messages = 'error'")
    for statement in filter(None, SETTINGS[setting].split(";")):
        db.execute(statement)
    inside = []
    for function in functions:
        for _ in range(3):
            statement = function.call(choose)
            try:
                db.execute(statement)
            except psycopg.Error as error:
                told = error.diag.message_primary or str(error)
                if error.sqlstate is None or error.sqlstate[:3] in INSIDE or _INSIDE.search(told):
                    inside.append(f"{statement[:500]}: {error.sqlstate} {told[:200]}")
    assert not inside, "\n".join(inside)
