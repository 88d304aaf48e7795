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
# own functions only, of which none writes, runs a text as a query or reads a value by the name of its type, and on
# values of no type of others: the input of one may be checked, its output to JSON be a cast, by any function.
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
        OR p.proname ~ '_to_xml|populate_record|^ts_(stat|rewrite)$|^pg_input_'
        OR 'cstring'::regtype = ANY(p.proargtypes)
    ) OR EXISTS (
        SELECT FROM (
            SELECT m.found[1]::oid AS oid
            FROM regexp_matches(e.tree, ':[a-z_]*typ(?:e|eid|id) ([1-9][0-9]*)', 'gi') AS m (found)
            UNION ALL
            SELECT n.number::oid FROM regexp_matches(e.tree, ':[a-z_]*types [(]o ([0-9 ]+)[)]', 'gi') AS m (found),
                string_to_table(trim(m.found[1]), ' ') AS n (number)
        ) AS y JOIN pg_type AS t ON t.oid = y.oid
        WHERE t.typnamespace <> 'pg_catalog'::regnamespace AND NOT pg_has_role(t.typowner, $2::oid, 'USAGE')
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
# The relations named and their children, as far as their owners are not to be trusted. One that has children, or may be
# given partitions, may have others at any time.
_TABLES = """
    WITH RECURSIVE reached (oid) AS (
        SELECT unnest($1::oid[])
        UNION
        SELECT i.inhrelid FROM reached AS r JOIN pg_inherits AS i ON i.inhparent = r.oid
    )
    SELECT format('%I.%I', n.nspname, c.relname) AS relation, format('parts of %I', c.relname) AS what,
           pg_get_userbyid(c.relowner)::text AS owner, c.relowner::int8 AS oid,
           c.relkind = 'p' OR c.relhassubclass AS open, pg_is_in_recovery() AS replica
    FROM reached AS r JOIN pg_class AS c ON c.oid = r.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, $2::oid, 'USAGE') ORDER BY c.oid
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
    gives the tables another policy, rule, check or index.
    """
    if not writes and _alone(oids, role):
        return []
    for row in session.rows(_TABLES, ("int8[]", "int8"), (list(oids), role)):
        if not row["replica"]:
            # To parse is to lock, as a writer would; LOCK TABLE may not, in a function that is STABLE.
            query = f"DELETE FROM ONLY {row['relation']}"
            run_as_extension_owner(lambda query=query: plpy.prepare(query))  # type: ignore[misc]
    return session.rows(_FOREIGN_CODE, ("int8[]", "int8", "bool"), (list(oids), role, writes))


def foreign_code_ever(oids: Sequence[int], role: int) -> list[session.Row]:
    """The same for reading, and what there may be by then; of a table without children ONLY that is to be read."""
    if _alone(oids, role):
        return []
    return foreign_code(oids, role) or [
        row for row in session.rows(_TABLES, ("int8[]", "int8"), (list(oids), role)) if row["open"]
    ]


def _alone(oids: Sequence[int], role: int) -> bool:
    return bool(session.rows(_ALONE, ("int8[]", "int8"), (list(oids), role))[0]["alone"])


def check_reading(oids: Sequence[int], role: int) -> None:
    """Raise InsufficientPrivilege where reading these tables in the name of a role would run somebody else's code."""
    if code := foreign_code_ever(oids, role):
        raise _refused(code)


def _refuse_foreign_code(oids: Sequence[int], role: int, writes: bool, own: bool) -> None:
    """A role of no particular power may run it in its own name, as in any statement of its own on that table."""
    code = foreign_code(oids, role, writes) if writes else foreign_code_ever(oids, role)
    if not code:
        return
    owners = sorted({row["oid"] for row in code})
    if own and not session.rows(_MORE_POWERFUL, ("int8", "int8[]"), (role, owners))[0]["more"]:
        return
    raise _refused(code)


def _refused(code: Sequence[session.Row]) -> InsufficientPrivilege:
    first = code[0]
    return InsufficientPrivilege(
        f'{first["what"]} would run code of the role "{first["owner"]}" with rights that are not its own',
        detail=f"In all: {', '.join(row['what'] for row in code[:20])}.",
        hint="Call this as a member of that role that has no more rights than it, or give the object to an owner that"
        " you trust.",
    )
