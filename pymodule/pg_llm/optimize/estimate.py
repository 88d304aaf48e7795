"""What a SELECT would ask models for, and what that costs: it is run without them, on a sample of a large table."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from pg_llm.database import foreign_code, models, relation_names, sandbox, search_path, standard_strings
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.database.select import READ_ONLY
from pg_llm.database.timeout import TimedOut, time_limit
from pg_llm.errors import ConcurrentChange, Error, InsufficientPrivilege, InvalidInput
from pg_llm.optimize import plan as planner
from pg_llm.optimize import simulation
from pg_llm.optimize.plan import Statement
from pg_llm.optimize.simulation import Kind, Outcome, Requests, Simulation
from pg_llm.runtime import client
from pg_llm.runtime.client import Cost

# Seconds for the whole statement, for one on a sample, and for asking a model about a sample of its texts.
_WHOLE, _SAMPLED, _ASKING = 5.0, 20.0, 5.0
# Rows of the largest table that are read: more where they lead to too few texts.
_SAMPLE_ROWS = (10_000, 100_000)
_LEAST_TEXTS = 100
# Twice the rows lead to so many times as many texts, in proportion or not at all.
_PROPORTIONAL = (1.6, 2.5)
# A larger sample is taken where half of it leads to an estimate that is so many times lower.
_STABLE = 1.1
_HINT = "Estimate a part of it, as with a condition that leaves fewer rows."
# Functions that are volatile and change nothing.
_HARMLESS = ["random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid"]
# Functions that are volatile, of an owner whom role $6 does not trust or whose rights they lend it, or that run a text
# as a query, or take one for the name of a type. Attributes are functions of a row alone.
_FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, p.provolatile = 'v' AS volatile, o.rolname::text AS owner,
           pg_has_role(o.oid, $6::oid, 'USAGE') AS trusted,
           p.prosecdef AND NOT pg_has_role($6::oid, o.oid, 'USAGE') AS definer
    FROM unnest($1::text[], $2::text[], $3::bool[]) AS f (schema, name, attribute)
    JOIN pg_proc AS p ON p.proname = f.name JOIN pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_roles AS o ON o.oid = p.proowner
    WHERE (n.nspname = f.schema OR f.schema IS NULL AND n.nspname = ANY ($4::text[])) AND (
        p.provolatile = 'v' AND NOT (n.nspname = 'pg_catalog' AND p.proname = ANY ($5::text[]))
        OR NOT pg_has_role(o.oid, $6::oid, 'USAGE') OR 'cstring'::regtype = ANY (p.proargtypes)
        OR p.prosecdef AND NOT pg_has_role($6::oid, o.oid, 'USAGE')
        OR n.nspname = 'pg_catalog' AND p.proname ~ '_to_xml|populate_record|^ts_(stat|rewrite)$|^pg_input_'
        OR p.proname ~ '^llm_(chart|chart_svg|chart_png|evaluate|optimize|suspect_labels)$'
    ) AND NOT (
        f.attribute AND (n.nspname = 'pg_catalog' OR NOT EXISTS (
            SELECT FROM pg_type AS t WHERE t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'p')
        ))
    )
    ORDER BY volatile DESC, trusted, name LIMIT 1
"""
# Operators and types of owners whom role $5 does not trust; an operator on such a type needs a value of it.
_OTHERS = """
    SELECT format('operator %s', o.oid::regoperator) AS name, pg_get_userbyid(o.oprowner)::text AS owner
    FROM unnest($1::text[], $2::text[]) AS f (schema, name) JOIN pg_operator AS o ON o.oprname = f.name
    JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE (n.nspname = f.schema OR f.schema IS NULL AND n.nspname = ANY ($3::text[]))
    AND NOT pg_has_role(o.oprowner, $5::oid, 'USAGE') AND NOT EXISTS (
        SELECT FROM pg_type AS t
        WHERE t.oid IN (o.oprleft, o.oprright) AND NOT pg_has_role(t.typowner, $5::oid, 'USAGE')
    )
    UNION ALL
    SELECT format('type %s', t.oid::regtype), pg_get_userbyid(t.typowner)::text
    FROM unnest($1::text[], $4::text[]) AS f (schema, name) JOIN pg_type AS t ON t.typname = f.name
    JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE (n.nspname = f.schema OR f.schema IS NULL AND n.nspname = ANY ($3::text[]))
    AND NOT pg_has_role(t.typowner, $5::oid, 'USAGE')
    LIMIT 1
"""
# Views and policies over the relations $1 that call functions which may ask models, of owners whose rights role $2 has
# not: with made-up answers they could show what they are there to hide.
_JUDGING = """
    WITH RECURSIVE reached (oid) AS (
        SELECT unnest($1::oid[])
        UNION
        SELECT next.oid FROM reached AS r CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = r.oid
            UNION ALL
            SELECT m.found[1]::oid FROM (
                SELECT concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy AS p WHERE p.polrelid = r.oid
                UNION ALL
                SELECT w.ev_action::text FROM pg_rewrite AS w WHERE w.ev_class = r.oid AND w.rulename = '_RETURN'
            ) AS e (tree), regexp_matches(e.tree, ':relid ([1-9][0-9]*)', 'g') AS m (found)
        ) AS next (oid)
    )
    SELECT e.what FROM reached AS r JOIN pg_class AS c ON c.oid = r.oid CROSS JOIN LATERAL (
        SELECT format('the policy %I on %s', p.polname, c.oid::regclass), p.polqual::text
        FROM pg_policy AS p WHERE p.polrelid = c.oid AND c.relrowsecurity
        UNION ALL
        SELECT format('the view %s', c.oid::regclass), w.ev_action::text
        FROM pg_rewrite AS w WHERE w.ev_class = c.oid AND w.rulename = '_RETURN' AND c.relkind = 'v'
    ) AS e (what, tree)
    WHERE NOT pg_has_role($2::oid, c.relowner, 'USAGE') AND EXISTS (
        SELECT FROM regexp_matches(e.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([1-9][0-9]*)', 'g') AS m (found)
        JOIN pg_proc AS p ON p.oid = m.found[1]::oid JOIN pg_language AS l ON l.oid = p.prolang
        WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') AND p.pronamespace <> 'llm'::regnamespace
    )
    ORDER BY e.what LIMIT 1
"""
_RELATIONS = f"""
    SELECT c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind IN ('r', 'p', 'm') AS is_table,
           {sandbox.FOREIGN_TYPE} AS strange
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
"""
# No parallel workers: what stands in for the models is known to this process only. A text that fails is one of many.
_SETTINGS = """
    SELECT pg_catalog.set_config('max_parallel_workers_per_gather', '0', true),
           pg_catalog.set_config('jit', 'off', true), pg_catalog.set_config('llm.on_error', 'null', true),
           pg_catalog.set_config('client_min_messages', 'error', true)
"""


