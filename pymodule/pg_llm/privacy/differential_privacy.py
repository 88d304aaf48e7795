"""Differential privacy (Dwork et al. 2006) for counts, sums, means, quantiles, histograms and groups of persons.

The neighbours are tables that differ by all rows of one person. Of each person so many rows count (bounded
contribution), chosen by a hash of the row's own value, so that no person decides which rows of another do. Exact sums
are whole numbers; the noise is OpenDP's. A budget is spent before a row is read: that it took long, or failed, is paid.
"""

from __future__ import annotations

import itertools
import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.database import models, ownership, sandbox, search_path
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.errors import Error, InvalidInput
from pg_llm.privacy import privacy_budget, private_query
from pg_llm.privacy.private_query import NUMBERS, TEXTS, WHOLE, PrivateQuery

_MOST_ROWS = 1000
_MOST_EDGES = 1000
_LARGEST = 1e300
_LEAST = 1e-300
# Steps from 0 to the larger bound: sums are of whole steps.
_STEPS = 1 << 20
# Values among which a quantile is chosen.
_CANDIDATES = 1001
_PARTS = 1000
_LONGEST_GROUP = 200
# The class of errors that are about values.
_DATA = "22"
# The sequential scan takes as long for every condition, and the statistics that everybody reads count all rows. A plan
# is shown to nobody.
_SETTINGS = """
    SELECT set_config(name, value, true) FROM (VALUES
        ('enable_seqscan', 'on'), ('enable_indexscan', 'off'), ('enable_indexonlyscan', 'off'),
        ('enable_bitmapscan', 'off'), ('enable_tidscan', 'off'), ('jit', 'off'), ('debug_print_parse', 'off'),
        ('debug_print_rewritten', 'off'), ('debug_print_plan', 'off'), ('search_path', 'pg_catalog, pg_temp')
    ) AS s (name, value)
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query that was paid for; `unit` is SQL for the person of a row, `owner` the role that reads the table."""

    query: PrivateQuery
    unit: str
    owner: int
    rows: int
    epsilon: float


def count(db: Connection, query: str | None, epsilon: float | None, contributions: int | None) -> int:
    """How many rows there are, of each person at most `contributions`."""
    asked = _pay(db, query, epsilon, contributions)
    rows = _read(
        db,
        asked,
        f"SELECT coalesce(sum(least(p.n, {asked.rows})), 0)::text AS total FROM ("
        f"SELECT count(*) FILTER (WHERE r.counts) AS n FROM ({_rows(asked)}) AS r GROUP BY r.unit) AS p",
    )
    total = int(rows[0]["total"])
    return int(_release(db, "laplace", [total], asked.rows, asked.epsilon)[0])


def sum_(
    db: Connection, query: str | None, epsilon: float | None, bounds: Sequence[float | None] | None, most: int | None
) -> float:
    """The sum of a column, each value within the bounds."""
    low, high = _bounds(bounds)
    asked = _pay(db, query, epsilon, most, NUMBERS)
    step = max(abs(low), abs(high)) / _STEPS
    total, _ = _sums(db, asked, low, high, 0.0, step)
    (noisy,) = _release(db, "laplace", [total], asked.rows * _STEPS, asked.epsilon)
    return float(noisy * step)


def mean(
    db: Connection, query: str | None, epsilon: float | None, bounds: Sequence[float | None] | None, most: int | None
) -> float:
    """The mean of a column, each value within the bounds: half of epsilon for the sum, half for the count."""
    low, high = _bounds(bounds)
    asked = _pay(db, query, epsilon, most, NUMBERS)
    middle = low + (high - low) / 2
    step = (high - low) / 2 / _STEPS
    total, rows = _sums(db, asked, low, high, middle, step)
    half = asked.epsilon / 2
    (noisy,) = _release(db, "laplace", [total], asked.rows * _STEPS, half)
    (counted,) = _release(db, "laplace", [rows], asked.rows, half)
    return float(min(high, max(low, middle + noisy * step / max(1, counted))))


