"""With whose rights a table is read and written, so that code of its owner never runs with those of a stranger.

A table's owner decides what runs when its rows are read or written: policies, triggers, checks, index expressions. Work
on a table therefore has its owner's rights where the caller could take them anyway and the owner could not take the
caller's; where the caller has been granted the table and no more, it keeps its own, as in a plain SELECT, unless it is
more powerful than the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pg_llm.errors import InsufficientPrivilege
from pg_llm.functions import session
from pg_llm.functions.security_context import run_as

_R = TypeVar("_R")

_CALLER = """
    SELECT r.oid::pg_catalog.int8 AS oid FROM pg_catalog.pg_roles AS r
    WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
"""
_OWNERS = "SELECT DISTINCT relowner::int8 AS oid FROM pg_class WHERE oid = ANY($1::oid[])"
_BETWEEN = """
    SELECT pg_has_role($1::oid, $2::oid, 'USAGE') AS trusted, pg_has_role($2::oid, $1::oid, 'USAGE') AS shared
"""
# Expressions that reading or writing a relation evaluates, as node trees, and triggers, for the relations named, their
# children and whatever those expressions read. Of a role that $2 trusts nothing is listed; nor what calls PostgreSQL's
# own functions only, of which none writes or runs a text as a query; nor triggers and rules that will not fire.
# Laterally, so that indexes of the catalog serve; a text for each kind of work, so that a plan can be kept.
_CODE = """
    WITH RECURSIVE reached (root, oid) AS (
        SELECT given.oid, given.oid FROM unnest((SELECT $1::oid[])) AS given (oid)
        UNION
        SELECT r.root, next.oid FROM reached AS r CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = r.oid
            UNION ALL
            SELECT m.found[1]::oid FROM (
                SELECT concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy AS p WHERE p.polrelid = r.oid
                UNION ALL
                SELECT w.ev_action::text FROM pg_rewrite AS w WHERE w.ev_class = r.oid
            ) AS e (tree), regexp_matches(e.tree, ':relid ([1-9][0-9]*)', 'g') AS m (found)
        ) AS next (oid)
    ), relation AS (
        SELECT c.oid, c.relname, c.relowner, c.relrowsecurity, pg_has_role(c.relowner, $2::oid, 'USAGE') AS trusted
        FROM (SELECT DISTINCT r.oid FROM reached AS r) AS r JOIN pg_class AS c ON c.oid = r.oid
    ), firing (enabled) AS (
        SELECT unnest(CASE current_setting('session_replication_role') WHEN 'replica' THEN '{A,R}' ELSE '{A,O}' END
                      ::"char"[])
    )
    SELECT r.root::int8 AS root, code.what, pg_get_userbyid(code.owner)::text AS owner, code.owner::int8 AS oid FROM (
        SELECT c.oid AS relation, e.what, e.owner FROM relation AS c CROSS JOIN LATERAL (
            SELECT format('policy %I on %I', p.polname, c.relname), c.relowner,
                   concat(p.polqual::text, p.polwithcheck::text)
            FROM pg_policy AS p WHERE p.polrelid = c.oid AND NOT c.trusted AND c.relrowsecurity
            UNION ALL
            SELECT format('index %s', i.indexrelid::regclass), c.relowner, concat(i.indexprs::text, i.indpred::text)
            FROM pg_index AS i WHERE i.indrelid = c.oid AND NOT c.trusted
            UNION ALL
            SELECT format('constraint %I on %I', k.conname, c.relname), c.relowner, k.conbin::text
            FROM pg_constraint AS k WHERE k.conrelid = c.oid AND NOT c.trusted AND k.contype = 'c'
            UNION ALL
            SELECT format('partition key of %I', c.relname), c.relowner, k.partexprs::text
            FROM pg_partitioned_table AS k WHERE k.partrelid = c.oid AND NOT c.trusted
            UNION ALL
            SELECT format('rule %I on %I', w.rulename, c.relname), c.relowner,
                   concat(w.ev_qual::text, w.ev_action::text)
            FROM pg_rewrite AS w WHERE w.ev_class = c.oid AND NOT c.trusted AND (
                <writes> AND w.ev_enabled IN (SELECT f.enabled FROM firing AS f) OR w.rulename = '_RETURN'
            )
            UNION ALL
            SELECT format('default of %I.%I', c.relname, a.attname), c.relowner, d.adbin::text
            FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE d.adrelid = c.oid AND NOT c.trusted AND <writes>
            UNION ALL
            SELECT format('domain %s', t.oid::regtype), t.typowner, k.conbin::text
            FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid AND t.typtype = 'd'
            JOIN pg_constraint AS k ON k.contypid = t.oid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND <writes> AND NOT pg_has_role(t.typowner, $2::oid, 'USAGE')
        ) AS e (what, owner, tree)
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
        SELECT c.oid, format('trigger %I on %I', g.tgname, c.relname), g.proowner
        FROM relation AS c CROSS JOIN LATERAL (
            SELECT g.tgname, p.proowner FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid
            WHERE g.tgrelid = c.oid AND <writes> AND NOT g.tgisinternal
            AND g.tgenabled IN (SELECT f.enabled FROM firing AS f) AND NOT pg_has_role(p.proowner, $2::oid, 'USAGE')
        ) AS g
    ) AS code JOIN reached AS r ON r.oid = code.relation
    ORDER BY 1, 2