class Estimate(NamedTuple):
    """What one model would be asked for one task."""

    model: str
    task: str
    calls: int
    distinct_texts: int
    tokens: int
    seconds: float
    money: float


class Sample(NamedTuple):
    """The statement with a sample of its largest table, whose share of rows in percent is parameter $1."""

    sql: str
    rows: float


def estimate(db: Connection, sql: str) -> list[Estimate]:
    """The estimate for each model and task. Raises InvalidInput and InsufficientPrivilege."""
    path, schemas = db.setting("search_path") or "", sandbox.search_path(db)
    with search_path.pinned(db), standard_strings.pinned(db):
        whole, *references = planner.analyze(db, "references", [sql])[0]
        statement = Statement(db, whole["statement"], path)
        _check_functions(db, references, schemas)
        _check_others(db, references, schemas)
        tables = [each for each in references if "relation" in each]
        estimator = _Estimator(statement, _largest(statement, tables, _checked_relations(statement, tables)))
        return estimator.estimates()


def _check_functions(db: Connection, references: Sequence[dict[str, Any]], schemas: Sequence[str]) -> None:
    """Raise an error for a function that may change something or run code that is not the caller's."""
    names: list[tuple[Any, ...]] = [
        (*each[kind], kind == "attribute") for each in references for kind in ("function", "attribute") if kind in each
    ]
    columns = [[name[place] for name in names] for place in range(3)]
    types = ("text[]", "text[]", "bool[]", "text[]", "text[]", "int8")
    for row in db.rows(_FUNCTIONS, types, (*columns, list(schemas), _HARMLESS, db.current_role())):
        if row["volatile"]:
            raise InvalidInput(
                f"query calls {row['name']}, which is VOLATILE: it is not run for an estimate",
                hint="Estimate the SELECT inside it, or declare it STABLE if it changes nothing.",
            )
        if row["trusted"] and row["definer"]:
            raise _judged(f"the function {row['name']} runs with the rights of {row['owner']}")
        if row["trusted"]:
            raise InsufficientPrivilege(
                f"query calls {row['name']}, which runs what a text says: it is not run for an estimate",
                hint="Estimate that text by itself.",
            )
        raise _foreign(f"function {row['name']}", row["owner"])


def _check_others(db: Connection, references: Sequence[dict[str, Any]], schemas: Sequence[str]) -> None:
    """Raise an error for an operator or type of a role that the caller does not trust."""
    named = [(each.get("operator"), each.get("type")) for each in references]
    names = [(operator or type_, operator, type_) for operator, type_ in named if operator or type_]
    values = (
        [either[0] for either, _, _ in names if either],
        [operator[1] if operator else None for _, operator, _ in names],
        list(schemas),
        [type_[1] if type_ else None for _, _, type_ in names],
        db.current_role(),
    )
    for row in db.rows(_OTHERS, (*("text[]",) * 4, "int8"), values):
        raise _foreign(row["name"], row["owner"])


