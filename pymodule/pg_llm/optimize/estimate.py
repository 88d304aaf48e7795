"""What a SELECT would ask models for, and what that costs: it is run without them, on a sample of a large table."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pg_llm.database import foreign_code, models, relation_names, sandbox, search_path
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.database.select import READ_ONLY
from pg_llm.database.timeout import TimedOut, time_limit
from pg_llm.errors import ConcurrentChange, InsufficientPrivilege, InvalidInput
from pg_llm.optimize import plan as planner
from pg_llm.optimize import simulation
from pg_llm.optimize.plan import Statement
from pg_llm.optimize.simulation import Kind, Question, Requests, Simulation
from pg_llm.runtime import client
from pg_llm.runtime.client import Cost

# Seconds for the whole statement, for one on a sample, and for asking a model about a sample of its texts.
_WHOLE, _SAMPLED, _ASKING = 5.0, 20.0, 5.0
# Rows of the largest table that are read: more where they lead to too few texts.
_SAMPLE_ROWS = (10_000, 100_000)
_LEAST_TEXTS = 100
# Texts of one request where the statement itself sends many.
_BATCH = 16
# Twice the rows lead to so many times as many texts, in proportion or not at all.
_PROPORTIONAL = (1.6, 2.5)
_HINT = "Estimate a part of it, as with a condition that leaves fewer rows."
# Functions that are volatile and change nothing.
_HARMLESS = ["random", "random_normal", "clock_timestamp", "timeofday", "gen_random_uuid"]
_FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, p.provolatile = 'v' AS volatile, o.rolname::text AS owner
    FROM unnest($1::text[], $2::text[]) AS f (schema, name) JOIN pg_proc AS p ON p.proname = f.name
    JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_roles AS o ON o.oid = p.proowner
    WHERE (n.nspname = f.schema OR f.schema IS NULL AND n.nspname = ANY ($3::text[])) AND (
        p.provolatile = 'v' AND NOT (n.nspname = 'pg_catalog' AND p.proname = ANY ($4::text[]))
        OR NOT pg_has_role(o.oid, current_user::regrole, 'USAGE')
    )
    ORDER BY volatile DESC, name LIMIT 1
"""
_RELATIONS = f"""
    SELECT c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind IN ('r', 'p', 'm') AS is_table,
           {sandbox.FOREIGN_TYPE} AS strange
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
"""
# No parallel workers: what stands in for the models is known to this process only.
_SETTINGS = """
    SELECT pg_catalog.set_config('max_parallel_workers_per_gather', '0', true),
           pg_catalog.set_config('jit', 'off', true)
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
    with search_path.pinned(db), planner.standard_strings(db):
        whole, *references = planner.analyze(db, "references", [sql])[0]
        statement = Statement(db, whole["statement"], path)
        _check_functions(db, [each["function"] for each in references if "function" in each], schemas)
        tables = [each for each in references if "relation" in each]
        estimator = _Estimator(statement, _largest(statement, tables, _checked_relations(statement, tables)))
        return estimator.estimates()


def _check_functions(db: Connection, names: Sequence[Sequence[str]], schemas: Sequence[str]) -> None:
    """Raise an error for a function that may change something, or is that of a role that the caller does not trust."""
    values = ([schema for schema, _ in names], [name for _, name in names], list(schemas), _HARMLESS)
    for row in db.rows(_FUNCTIONS, ("text[]",) * 4, values):
        if row["volatile"]:
            raise InvalidInput(
                f"query calls {row['name']}, which is VOLATILE: it is not run for an estimate",
                hint="Estimate the SELECT inside it, or declare it STABLE if it changes nothing.",
            )
        raise InsufficientPrivilege(
            f"query calls {row['name']} of role {row['owner']}, which would run with your rights",
            hint="Leave it out, or have its owner ask.",
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
        self._answers: dict[Kind, dict[int, str]] = {}
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
        try:
            for rows in _SAMPLE_ROWS:
                percent = min(100.0, 100 * rows / max(self._sample.rows, 1.0))
                requests = self._run_with_answers(self._sample.sql, percent, _SAMPLED)
                half = self._run(self._sample.sql, percent / 2, _SAMPLED)
                shares = {kind: _share(each, half.get(kind, Requests()), percent) for kind, each in requests.items()}
                if requests and all(shares.values()):
                    return [(kind, each, shares[kind] or 1.0) for kind, each in requests.items()]
        except TimedOut:
            pass
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
        """Ask the model a random sample of the texts, for as long as it may take."""
        if kind in self._costs:
            return
        until = time.monotonic() + _ASKING
        answers: dict[int, str] = {}
        costs: list[Cost] = []
        for numbers, questions in _portions(requests):
            results, cost = simulation.ask(questions)
            answers.update(zip(numbers, results, strict=True))
            costs.append(cost)
            if time.monotonic() > until:
                break
        self._answers[kind] = answers
        tokens, seconds, money = (sum(each) / len(answers) for each in zip(*costs, strict=True))
        self._costs[kind] = Cost(tokens, seconds, money)


def _portions(requests: Requests) -> Iterator[tuple[list[int], list[Question]]]:
    """The sample in random order, in requests as the statement makes them, each with the same options."""
    portion: list[tuple[int, Question]] = []
    for number, question in sorted(requests.sample.items(), key=lambda item: item[0]):
        is_full = len(portion) == (_BATCH if requests.batched else 1)
        if portion and (is_full or portion[0][1].options != question.options):
            yield [each for each, _ in portion], [each for _, each in portion]
            portion = []
        portion.append((number, question))
    if portion:
        yield [each for each, _ in portion], [each for _, each in portion]


def _share(requests: Requests, half: Requests, percent: float) -> float | None:
    """The share of all requests that those of a sample are; None if those of half the sample do not tell."""
    total, characters = requests.total, requests.characters
    if (total, characters) == (half.total, half.characters):
        return 1.0
    least, most = _PROPORTIONAL
    if total >= _LEAST_TEXTS and least * half.total <= total <= most * half.total:
        return percent / 100
    return None


def _distinct(requests: Requests, share: float) -> float:
    """Distinct texts of all, by the estimator Duj1 of Haas and Stokes (1998), as ANALYZE does it."""
    seen, total = len(requests.texts), requests.total
    once = sum(count == 1 for count in requests.texts.values())
    return total * seen / (total - once + once * share) if total else 0.0


def _calls(requests: Requests, distinct: float, share: float) -> float:
    """Requests to the model host: a session remembers short ones as far as there is room."""
    seen = len(requests.texts)
    if share == 1 or not seen:
        return requests.calls
    if not requests.batched and requests.bytes / seen * distinct <= client.CACHE_BYTES:
        return requests.calls / seen * distinct
    return requests.calls / share