def quantile(
    db: Connection,
    query: str | None,
    epsilon: float | None,
    bounds: Sequence[float | None] | None,
    fraction: float | None,
    most: int | None,
) -> float:
    """A value within the bounds that about this fraction of the values is below."""
    low, high = _bounds(bounds)
    given = arguments.required("quantile", fraction)
    if not 0 <= given <= 1:
        raise InvalidInput("quantile must lie between 0 and 1")
    asked = _pay(db, query, epsilon, most, NUMBERS)
    width = (high - low) / (_CANDIDATES - 1)
    rows = _read(
        db,
        asked,
        f"SELECT coalesce(jsonb_object_agg(g.place, g.n), '{{}}')::text AS counts FROM ("
        f"SELECT {_steps(low, width, _CANDIDATES)} AS place, count(*) FILTER (WHERE v.counts) AS n"
        f" FROM ({_values(asked, low, high)}) AS v GROUP BY 1) AS g WHERE g.n > 0",
    )
    counts = {int(key): value for key, value in json.loads(rows[0]["counts"]).items()}
    part = round(given * _PARTS)
    distance = asked.rows * max(part, _PARTS - part)
    scores = _scores(counts, part)
    return float(low + _release(db, "least", scores, distance, asked.epsilon) * width)


def _scores(counts: dict[int, int], part: int) -> list[int]:
    """Of each candidate how far it is from the quantile: 0 where the shares below and above it are as asked."""
    total, below, scores = sum(counts.values()), 0, []
    for place in range(_CANDIDATES):
        here = counts.get(place, 0)
        above = total - below - here
        too_high = (_PARTS - part) * below - part * (above + here)
        too_low = part * above - (_PARTS - part) * (below + here)
        scores.append(max(0, too_high, too_low))
        below += here
    return scores


def histogram(
    db: Connection, query: str | None, epsilon: float | None, edges: Sequence[float | None] | None, most: int | None
) -> list[dict[str, Any]]:
    """How many values lie from each edge to the next, which belongs to the next bin; others are not counted."""
    given = [float(edge) for edge in edges or [] if edge is not None]
    if not 2 <= len(given) <= _MOST_EDGES or any(not abs(edge) <= _LARGEST for edge in given):
        raise InvalidInput(f"edges must be 2 to {_MOST_EDGES} numbers", hint="Write edges => '{0,18,65,120}'.")
    if any(low >= high for low, high in itertools.pairwise(given)):
        raise InvalidInput("edges must rise")
    asked = _pay(db, query, epsilon, most, NUMBERS)
    array = f"ARRAY[{', '.join(map(_number, given))}]"
    rows = _read(
        db,
        asked,
        f"SELECT coalesce(jsonb_object_agg(g.place, g.n), '{{}}')::text AS counts FROM ("
        f"SELECT width_bucket(v.value, {array}) AS place, count(*) FILTER (WHERE v.counts) AS n"
        f" FROM ({_values(asked, -_LARGEST * 10, _LARGEST * 10)}) AS v GROUP BY 1) AS g WHERE g.n > 0",
    )
    counts = json.loads(rows[0]["counts"])
    bins = [int(counts.get(str(place), 0)) for place in range(1, len(given))]
    noisy = _release(db, "laplace", bins, asked.rows, asked.epsilon)
    bins_of = zip(itertools.pairwise(given), noisy, strict=True)
    return [{"low": low, "high": high, "count": number} for (low, high), number in bins_of]