def _judged(what: str) -> InsufficientPrivilege:
    return InsufficientPrivilege(
        f"{what}: what models answer may decide what you see, and an estimate has made-up answers",
        hint="Have its owner ask, or estimate what you read beside it.",
    )


def _foreign(name: str, owner: str) -> InsufficientPrivilege:
    return InsufficientPrivilege(
        f"query uses {name} of role {owner}, whose code would run with your rights",
        hint="Leave it out, take its schema off the search path, or have its owner ask.",
    )


def _checked_relations(statement: Statement, tables: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """The catalog's row of each relation, None for a query in WITH; locked, and found to run no code of others."""
    db = statement.db
    oids = [_oid(statement, *table["relation"]) for table in tables]
    rows = [db.rows(_RELATIONS, ("int8",), (oid,))[0] if oid is not None else None for oid in oids]
    for row in filter(None, rows):
        relation_names.note(db, row["oid"], row["name"])
        if row["strange"]:
            raise InsufficientPrivilege(f"{row['name']} has a column of a type that may run functions of others")
    found = [oid for oid in oids if oid is not None]
    role = db.current_role()
    foreign_code.lock(db, found, role)
    if oids != [_oid(statement, *table["relation"]) for table in tables]:
        raise ConcurrentChange("a relation was renamed or replaced meanwhile")
    for code in foreign_code.find(db, found, role):
        raise InsufficientPrivilege(
            f"query runs code of role {code['owner']} with your rights: {code['what']}",
            hint="Have that role ask, or leave the relation out.",
        )
    for row in db.rows(_JUDGING, ("int8[]", "int8"), (found, role)):
        raise _judged(row["what"])
    return rows


def _oid(statement: Statement, schema: str | None, name: str) -> int | None:
    """The oid of a relation in the caller's search path."""
    text = ".".join(quote_ident(part) for part in (schema, name) if part is not None)
    with statement.caller_search_path():
        (row,) = statement.db.rows("SELECT pg_catalog.to_regclass($1)::pg_catalog.int8 AS oid", ("text",), (text,))
    return None if row["oid"] is None else int(row["oid"])


def _largest(
    statement: Statement, tables: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any] | None]
) -> Sample | None:
    """The sample of the table that has most rows, by the planner's estimate of all of them."""
    samples = [
        Sample(table["sampled"], Statement(statement.db, f"SELECT FROM {row['name']}", "").explain().tree["Plan Rows"])
        for table, row in zip(tables, rows, strict=True)
        if row and row["is_table"] and table["sampled"]
    ]
    return max(samples, key=lambda sample: sample.rows, default=None)