"""
_FOREIGN_CODE = {writes: _CODE.replace("<writes>", str(writes).lower()) for writes in (False, True)}
# A table of an owner that the role trusts, which has no part, reads no other by a rule or a policy, and fires nothing.
_PLAIN = """
    SELECT count(*) = cardinality($1::oid[]) AS plain FROM pg_class AS c
    WHERE c.oid = ANY($1::oid[]) AND pg_has_role(c.relowner, $2::oid, 'USAGE') AND c.relkind = 'r'
    AND NOT c.relhassubclass AND NOT c.relhasrules AND NOT c.relrowsecurity
    AND (NOT $3 OR NOT c.relhastriggers AND NOT EXISTS (
        SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid AND t.typtype = 'd'
        WHERE a.attrelid = c.oid AND a.attnum > 0
    ))
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


def on_table(oid: int, work: Callable[[], _R], writes: bool = False) -> _R:
    """Run `work`, which reads or writes the table and runs to its end, with the rights that it may have there.

    Raises InsufficientPrivilege where code of somebody else would run with rights that are not its owner's.
    """
    return as_role(role_for([oid], writes), work)


def on_part(oid: int, work: Callable[[], _R], writes: bool) -> _R:
    """As `on_table` for a part that the caller did not name: no code is run that the role cannot trust."""
    with session.pinned_path():
        role = _role([oid])
        _refuse(foreign_code([oid], role, writes), role, named=False)
    return as_role(role, work)


def role_for(oids: Sequence[int], writes: bool = False) -> int:
    """The role with whose rights a statement on these tables is run; the owner's only where all have the same.

    Raises InsufficientPrivilege where code of somebody else would run with rights that are not its owner's.
    """
    with session.pinned_path():
        role = _role(oids)
        _refuse(foreign_code(oids, role, writes), role, named=role == caller())
    return role


def role_for_author(author: int, what: str) -> int:
    """The role with whose rights code that a role wrote is run: the author's where the caller could take them.

    Raises InsufficientPrivilege for a caller who cannot trust the author and is more powerful.
    """
    with session.pinned_path():
        role = _choose(author, caller())
        if role != author and not _between(author, role)["trusted"]:
            name = session.rows("SELECT pg_get_userbyid($1::oid)::text AS name", ("int8",), (author,))[0]["name"]
            _refuse([{"what": what, "owner": name, "oid": author}], role, named=True)
    return role


def as_role(role: int, work: Callable[[], _R]) -> _R:
    """Run `work` to its end with the rights of a role that `role_for` or `role_for_author` gave."""
    return work() if role == caller() else run_as(role, work)


def foreign_code(oids: Sequence[int], role: int, writes: bool = False) -> list[session.Row]:
    """What of these relations, their children and what their policies read runs code whose owner the role cannot trust.

    `root` is the relation of those given, `what` and its `owner` by name and `oid`; to be called with a pinned search
    path.
    """
    if session.rows(_PLAIN, ("int8[]", "int8", "bool"), (list(oids), role, writes))[0]["plain"]:
        return []
    return session.rows(_FOREIGN_CODE[writes], ("int8[]", "int8"), (list(oids), role))


def caller() -> int:
    """The role with whose rights statements run."""
    return int(session.rows(_CALLER)[0]["oid"])


def _role(oids: Sequence[int]) -> int:
    owners = [int(row["oid"]) for row in session.rows(_OWNERS, ("int8[]",), (list(oids),))]
    me = caller()
    return _choose(owners[0], me) if len(owners) == 1 else me


def _choose(owner: int, me: int) -> int:
    between = _between(owner, me)
    return owner if between["shared"] and not between["trusted"] else me


def _between(owner: int, me: int) -> session.Row:
    return session.rows(_BETWEEN, ("int8", "int8"), (owner, me))[0]


def _refuse(code: Sequence[session.Row], role: int, named: bool) -> None:
    """A role of no particular power may run what it has named, as in any statement of its own on that table."""
    if not code:
        return
    owners = sorted({row["oid"] for row in code})
    if named and not session.rows(_MORE_POWERFUL, ("int8", "int8[]"), (role, owners))[0]["more"]:
        return
    first = code[0]
    raise InsufficientPrivilege(
        f'{first["what"]} would run code of the role "{first["owner"]}" with rights that are not its own',
        detail=f"In all: {', '.join(row['what'] for row in code[:20])}.",
        hint="Call this as a member of that role that has no more rights than it, or give the object to an owner that"
        " you trust.",
    )
