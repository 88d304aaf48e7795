"""With whose rights a table is read and written, so that code of its owner never runs with those of a stranger.

A table's owner decides what runs when its rows are read or written: policies, triggers, checks, index expressions. Work
on a table therefore has its owner's rights where the caller could take them anyway and the owner could not take the
caller's; where the caller has been granted the table and no more, it keeps its own, as in a plain SELECT, unless it is
more powerful than the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import plpy

from pg_llm.errors import InsufficientPrivilege
from pg_llm.functions import session
from pg_llm.functions.security_context import run_as, run_as_extension_owner

_R = TypeVar("_R")

_OWNER = """
    SELECT c.relowner::int8 AS owner, me.oid::int8 AS caller,
           pg_has_role(c.relowner, me.oid, 'USAGE') AS trusted, pg_has_role(me.oid, c.relowner, 'USAGE') AS shared
    FROM pg_class AS c, pg_roles AS me WHERE c.oid = $1::oid AND me.rolname = CURRENT_USER
"""
# Expressions that reading or writing a relation evaluates, as node trees, and triggers, for the relations named, their
# children and whatever those expressions read. Of a role that $2 trusts nothing is listed; nor what calls PostgreSQL's
# own functions only, of which none writes or runs a text as a query.
_FOREIGN_CODE = """
    WITH RECURSIVE reached (oid) AS (
        SELECT unnest($1::oid[])
        UNION
        SELECT next.oid FROM reached AS r CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = r.oid
            UNION ALL
            SELECT m.found[1]::oid FROM (
                SELECT concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy AS p WHERE p.polrelid = r.oid
                UNION ALL
                SELECT w.ev_action::text FROM pg_rewrite AS w WHERE w.ev_class = r.oid
            ) AS e (tree), regexp_matches(e.tree, ':relid ([1-9][0-9]*)', 'g') AS m (found)
        ) AS next (oid)
    ), relation AS (
        SELECT c.oid, c.relname, c.relowner, c.relrowsecurity, c.relkind,
               pg_has_role(c.relowner, $2::oid, 'USAGE') AS trusted
        FROM reached AS r JOIN pg_class AS c ON c.oid = r.oid
    ), expression (what, owner, tree) AS (
        SELECT format('policy %I on %I', p.polname, c.relname), c.relowner,
               concat(p.polqual::text, p.polwithcheck::text)
        FROM relation AS c JOIN pg_policy AS p ON p.polrelid = c.oid WHERE NOT c.trusted AND c.relrowsecurity
        UNION ALL
        SELECT format('index %s', i.indexrelid::regclass), c.relowner, concat(i.indexprs::text, i.indpred::text)
        FROM relation AS c JOIN pg_index AS i ON i.indrelid = c.oid WHERE NOT c.trusted
        UNION ALL
        SELECT format('constraint %I on %I', k.conname, c.relname), c.relowner, k.conbin::text
        FROM relation AS c JOIN pg_constraint AS k ON k.conrelid = c.oid WHERE NOT c.trusted AND k.contype = 'c'
        UNION ALL
        SELECT format('partition key of %I', c.relname), c.relowner, k.partexprs::text
        FROM relation AS c JOIN pg_partitioned_table AS k ON k.partrelid = c.oid WHERE NOT c.trusted
        UNION ALL
        SELECT format('rule %I on %I', w.rulename, c.relname), c.relowner, concat(w.ev_qual::text, w.ev_action::text)
        FROM relation AS c JOIN pg_rewrite AS w ON w.ev_class = c.oid
        WHERE NOT c.trusted AND ($3 OR w.rulename = '_RETURN')
        UNION ALL
        SELECT format('default of %I.%I', c.relname, a.attname), c.relowner, d.adbin::text
        FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE NOT c.trusted AND $3
        UNION ALL
        SELECT format('domain %s', t.oid::regtype), t.typowner, k.conbin::text
        FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type AS t ON t.oid = a.atttypid AND t.typtype = 'd' JOIN pg_constraint AS k ON k.contypid = t.oid
        WHERE $3 AND NOT pg_has_role(t.typowner, $2::oid, 'USAGE')
    )
    SELECT e.what, pg_get_userbyid(e.owner)::text AS owner, e.owner::int8 AS oid FROM expression AS e
    WHERE e.tree LIKE '%{COERCETODOMAIN%' OR EXISTS (
        SELECT FROM (
            SELECT m.found[1]::oid AS oid
            FROM regexp_matches(e.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([1-9][0-9]*)', 'g') AS m (found)
            UNION ALL
            SELECT o.oprcode::oid FROM regexp_matches(e.tree, ':opnos? \\(?o? ?([1-9][0-9 ]*)', 'g') AS m (found),
                string_to_table(trim(m.found[1]), ' ') AS n (number) JOIN pg_operator AS o ON o.oid = n.number::oid
        ) AS f LEFT JOIN pg_proc AS p ON p.oid = f.oid
        WHERE p.pronamespace IS DISTINCT FROM 'pg_catalog'::regnamespace OR p.provolatile = 'v'
        OR p.proname ~ '_to_xml|populate_record|^ts_(stat|rewrite)$'
    )
    UNION ALL
    SELECT format('trigger %I on %I', g.tgname, c.relname), pg_get_userbyid(p.proowner)::text, p.proowner::int8
    FROM relation AS c JOIN pg_trigger AS g ON g.tgrelid = c.oid JOIN pg_proc AS p ON p.oid = g.tgfoid
    WHERE $3 AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND NOT pg_has_role(p.proowner, $2::oid, 'USAGE')
    ORDER BY 1
"""
# Whether a role owns all of these relations and their children, and no policy applies to it: then reading runs its own
# code only. Of the two queries this is the quick one.
_ALONE = """
    WITH RECURSIVE reached (oid) AS (
        SELECT unnest($1::oid[])
        UNION
        SELECT i.inhrelid FROM reached AS r JOIN pg_inherits AS i ON i.inhparent = r.oid
    )
    SELECT NOT EXISTS (
        SELECT FROM reached AS r JOIN pg_class AS c ON c.oid = r.oid
        WHERE c.relowner <> $2::oid OR c.relkind NOT IN ('r', 'p') OR c.relforcerowsecurity
    ) AS alone
"""
_TABLES = """
    SELECT string_agg(format('ONLY %I.%I', n.nspname, c.relname), ', ' ORDER BY c.oid) AS tables
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ANY($1::oid[]) AND c.relkind IN ('r', 'p')
"""
# What makes a role more powerful than another: attributes, and predefined roles that the other has not.
_MORE_POWERFUL = """
    SELECT coalesce(bool_or(
        me.rolsuper AND NOT o.rolsuper OR me.rolcreaterole AND NOT o.rolcreaterole
        OR me.rolcreatedb AND NOT o.rolcreatedb OR me.rolreplication AND NOT o.rolreplication
        OR me.rolbypassrls AND NOT o.rolbypassrls OR EXISTS (
            SELECT FROM pg_roles AS p WHERE p.oid < 16384 AND NOT p.rolsuper
            AND pg_has_role(me.oid, p.oid, 'USAGE') AND NOT pg_has_role(o.oid, p.oid, 'USAGE')
        )
    ), false) AS more
    FROM pg_roles AS me, pg_roles AS o WHERE me.oid = $1::oid AND o.oid = ANY($2::oid[])
"""


def on_table(oid: int, work: Callable[[], _R], writes: bool = False, beside: Sequence[int] = ()) -> _R:
    """Run `work`, which reads or writes the table and runs to its end, with the rights that it may have there.

    `beside` are further tables that it reads.

    Raises InsufficientPrivilege where code of somebody else would run with rights that are not its owner's.
    """
    found = session.rows(_OWNER, ("int8",), (oid,))
    if not found:
        return work()
    row = found[0]
    role = row["owner"] if row["shared"] and not row["trusted"] else row["caller"]
    _refuse_foreign_code([oid, *beside], role, writes, own=role == row["caller"])
    return work() if role == row["caller"] else run_as(role, work)


def foreign_code(oids: Sequence[int], role: int, writes: bool = False) -> list[session.Row]:
    """What of these relations, their children and what their policies read runs code whose owner the role cannot trust.

    `what` and its `owner` by name and `oid`; to be called with a pinned search path. Until the transaction ends nobody
    gives the tables another policy, rule or check.
    """
    if not writes and session.rows(_ALONE, ("int8[]", "int8"), (list(oids), role))[0]["alone"]:
        return []
    tables = session.rows(_TABLES, ("int8[]",), (list(oids),))[0]["tables"]
    if tables:
        # To parse is to lock, which LOCK TABLE may not in a function that is STABLE.
        run_as_extension_owner(lambda: plpy.prepare(f"SELECT FROM {tables}"))
    return session.rows(_FOREIGN_CODE, ("int8[]", "int8", "bool"), (list(oids), role, writes))


def check_reading(oids: Sequence[int], role: int) -> None:
    """Raise InsufficientPrivilege where reading these tables in the name of a role would run somebody else's code."""
    _refuse_foreign_code(oids, role, writes=False, own=False)


def _refuse_foreign_code(oids: Sequence[int], role: int, writes: bool, own: bool) -> None:
    """A role of no particular power may run it in its own name, as in any statement of its own on that table."""
    code = foreign_code(oids, role, writes)
    if not code:
        return
    owners = sorted({row["oid"] for row in code})
    if own and not session.rows(_MORE_POWERFUL, ("int8", "int8[]"), (role, owners))[0]["more"]:
        return
    first = code[0]
    raise InsufficientPrivilege(
        f'{first["what"]} would run code of the role "{first["owner"]}" with rights that are not its own',
        detail=f"In all: {', '.join(row['what'] for row in code[:20])}.",
        hint="Call this as a member of that role that has no more rights than it, or give the object to an owner that"
        " you trust.",
    )
