"""Foreign code on a table: code of other owners that reading or writing it would run (policies, triggers, checks …)."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.database import relation_names
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import run_as_extension_owner
from pg_llm.errors import ConcurrentChange

# Expressions (node trees) that reading or writing a relation evaluates, and its triggers: for the relations given,
# their children, and the relations that those expressions read. Not listed are:
# - code of owners whom role $2 trusts;
# - triggers and rules that will not fire;
# - expressions that call only PostgreSQL's own functions, on values of its own types and of trusted owners' types,
#   unless such a function writes, runs a text as a query, or reads a value by the name of its type. Types of other
#   owners count, as any function may check their input or cast them to JSON.
# A query inside an expression counts as code, since it may run without end. A column whose type is a domain is read as
# its base type; a domain inside an array is checked with the array.
_CODE = """
    WITH RECURSIVE reached (root, oid) AS (
        SELECT given.oid, given.oid FROM unnest((SELECT $1::oid[])) AS given (oid)
        UNION
        SELECT r.root, next.oid FROM reached AS r CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = r.oid
            UNION ALL
            SELECT k.conrelid FROM pg_constraint AS k
            WHERE <writes> AND k.confrelid = r.oid AND k.contype = 'f' AND k.confupdtype IN ('c', 'n', 'd')
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
    ), part (relation, oid, inside) AS (
        SELECT c.oid, a.atttypid, false FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
        UNION
        SELECT p.relation, next.oid, p.inside OR next.inside
        FROM part AS p JOIN pg_type AS t ON t.oid = p.oid CROSS JOIN LATERAL (
            SELECT t.typbasetype, false
            UNION ALL
            SELECT t.typelem, true
            UNION ALL
            SELECT a.atttypid, true FROM pg_attribute AS a
            WHERE a.attrelid = nullif(t.typrelid, 0) AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT r.rngsubtype, true FROM pg_range AS r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
        ) AS next (oid, inside) WHERE next.oid >= 16384
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
            SELECT format('statistics %I on %I', x.stxname, c.relname), c.relowner, x.stxexprs::text
            FROM pg_statistic_ext AS x WHERE x.stxrelid = c.oid AND NOT c.trusted
            UNION ALL
            SELECT format('foreign key %I', k.conname), t.typowner, '{COERCETODOMAIN'
            FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
            JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE <writes> AND c.oid IN (k.conrelid, k.confrelid) AND k.contype = 'f'
            AND t.oid >= 16384 AND NOT pg_has_role(t.typowner, $2::oid, 'USAGE')
            UNION ALL
            SELECT format('domain %s', t.oid::regtype), t.typowner, k.conbin::text
            FROM part AS p JOIN pg_type AS t ON t.oid = p.oid AND t.typtype = 'd'
            JOIN pg_constraint AS k ON k.contypid = t.oid
            WHERE p.relation = c.oid AND (<writes> OR p.inside) AND NOT pg_has_role(t.typowner, $2::oid, 'USAGE')
        ) AS e (what, owner, tree)
        WHERE e.tree LIKE '%{COERCETODOMAIN%' OR e.tree LIKE '%{QUERY%' AND e.what NOT LIKE 'rule %' OR EXISTS (
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
# Tables of owners that role $2 trusts, without children, rules and policies, and, if $3 is set, without triggers.
_PLAIN = """
    SELECT count(*) = cardinality($1::oid[]) AS plain FROM pg_class AS c
    WHERE c.oid = ANY($1::oid[]) AND pg_has_role(c.relowner, $2::oid, 'USAGE') AND c.relkind = 'r'
    AND NOT c.relhassubclass AND NOT c.relhasrules AND NOT c.relrowsecurity
    AND (NOT $3 OR NOT c.relhastriggers) AND NOT EXISTS (
        SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND t.oid >= 16384 AND NOT pg_has_role(t.typowner, $2::oid, 'USAGE')
    )
"""
# The policies on companions $2 of table $1 that are as llm.create_companion_policy() makes them, on keys whose types
# are the server's own: they run nothing but what reading that table runs.
_COMPANION_POLICIES = r"""
    SELECT c.oid::int8 AS root, format('policy %I on %I', p.polname, c.relname) AS what
    FROM llm.companion_table AS k JOIN pg_class AS c ON c.oid = k.companion JOIN pg_policy AS p ON p.polrelid = c.oid
    WHERE k.source = $1::oid AND c.oid = ANY($2::oid[]) AND p.polname = 'readable' AND p.polwithcheck IS NULL
    AND pg_get_expr(p.polqual, c.oid) ~ format(
        '^\((<name>|\(<name>(, <name>)+\)) IN \( SELECT (r\.<name>,?\s+)+FROM llm\.readable_keys'
        '\(''%s''::text, %s\) r\([\w, "]+\)\)\)$',
        k.kind, k.id
    ) AND NOT EXISTS (
        SELECT FROM unnest(k.key_numbers) WITH ORDINALITY AS n (number, place), pg_attribute AS a
        WHERE (a.attrelid = c.oid AND a.attnum = n.place OR a.attrelid = k.source AND a.attnum = n.number)
        AND a.atttypid >= 16384
    )
""".replace("<name>", r'(\w+|"[^"]+")')
# Plain tables of role $2 itself, on any search path.
_OWN = """
    SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) pg_catalog.cardinality($1::pg_catalog.oid[]) AS own
    FROM pg_catalog.pg_class AS c
    WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])
    AND c.relowner OPERATOR(pg_catalog.=) $2::pg_catalog.oid AND c.relkind OPERATOR(pg_catalog.=) 'r'
    AND NOT c.relhassubclass AND NOT c.relhasrules AND NOT c.relrowsecurity AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
        AND a.attnum OPERATOR(pg_catalog.>) 0 AND a.atttypid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    )
"""
# Times that relations are locked, each after one of them was renamed meanwhile.
_ATTEMPTS = 5
_WITH_CHILDREN = """
    WITH RECURSIVE reached (oid) AS (
        SELECT unnest($1::oid[])
        UNION
        SELECT i.inhrelid FROM reached AS r JOIN pg_inherits AS i ON i.inhparent = r.oid
    )
"""
# Whether role $2 owns all of these relations and their children, and no policy applies to it: then reading runs its
# own code only. Much quicker than the full query.
_ALONE = f"""
    {_WITH_CHILDREN}
    SELECT NOT EXISTS (
        SELECT FROM reached AS r JOIN pg_class AS c ON c.oid = r.oid
        WHERE c.relowner <> $2::oid OR c.relkind NOT IN ('r', 'p') OR c.relforcerowsecurity
    ) AS alone
"""
# The relations given and their children; with $3 without those of owners that role $2 trusts. `open`: it may get
# further children at any time.
_TABLES = f"""
    {_WITH_CHILDREN}
    SELECT c.oid::int8 AS number, format('%I.%I', n.nspname, c.relname) AS relation, c.relkind::text AS kind,
           format('parts of %I', c.relname) AS what,
           pg_get_userbyid(c.relowner)::text AS owner, c.relowner::int8 AS oid,
           c.relkind = 'p' OR c.relhassubclass AS open, pg_is_in_recovery() AS replica
    FROM reached AS r JOIN pg_class AS c ON c.oid = r.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT ($3 AND pg_has_role(c.relowner, $2::oid, 'USAGE')) ORDER BY c.oid
"""


def are_own(db: Connection, oids: Sequence[int], role: int) -> bool:
    """Whether these are tables of the role itself without parts, rules, policies and types that others could have made.

    The quick answer to the usual question of whether reading runs foreign code: it runs none, and only the owner could
    change that, so no lock is needed, nor a pinned search path.
    """
    return bool(db.rows(_OWN, ("int8[]", "int8"), (list(oids), role))[0]["own"])


def find(db: Connection, oids: Sequence[int], role: int, writes: bool = False) -> list[Row]:
    """The code, of owners the role does not trust, that these relations, their children and their policies run.

    Each row has the `root` among the relations given, `what` it is, and its `owner` by name and by `oid`. Needs a
    pinned search path, and a preceding `lock` if the answer is to stay true.
    """
    if db.rows(_PLAIN, ("int8[]", "int8", "bool"), (list(oids), role, writes))[0]["plain"]:
        return []
    if not writes and _alone(db, oids, role):
        return []
    return db.rows(_FOREIGN_CODE[writes], ("int8[]", "int8"), (list(oids), role))


def find_ever(db: Connection, oids: Sequence[int], role: int) -> list[Row]:
    """As `find`, for reading at a later time: children that may be added count too. Read childless tables by ONLY."""
    if _alone(db, oids, role):
        return []
    lock(db, oids, role)
    return find(db, oids, role) or [row for row in _tables(db, oids, role) if row["open"]]


def find_with_companions(
    db: Connection, oid: int, companions: Sequence[int], role: int, writes: bool = False
) -> list[Row]:
    """As `find`, for a table and companions of it, without our own policies on these."""
    code = find(db, [oid, *companions], role, writes)
    if not code or not companions:
        return code
    known = db.rows(_COMPANION_POLICIES, ("int8", "int8[]"), (oid, list(companions)))
    harmless = {(row["root"], row["what"]) for row in known}
    return [row for row in code if (row["root"], row["what"]) not in harmless]


def lock(db: Connection, oids: Sequence[int], role: int, writes: bool = False) -> bool:
    """Lock these tables against new policies, rules, checks, indexes and triggers until the transaction ends.

    For writing all of them, for reading those of owners the role does not trust. False if there are none. Raises
    ConcurrentChange if a name that was read for one of them before means another relation by now.
    """
    for _ in range(_ATTEMPTS):
        rows = _tables(db, oids, role, all=writes)
        for row in rows:
            # Parsing takes the lock; LOCK TABLE is not allowed in a STABLE function. A writer's lock on tables.
            query = f"DELETE FROM ONLY {row['relation']}" if row["kind"] in "rp" else f"SELECT FROM {row['relation']}"
            if not row["replica"] or row["kind"] not in "rp":
                run_as_extension_owner(db, lambda query=query: db.prepare(query))  # type: ignore[misc]
        # Whoever waited for a lock got it on whatever bears the name by then.
        if not rows or not relation_names.unstable(db, {row["number"]: row["relation"] for row in rows}):
            break
    else:
        raise ConcurrentChange("a relation was renamed or replaced again and again while it was being locked")
    if rows:
        relation_names.check(db, oids)
    return bool(rows)


def _tables(db: Connection, oids: Sequence[int], role: int, all: bool = False) -> list[Row]:
    return db.rows(_TABLES, ("int8[]", "int8", "bool"), (list(oids), role, not all))


def _alone(db: Connection, oids: Sequence[int], role: int) -> bool:
    return bool(db.rows(_ALONE, ("int8[]", "int8"), (list(oids), role))[0]["alone"])