class _Estimator:
    """Runs one statement, whole or sampled, with what the models have answered so far."""

    def __init__(self, statement: Statement, sample: Sample | None) -> None:
        self._statement = statement
        self._sample = sample
        self._answers: dict[Kind, dict[int, Outcome]] = {}
        self._costs: dict[Kind, Cost] = {}

    def estimates(self) -> list[Estimate]:
        sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 5)
        for kind, requests, share in self._requests():
            distinct = _distinct(requests, share)
            cost = self._costs[kind]
            figures = (_calls(requests, distinct, share), distinct, *(distinct * each for each in cost))
            for place, figure in enumerate(figures):
                sums[kind[:2]][place] += figure
        return [
            Estimate(*about, round(calls), round(distinct), round(tokens), seconds, money)
            for about, (calls, distinct, tokens, seconds, money) in sorted(sums.items())
        ]

    def _requests(self) -> list[tuple[Kind, Requests, float]]:
        """The requests of each kind, and the share of all such requests that they are."""
        try:
            requests = self._run_with_answers(self._statement.text, None, _WHOLE)
            return [(kind, each, 1.0) for kind, each in requests.items()]
        except TimedOut:
            if self._sample is None:
                raise InvalidInput(
                    f"query takes longer than {_WHOLE:g} seconds even without its models, and has no table to sample",
                    hint=_HINT,
                ) from None
        found: list[tuple[Kind, Requests, float]] = []
        with contextlib.suppress(TimedOut):
            for rows in _SAMPLE_ROWS:
                percent = min(100.0, 100 * rows / max(self._sample.rows, 1.0))
                requests = self._run_with_answers(self._sample.sql, percent, _SAMPLED)
                half = self._run(self._sample.sql, percent / 2, _SAMPLED)
                pairs = {kind: (each, half.get(kind, Requests())) for kind, each in requests.items()}
                shares = {kind: _share(*pair, percent) for kind, pair in pairs.items()}
                if not shares or None in shares.values():
                    continue
                found = [(kind, each, shares[kind] or 1.0) for kind, each in requests.items()]
                if all(_is_stable(*pairs[kind], share) for kind, _, share in found):
                    break
        if found:
            return found
        raise InvalidInput(
            f"query takes longer than {_WHOLE:g} seconds even without its models, and what it asks them does not grow"
            " in proportion with its largest table, or too little of it is in a sample",
            hint=_HINT,
        )

    def _run_with_answers(self, sql: str, percent: float | None, seconds: float) -> dict[Kind, Requests]:
        """The requests of a run in which conditions on answers hold as often as for a sample of the texts."""
        for kind, requests in self._run(sql, percent, seconds).items():
            self._ask_sample(kind, requests)
        requests_of = self._run(sql, percent, seconds)
        for kind, requests in requests_of.items():
            self._ask_sample(kind, requests)
        return requests_of

    def _run(self, sql: str, percent: float | None, seconds: float) -> dict[Kind, Requests]:
        """The requests of one run. Raises TimedOut. Of a new kind, one text is asked first, outside of the limit."""
        while True:
            stand_in = Simulation(self._answers)
            try:
                with time_limit(self._statement.db, seconds), models.answered_by(self._statement.db, stand_in.answer):
                    self._count_rows(sql, percent)
            except DatabaseError:
                if stand_in.unasked is None:
                    raise
            if stand_in.unasked is None:
                return stand_in.requests
            kind, number, question = stand_in.unasked
            self._answers[kind] = {number: simulation.ask([question])[0][0]}

    def _count_rows(self, sql: str, percent: float | None) -> None:
        """Compute every column of every row; nothing that is called can write."""
        db = self._statement.db
        db.execute(_SETTINGS)
        with self._statement.caller_search_path():
            columns = len(db.describe(self._statement.text))
            names = [f"c{number}" for number in range(columns)]
            counts = ", ".join(f"pg_catalog.count(q.{name})" for name in names) or "pg_catalog.count(*)"
            columns_of = f" ({', '.join(names)})" if names else ""
            query = f"SELECT {counts} FROM ({sql}\n) AS q{columns_of} WHERE {READ_ONLY}"
            if percent is None:
                db.query_unprepared(query)
            else:
                db.query_unprepared(query, ("float8",), (percent,))

    def _ask_sample(self, kind: Kind, requests: Requests) -> None:
        """Ask the model a sample of the texts, one portion at least, for as long as it may take."""
        if kind in self._costs:
            return
        until = time.monotonic() + _ASKING
        answers: dict[int, Outcome] = {}
        costs: list[Cost] = []
        for portion in requests.portions():
            results, cost = simulation.ask(portion.values())
            answers.update(zip(portion, results, strict=True))
            costs.append(cost)
            if time.monotonic() > until:
                break
        if all(isinstance(answer, Error) for answer in answers.values()):
            raise next(answer for answer in answers.values() if isinstance(answer, Error))
        self._answers[kind] = answers
        tokens, seconds, money = (sum(each) / len(answers) for each in zip(*costs, strict=True))
        self._costs[kind] = Cost(tokens, seconds, money)


def _share(requests: Requests, half: Requests, percent: float) -> float | None:
    """The share of all requests that those of a sample are; None if those of half the sample do not tell."""
    total, characters = requests.total, requests.characters
    if (total, characters) == (half.total, half.characters):
        return 1.0
    least, most = _PROPORTIONAL
    if total >= _LEAST_TEXTS and least * half.total <= total <= most * half.total:
        return percent / 100
    return None


def _is_stable(requests: Requests, half: Requests, share: float) -> bool:
    """Whether half the sample leads to nearly as many distinct texts of all."""
    return share == 1 or _distinct(requests, share) <= _STABLE * _distinct(half, share / 2)


def _distinct(requests: Requests, share: float) -> float:
    """Distinct texts of all, by those that a sample without replacement holds once and twice (Chao and Lin 2012).

    It is a lower bound where some texts are far more frequent than others.
    """
    seen = len(requests.texts)
    times = Counter(requests.texts.values())
    if share == 1 or not times[1]:
        return seen
    return seen + times[1] ** 2 / (2 * times[2] + times[1] * share / (1 - share))


def _calls(requests: Requests, distinct: float, share: float) -> float:
    """Requests to the model host: a session remembers short ones as far as there is room."""
    seen = len(requests.texts)
    if share == 1 or not seen:
        return requests.calls
    if not requests.batched and requests.bytes / seen * distinct <= client.CACHE_BYTES:
        return requests.calls / seen * distinct
    return requests.calls / share
