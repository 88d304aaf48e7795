"""BM25 (Robertson and Zaragoza 2009) over a table with a GIN index on a tsvector, without scoring each matching row.

A row can score at least s only if the bounds of those query terms that it holds sum to s. That is a monotone condition
on terms, which GIN decides without visiting rows: it reads the rarest terms' postings and skips in the others', as
MaxScore (Turtle and Flood 1995) and WAND (Broder and others 2003) do. So a search asks first for the score that about
as many rows can have as are wanted, were terms independent; the k-th best score found among them says what any better
row must hold, and these are asked for next. A rare term's bound is the most that it adds to any row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pg_llm.database.connection import Connection

_R = TypeVar("_R")
# How soon more of a term counts for nothing more, and how much a row's length counts.
K1, B = 1.2, 0.75
# What a term can add, as a multiple of its inverse document frequency: the limit of the formula for queries of few
# terms; above these what the terms of one row reach together. The top 10 are the same at 1.8, and not at 1.6.
_LIMIT, _USUAL_LIMIT, _FEW_TERMS = K1 + 1, 1.8, 3
# Terms that choose rows, the rarest ones; all terms score them.
_CHOOSING_TERMS = 12
# Words in a condition on terms: more of them let fewer rows pass, and take longer to decide.
_CONDITION_WORDS = 40
# Rows that are expected first for each that is wanted, and how many more where too few have the score.
_FIRST, _MORE = 2, 8
# Steps of the scores whose rows are expected, and the highest one of few terms: of all bounds hardly a row has the sum.
_SCORES = 200
_FIRST_PART, _FOR_FEW_TERMS = 0.55, 0.5
# What rounding may do to a sum of bounds.
_ROUNDING = 1 - 1e-9
# Pages that are sampled for the number of rows and their mean length.
_SAMPLED_PAGES = 100
# The least frequency that callers are told of who may not see all rows.
_LEAST_FREQUENCY = 64
# ts_rank() of one term that occurs n times is the sum of 1/i^2 for i to n, over the sum's limit. These lie between.
_RANKS = [sum(1 / i**2 for i in range(1, n + 1)) / 1.64493406685 for n in range(256)]
_STEPS = [(low + high) / 2 for low, high in itertools.pairwise(_RANKS)]

# Adds a value of a type to the statement's parameters, and gives the parameter's name.
Parameter = Callable[[Any, str], str]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A table's number of rows with words, their mean number of distinct terms, and in how many rows each term is.

    `impacts`: the most that a term adds to any row, as a multiple of its inverse document frequency, where it is known.
    """

    rows: float
    size: float
    frequencies: dict[str, float]
    impacts: dict[str, float] = field(default_factory=dict)

    def rounded(self) -> Statistics:
        """For callers who may not see all rows: powers of two, from 64, so that a score hardly tells of hidden rows."""
        frequencies = {
            term: 2.0 ** math.ceil(math.log2(max(frequency, _LEAST_FREQUENCY)))
            for term, frequency in self.frequencies.items()
        }
        return replace(self, rows=max(self.rows, *frequencies.values(), 0.0), frequencies=frequencies)