def group_count(
    db: Connection, query: str | None, epsilon: float | None, delta: float | None, most: int | None
) -> list[dict[str, Any]]:
    """How many persons there are of each value of a column, each in at most `most`; values of few are left out."""
    price = privacy_budget.checked("delta", delta)
    asked = _pay(db, query, epsilon, most, private_query.COMPARABLE, price)
    value = f'left({_column(asked, private_query.COMPARABLE)}::text COLLATE "C", {_LONGEST_GROUP})'
    rows = _read(
        db,
        asked,
        f"SELECT coalesce(jsonb_object_agg(g.value, g.n), '{{}}')::text AS counts FROM ("
        f"SELECT c.value, count(*) FILTER (WHERE c.counts AND c.place <= {asked.rows}) AS n FROM ("
        f"SELECT d.value, d.counts, row_number() OVER (PARTITION BY d.unit, d.counts ORDER BY"
        f" hashtextextended(d.value, {_seed()}), d.value) AS place"
        f" FROM (SELECT r.unit, r.value, bool_or(r.counts) AS counts FROM ({_rows(asked, value)}) AS r"
        f" GROUP BY 1, 2) AS d) AS c GROUP BY c.value) AS g WHERE g.n > 0",
    )
    counts = json.loads(rows[0]["counts"])
    noisy = _release(db, "groups", counts, asked.rows, asked.epsilon, price)
    return [{"value": key, "persons": noisy[key]} for key in sorted(noisy, key=lambda key: (-noisy[key], key))]


def _pay(
    db: Connection,
    query: str | None,
    epsilon: float | None,
    contributions: int | None,
    types: tuple[str, ...] | None = None,
    delta: float = 0.0,
) -> _Asked:
    """The query, whose price is spent; everything that may be refused is before. Names are the caller's."""
    price = privacy_budget.checked("epsilon", epsilon)
    rows = arguments.in_range("contributions", contributions, 1, _MOST_ROWS)
    path = sandbox.search_path(db)
    with search_path.pinned(db):
        parsed = private_query.parse(db, arguments.required("query", query))
        oid = private_query.find_table(db, parsed, path)
        found = privacy_budget.budgets(db, oid)
        if not found:
            raise private_query.no_budget(".".join(filter(None, (parsed["schema"], parsed["table"]))))
        unit = found[0]["unit"]
        # Budgets by another unit protect something else.
        found = [row for row in found if row["unit"] == unit]
        owner = int(found[0]["owner"])
        # The caller need not be allowed as much as to see the schema.
        asked = db.run_as(owner, lambda: private_query.build(db, parsed, oid))
        if types is not None:
            if asked.column is None:
                raise InvalidInput("the query names no column", hint="Write SELECT column FROM table WHERE …")
            private_query.cell(asked.table, asked.column, types, "this")
        person = private_query.cell(asked.table, unit, private_query.COMPARABLE, "the unit")
        if asked.table.columns[unit].name in TEXTS:
            person = f'{person}::text COLLATE "C"'
        db.run_as(owner, lambda: ownership.check_sees_all(db, asked.table))
        privacy_budget.spend(db, found, price, delta)
    return _Asked(asked, person, owner, rows, price)


def _rows(asked: _Asked, value: str | None = None) -> str:
    """All rows of the table, with the person, the value, and whether the row counts.

    Of every row the same is read and compared, and every row goes the whole way: else pages read, sorts that spill,
    estimates and time would tell of one row what no noise hides.
    """
    query = asked.query
    cells = [f"{asked.unit} AS unit", *([f"{value} AS value"] if value else [])]
    cells += [f"{each} AS c{place}" for place, each in enumerate(query.comparisons)]
    shown = ["s.unit", *(["s.value"] if value else [])]
    known = " AND ".join(f"{each} IS NOT NULL" for each in shown)
    return (
        f"SELECT {', '.join(shown)}, {known} AND ({query.condition}) IS TRUE AS counts"
        f" FROM (SELECT {', '.join(cells)} FROM {query.rows} OFFSET 0) AS s"
    )


def _column(asked: _Asked, types: tuple[str, ...]) -> str:
    return private_query.cell(asked.query.table, str(asked.query.column), types, "this")


