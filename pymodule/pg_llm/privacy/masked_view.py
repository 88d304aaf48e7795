"""Dynamic data masking: a view of a table that shows some columns in plain to some roles and masked to all others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models, ownership, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import derived_name, quote_ident, quote_literal
from pg_llm.errors import InvalidInput, NotSupported
from pg_llm.privacy import finding

METHODS = ("null", "mask", "label", "generalize", "redact")
# Types by which a value is made coarser, and how: without a model, and in the column's own type.
_COARSER = {
    "date": "pg_catalog.date_trunc('year', {cell})::pg_catalog.date",
    "timestamp without time zone": "pg_catalog.date_trunc('year', {cell})",
    "timestamp with time zone": "pg_catalog.date_trunc('year', {cell})",
    "smallint": "({cell} / 10 * 10)::pg_catalog.int2",
    "integer": "{cell} / 10 * 10",
    "bigint": "{cell} / 10 * 10",
    "numeric": "pg_catalog.round({cell}, -1)",
    "real": "(pg_catalog.round(({cell} / 10)::pg_catalog.float8) * 10)::pg_catalog.float4",
    "double precision": "pg_catalog.round({cell} / 10) * 10",
    "inet": "pg_catalog.set_masklen({cell}, CASE pg_catalog.family({cell}) WHEN 4 THEN 24 ELSE 48 END)"
    "::pg_catalog.cidr::pg_catalog.inet",
}
_TEXTS = ("text", "character varying")
_COLUMNS = """
    SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
           a.attcollation::regcollation::text AS collation
    FROM pg_attribute AS a
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_SECURITY = """
    SELECT EXISTS (
        SELECT FROM pg_class AS c WHERE c.relrowsecurity
        AND (c.oid = $1::oid OR c.oid IN (SELECT p.relid FROM pg_partition_tree($1::oid::regclass) AS p))
    ) AS is
"""
_ROLES = """
    SELECT r.name, p.oid::int8 AS oid FROM unnest($1::text[]) AS r (name) LEFT JOIN pg_roles AS p ON p.rolname = r.name
"""
# Once a query; a role that is gone has no members. By number, as a name may be somebody else's later, and by name, as
# a number may be in the server that a dump is restored to.
_MAY_SEE = """(SELECT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS r WHERE ({roles}) AND pg_catalog.pg_has_role(r.oid, 'USAGE')
))"""
_ROLE = "r.oid OPERATOR(pg_catalog.=) {oid}::pg_catalog.oid AND r.rolname OPERATOR(pg_catalog.=) {name}"
# An error says more than no rows: the text is no boolean.
_NO_POLICIES = """(
    SELECT CASE WHEN c.relrowsecurity THEN pg_catalog.concat({error})::pg_catalog.bool ELSE true END
    FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) {table}::pg_catalog.regclass::pg_catalog.oid
)"""


def create(
    db: Connection, target: str | None, policy: str | None, roles: Sequence[str | None] | None, name: str | None
) -> str:
    """Create the view beside the table, as the table's owner; returns its name, quoted and qualified."""
    table = catalog.relation(db, ownership.oid(db, target), key=())
    ownership.check_owner(db, table)
    if table.kind not in "rpf":
        raise NotSupported(f"{table.relation} is no table", hint="Mask the tables that it reads.")
    if db.rows(_SECURITY, ("int8",), (table.oid,))[0]["is"]:
        raise NotSupported(
            f"{table.relation} has row-level security, which a view with its owner's rights would pass by",
            hint="Write the policy's condition into a view of your own, with llm_redact() for what is to be masked.",
        )
    seeing = db.rows(_ROLES, ("text[]",), ([role for role in roles or [] if role is not None],))
    for row in seeing:
        if row["oid"] is None:
            raise InvalidInput(f'role "{row["name"]}" does not exist')
    methods = _policy(table, policy)
    view = f"{table.schema}.{quote_ident(name or _default_name(db, table))}"
    columns = ", ".join(
        _column(db, table, row, methods.get(row["name"]), seeing) for row in db.rows(_COLUMNS, ("int8",), (table.oid,))
    )
    shown = ", ".join(f"{column}: {method}" for column, method in methods.items())
    others = f" but {', '.join(row['name'] for row in seeing)}" if seeing else ""
    comment = f"{table.relation} with columns masked ({shown}) to all{others}"
    error = quote_literal(f"{table.relation} has row-level security, which this view would pass by")
    condition = _NO_POLICIES.format(error=error, table=quote_literal(table.relation))
    query = f"SELECT {columns} FROM {table.relation} AS t WHERE {condition}"
    table_access.on_table(
        db,
        table.oid,
        lambda: (
            db.execute(f"CREATE VIEW {view} WITH (security_barrier) AS {query}"),
            db.execute(f"COMMENT ON VIEW {view} IS {quote_literal(comment)}"),
        ),
    )
    return view


def _policy(table: Table, policy: str | None) -> dict[str, str]:
    given: Any = json.loads(arguments.required("policy", policy))
    if not isinstance(given, Mapping) or not given:
        raise InvalidInput(
            "policy must be an object of columns and methods",
            hint="""Write '{"email": "mask", "born": "generalize"}'.""",
        )
    ownership.columns(table, list(given))
    return {column: arguments.choice(f'method of column "{column}"', given[column], METHODS) for column in given}


def _default_name(db: Connection, table: Table) -> str:
    (row,) = db.rows("SELECT relname::text AS name FROM pg_class WHERE oid = $1::oid", ("int8",), (table.oid,))
    return derived_name(str(row["name"]), "masked")


def _column(db: Connection, table: Table, row: Row, method: str | None, seeing: Sequence[Row]) -> str:
    name = row["name"]
    cell = table.cell(name)
    if method is None:
        return f"{cell} AS {quote_ident(name)}"
    masked = _masked(db, cell, row, method)
    if seeing:
        roles = " OR ".join(_ROLE.format(oid=role["oid"], name=quote_literal(role["name"])) for role in seeing)
        may_see = _MAY_SEE.format(roles=roles)
        masked = f"CASE WHEN {may_see} THEN {cell} ELSE {masked} END"
    return f"{masked} AS {quote_ident(name)}"


def _masked(db: Connection, cell: str, row: Row, method: str) -> str:
    """What others see of a column, in its own type. Raises InvalidInput where the type has no such form."""
    name, type_ = row["name"], row["type"]
    if method == "null":
        # Not NULL::type, which a domain may refuse.
        return f"CASE WHEN false THEN {cell} END"
    if method == "generalize" and type_ in _COARSER:
        return _COARSER[type_].format(cell=cell)
    if method == "generalize" or type_ not in _TEXTS:
        types = ", ".join(_COARSER if method == "generalize" else _TEXTS)
        raise InvalidInput(
            f'column "{name}" of type {type_} cannot be masked by {method}',
            hint=f"That takes one of: {types}. The method null takes any type.",
        )
    if method == "mask":
        # By the letters that ASCII has not as well, of which a column's own collation, such as C, may know nothing.
        shown = f"{cell} COLLATE pg_catalog.\"C\", '[^[:space:][:punct:]]', '*', 'g'"
        return f"(pg_catalog.regexp_replace({shown}) COLLATE {row['collation']})"
    if method == "label":
        return f"CASE WHEN {cell} IS NOT NULL THEN {quote_literal(f'[{name}]')} END"
    # By name: a reader's setting must not choose what finds the names.
    finder = quote_literal(models.find(db, None, "personal", finding.MODELS).name)
    return f"{catalog.schema_of(db, 'pg_llm')}.llm_redact({cell}, model => {finder})"