def statistics(db: Connection, oid: int, relation: str, column: str, words: str, terms: Sequence[str]) -> Statistics:
    """The statistics of a table: `words`, its tsvector, is the column's name as it is and in SQL on a row `c`.

    Common terms are as ANALYZE found them, rare ones are counted. Read with the rights of the table's owner.
    """
    pages = db.rows(
        "SELECT pg_relation_size($1::oid) / current_setting('block_size')::int8 AS pages", ("int8",), (oid,)
    )[0]["pages"]
    percent = min(100.0, 100.0 * _SAMPLED_PAGES / max(1, pages))
    (sample,) = db.query_unprepared(
        f"""
        SELECT count(*)::float8 AS rows, count(*) FILTER (WHERE length({words}) > 0)::float8 AS worded,
               avg(length({words})) FILTER (WHERE length({words}) > 0)::float8 AS size,
               (SELECT reltuples::float8 FROM pg_class WHERE oid = $1::oid) AS analyzed
        FROM {relation} AS c TABLESAMPLE SYSTEM ({percent:.6f}) REPEATABLE (0)
        """,
        ("int8",),
        (oid,),
    )
    rows, size = sample["rows"] * 100 / percent, sample["size"] or 1.0
    # A sample of pages finds the rows' number to some percent; ANALYZE may have counted them.
    if percent < 100 and sample["analyzed"] > 0 and abs(math.log(sample["analyzed"] / max(1.0, rows))) < 0.3:
        rows = sample["analyzed"]
    found = db.query_unprepared(
        f"""
        WITH common AS (
            SELECT e.term, e.part
            FROM pg_class AS r JOIN pg_namespace AS n ON n.oid = r.relnamespace
            JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = r.relname AND NOT s.inherited,
                 unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS e (term, part)
            WHERE r.oid = $1::oid AND s.attname = $2 AND e.term = ANY($3)
        )
        SELECT t.term, coalesce(common.part * $5, counted.rows)::float8 AS frequency, counted.impact
        FROM unnest($3, $4::tsquery[]) AS t (term, query) LEFT JOIN common ON common.term = t.term
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows, {K1 + 1} * max(1 - l.length / (l.length + f.frequency)) AS impact
            FROM {relation} AS c, LATERAL {unpacked(words)} AS w (words),
                 LATERAL (SELECT {_length("w.words", "$7")} OFFSET 0) AS l (length),
                 LATERAL (SELECT {_frequency("w.words", "t.query", "$6")}) AS f (frequency)
            WHERE common.term IS NULL AND {words} @@ t.query
        ) AS counted
        """,
        ("int8", "text", "text[]", "text[]", "float8", "float8[]", "float8"),
        (oid, column, list(terms), [quoted(term) for term in terms], rows, _STEPS, K1 * B / size),
    )
    # A row without words is no document.
    documents = rows * sample["worded"] / (sample["rows"] or 1.0)
    frequencies = {row["term"]: row["frequency"] for row in found if row["frequency"]}
    impacts = {row["term"]: row["impact"] for row in found if row["impact"]}
    return Statistics(max(documents, *frequencies.values(), 0.0), size, frequencies, impacts)


class Ranking:
    """The terms of a query with their weights; those that are in no row have none."""

    def __init__(self, statistics: Statistics, terms: Iterable[str]) -> None:
        self._size = statistics.size
        self._rows = statistics.rows
        weights = {
            term: math.log(1 + (statistics.rows - frequency + 0.5) / (frequency + 0.5))
            for term in terms
            if (frequency := statistics.frequencies.get(term))
        }
        # The rarest first.
        self._weights = dict(sorted(weights.items(), key=lambda weight: (-weight[1], weight[0])))
        limit = _LIMIT if len(weights) <= _FEW_TERMS else _USUAL_LIMIT
        self._bounds = [
            (quoted(term), min(limit, statistics.impacts.get(term, limit)) * weight)
            for term, weight in self._weights.items()
        ]
        self._parts = [min(1.0, statistics.frequencies[term] / statistics.rows) for term in self._weights]

    def __bool__(self) -> bool:
        """Whether any row can have a score."""
        return bool(self._weights)

    @property
    def any_term(self) -> str:
        """The tsquery of the rows that have a score."""
        return " | ".join(term for term, _ in self._bounds)

    def score_of(self, rows: float) -> float:
        """The score that about so many rows can have, were terms independent; 0 where fewer hold any term."""
        step = _sum(self._bounds) / _SCORES
        # How probably a row's bounds sum to each score, by convolution.
        chances = [1.0]
        for (_, bound), part in zip(self._bounds, self._parts, strict=True):
            added = [chance * part for chance in chances]
            chances = [chance * (1 - part) for chance in chances] + [0.0] * round(bound / step)
            for place, chance in enumerate(added, len(chances) - len(added)):
                chances[place] += chance
        expected = 0.0
        for place in range(len(chances) - 1, -1, -1):
            expected += chances[place] * self._rows
            if expected >= rows:
                highest = _FIRST_PART + _FOR_FEW_TERMS / len(self._bounds)
                return min(max(0, place - 1), highest * _SCORES) * step
        return 0.0

    def at_least(self, score: float) -> str:
        """A tsquery that every row passes that can have this score."""
        choosing = self._bounds[:_CHOOSING_TERMS]
        # What the others add is taken in proportion: a condition on many terms would be too long.
        needed = min(1.0, score / _sum(self._bounds)) * _sum(choosing) * _ROUNDING
        best = ""
        # The more terms are looked at, the fewer rows pass, until the condition is too long.
        for depth in range(1, len(choosing) + 1):
            rest = _sum(choosing[depth:])
            if rest >= needed:
                continue
            condition = _sums(choosing[:depth], needed - rest)
            if best and condition.count(" ") > 2 * _CONDITION_WORDS:
                break
            best = condition
        return best or self.any_term

    def score(self, words: str, parameter: Parameter) -> str:
        """BM25 as SQL on a row's tsvector; a row's length is its number of distinct terms."""
        length = _length(words, parameter(K1 * B / self._size, "float8"))
        steps = parameter(_STEPS, "float8[]")
        parts = []
        total = 0.0
        for term, weight in self._weights.items():
            frequency = _frequency(words, parameter(quoted(term), "tsquery"), steps)
            total += (K1 + 1) * weight
            parts.append(f"{parameter((K1 + 1) * weight, 'float8')} / ({frequency} + {length})")
        # f / (f + length) is 1 - length / (f + length), which names the frequency once.
        return f"({parameter(total, 'float8')} - {length} * ({' + '.join(parts) or '0'}))"