def _values(asked: _Asked, low: float, high: float) -> str:
    """The values within bounds, and whether they count: of each person those with the smallest hashes."""
    cell = _column(asked, NUMBERS)
    if asked.query.table.columns[str(asked.query.column)].name in WHOLE:
        # Within bounds before it becomes a float, which may not hold it.
        held = f"least(greatest({cell}::numeric, '{low!r}'::numeric), '{high!r}'::numeric)"
        value = f"(CASE WHEN abs({held}) < {_LEAST} THEN 0 ELSE {held} END)::float8"
    else:
        value = f"least(greatest({cell}::float8, {_number(low)}), {_number(high)})"
    # NULLs are no bounds.
    value = f"CASE WHEN {cell} IS NOT NULL THEN {value} END"
    return (
        f"SELECT r.value, r.counts AND r.place <= {asked.rows} AS counts FROM (SELECT c.value, c.counts, row_number()"
        f" OVER (PARTITION BY c.unit, c.counts ORDER BY hashtextextended(c.value::text, {_seed()}), c.value) AS place"
        f" FROM ({_rows(asked, value)}) AS c) AS r"
    )


def _sums(db: Connection, asked: _Asked, low: float, high: float, middle: float, step: float) -> tuple[int, int]:
    """The sum of the values' distances from `middle` in whole steps, and how many values count."""
    (row,) = _read(
        db,
        asked,
        f"SELECT coalesce(sum({_steps(middle, step, _STEPS)}) FILTER (WHERE v.counts), 0)::text AS total,"
        f" (count(*) FILTER (WHERE v.counts))::text AS n FROM ({_values(asked, low, high)}) AS v",
    )
    return int(row["total"]), int(row["n"])


def _steps(origin: float, step: float, most: int) -> str:
    """How many steps a value lies from there, at most so many: of neighbouring floats the middle is one of the two.

    What is less than half a step is not divided, as the result may be less than a float holds, which is an error.
    """
    distance = f"(v.value - {_number(origin)})"
    steps = f"least(greatest(round({distance} / {_number(step)}), -{most}), {most})"
    return f"(CASE WHEN abs{distance} < {_number(step / 2)} THEN 0 ELSE {steps} END)::int8"


def _read(db: Connection, asked: _Asked, sql: str) -> list[dict[str, Any]]:
    """The rows of a statement, as the table's owner."""

    def read() -> list[dict[str, Any]]:
        db.execute(_SETTINGS)
        return list(db.execute(sql))

    with search_path.pinned(db):
        try:
            return db.run_as(asked.owner, read)
        except DatabaseError as error:
            if error.sqlstate[:2] != _DATA:
                raise
            # The server's words hold the value.
            raise Error("the table holds a value that cannot be reckoned with") from None


def _release(db: Connection, mechanism: str, exact: Any, distance: int, epsilon: float, delta: float = 0.0) -> Any:
    # Noise that was drawn once is drawn anew for whoever asks again.
    options = {"mechanism": mechanism, "epsilon": epsilon, "delta": delta, "distance": distance}
    nonce = secrets.token_hex(16)
    return json.loads(models.run_without_model(db, "private_release", [json.dumps(exact)], nonce=nonce, **options)[0])


def _bounds(bounds: Sequence[float | None] | None) -> tuple[float, float]:
    given = [float(bound) for bound in bounds or [] if bound is not None]
    if len(given) != 2 or not all(abs(bound) <= _LARGEST for bound in given) or not given[0] < given[1]:
        raise InvalidInput(
            "bounds must be two numbers, the lower one first",
            hint="Write bounds => '{0,120}': what a value can be by what it means, not by what the rows hold.",
        )
    if max(map(abs, given)) < 1 / _LARGEST or not math.isfinite(given[1] - given[0]):
        raise InvalidInput("bounds are too close or too far apart")
    return given[0], given[1]


def _number(value: float) -> str:
    return f"'{value!r}'::float8"


def _seed() -> int:
    return secrets.randbelow(1 << 62)