def best(ranking: Ranking, k: int, run: Callable[[str], Sequence[_R]], score: Callable[[_R], float]) -> Sequence[_R]:
    """The k best rows, of which `run` gives the k best that match a tsquery, best first, and `score` tells the score.

    Whatever else `run` asks of a row, the result is what scoring every row would give, but for rows that hold few of
    more than three terms and each nearly as often as BM25 counts, or some of more than twelve terms.
    """
    if not ranking:
        return []
    expected = float(_FIRST * k)
    needed = ranking.score_of(expected)
    condition = ranking.at_least(needed)
    while condition != ranking.any_term:
        rows = run(condition)
        if len(rows) < k:
            expected *= _MORE
            condition = ranking.at_least(needed := ranking.score_of(expected))
            continue
        # Rows that cannot have this score are none of the best, as k better ones are known.
        least = score(rows[k - 1])
        if least >= needed or condition == (condition := ranking.at_least(least * _ROUNDING)):
            return rows
        needed = least * _ROUNDING
    return run(ranking.any_term)


def unpacked(words: str) -> str:
    """A lateral FROM item with the tsvector for `Ranking.score`, which reads it for each term: it may be compressed."""
    return f"(SELECT setweight({words}, 'D') OFFSET 0)"


def _length(words: str, part: str) -> str:
    """How much a row's length counts; `part` is that of one distinct term."""
    return f"({K1 * (1 - B)} + {part} * length({words}))"


def _frequency(words: str, query: str, steps: str) -> str:
    """How often the term of a tsquery occurs in a row; 255 for more."""
    return f"width_bucket(ts_rank('{{1,1,1,1}}', {words}, {query})::float8, {steps})"


def quoted(term: str) -> str:
    """A lexeme in a tsquery."""
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def _sum(bounds: Sequence[tuple[str, float]]) -> float:
    return sum(bound for _, bound in bounds)


def _sums(bounds: Sequence[tuple[str, float]], needed: float) -> str:
    """The tsquery of rows whose terms have bounds that sum to `needed`, which is above 0; empty for no row."""
    if _sum(bounds) < needed:
        return ""
    (term, bound), others = bounds[0], bounds[1:]
    without = _sums(others, needed)
    if bound >= needed:
        return f"{term} | {without}" if without else term
    together = _sums(others, needed - bound)
    grouped = f"({together})" if " | " in together else together
    return f"{term} & {grouped} | {without}" if without else f"{term} & {grouped}"
