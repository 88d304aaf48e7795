"""Accounting: each content word of a question must be accounted for by a part of the query, or the query is doubted.

The other way round as well: what the query does and no word asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.query import Condition, Expr, Query
from pg_llm.ask.mention import LinkedQuestion, Mention
from pg_llm.ask.schema import Edge, Ref, Schema

# Operators of conditions that keep rows without something.
_NEGATIVE = ("<>", "not exists", "not in", "not like", "null", "false", "not ilike", "is null", "not between")
# Words that skip rows of an order, and that continue an earlier question.
_ORDINALS = {"second", "third", "fourth", "fifth", "2nd", "3rd", "4th", "5th"}
_FOLLOWS_UP = {"and", "or", "but"}
# The score from which a verb names a table: ordered, of orders.
_CERTAIN = 0.8
# How many tokens may stand between a noun and its time.
_PREPOSITION = 1


class Account:
    """What a query does, against which the words of its question are held."""

    def __init__(self, schema: Schema, query: Query, edges: Sequence[Edge]) -> None:
        self._schema = schema
        self._query = query
        self._exprs = list(_exprs(query))
        self._conditions = list(_conditions(query))
        joined = {table for edge in edges for table in (edge.source, edge.target)}
        inner = {table for condition in self._conditions for table in condition.tables}
        refs = {ref for expr in self._exprs for ref in expr.refs()}
        refs |= {ref for condition in self._conditions if condition.expr for ref in condition.expr.refs()}
        refs |= {(edge.source, a) for edge in edges for a, _ in edge.columns}
        self._columns = {ref for ref in refs if ref[1] >= 0}
        self._tables = {*query.all_tables(), *joined, *inner, *(ref[0] for ref in refs)}
        self._values = {_plain(value) for condition in self._conditions for value in condition.values}
        self._words = {word for ref in self._columns for word in schema.column(ref).words}

    def unaccounted(self, linked: LinkedQuestion, interpretation: Mapping[int, Ref]) -> list[str]:
        """The words that no part of the query comes from, also those that name values and were taken for fillers."""
        missing = [
            mention.normalized for mention in linked.mentions if not self._accounts(mention, linked, interpretation)
        ]
        missing += [
            value.value
            for value in linked.passed
            if value.ref[0] in self._tables and value.value.lower() not in self._values
        ]
        words = [token.text.lower() for token in linked.tokens]
        covered = {index for mention in linked.mentions for index in range(mention.start, mention.end)}
        if not self._query.offset:
            missing += [word for index, word in enumerate(words) if word in _ORDINALS and index not in covered]
        return missing + [word for word in words[:1] if word in _FOLLOWS_UP]

    def _accounts(self, mention: Mention, linked: LinkedQuestion, interpretation: Mapping[int, Ref]) -> bool:
        spoken = [token.text.lower() for token in linked.tokens[mention.start : mention.end]]
        match mention.kind:
            case "element":
                return self._accounts_element(mention, interpretation.get(mention.start))
            case "value":
                texts = {mention.normalized.lower(), *(match.value.lower() for match in mention.value_matches)}
                if self._is_marker(mention, linked) or not self._holds_variants(mention):
                    return False
                held = [value.strip("% ") for value in self._values]
                return any(text in held for text in texts) or " ".join(spoken) in held or self._splits_by(mention)
            case "number":
                return spoken == ["one"] or self._holds_number(mention.number)
            case "super":
                aggregates = any(expr.function in ("min", "max") for expr in self._exprs)
                return bool(self._query.order or self._query.distinct_on) or aggregates or bool(self._words & {*spoken})
            case "not" | "except":
                return any(condition.op.lower() in _NEGATIVE for condition in self._conditions)
            case "both":
                exists = [condition for condition in self._query.where if condition.op == "exists"]
                values = sum(each.kind == "value" for each in linked.mentions)
                return bool(self._query.having) or len(exists) > 1 or values < 2
            case "surname":
                return any(condition.op.endswith("like") for condition in self._conditions)
            case "cmp":
                return bool(self._conditions)
            case "agg":
                found = any(expr.function == mention.normalized for expr in self._exprs)
                found = found or any(condition.op.endswith(mention.normalized) for condition in self._conditions)
                optional = mention.normalized == "sum" and spoken != ["how", "much"]
                return found or optional or bool(self._words & {*spoken})
            case "year" | "period" | "date":
                return self._accounts_time(mention, linked, interpretation)
        return True

    def _is_marker(self, mention: Mention, linked: LinkedQuestion) -> bool:
        """True for a value that is one of the grammar's own words, as average, without quotes."""
        tokens = linked.tokens[mention.start : mention.end]
        phrase = tuple(token.stem for token in tokens)
        return phrase in lexicon.ENGLISH_MARKERS and all(token.kind == "word" for token in tokens)

    def _holds_variants(self, mention: Mention) -> bool:
        """True if all values of a column that differ from the one named in case only are asked for."""
        compared = {
            (condition.expr.ref, value)
            for condition in self._conditions
            if condition.expr is not None and condition.op in ("=", "in")
            for value in condition.values
        }
        return all(
            (match.ref, match.value) in compared
            for match in mention.value_matches
            if match.whole and any(ref == match.ref and _alike(value, match.value) for ref, value in compared)
        )

    def _accounts_element(self, mention: Mention, ref: Ref | None) -> bool:
        if ref is None or (mention.role and not (mention.names_table and mention.score >= _CERTAIN)):
            # Other verbs have penalties of their own.
            return True
        if ref[1] < 0:
            return ref[0] in self._tables or any(
                edge.target == ref[0] and any((edge.source, a) in self._columns for a, _ in edge.columns)
                for edge in self._schema.edges
            )
        return ref in self._columns or bool(self._words & {*self._schema.column(ref).words})

    def _accounts_time(self, mention: Mention, linked: LinkedQuestion, interpretation: Mapping[int, Ref]) -> bool:
        """True if a condition holds the year, on the table that is named right before the time if it has dates."""
        year = mention.normalized[:4]
        if not year.isdigit():
            return True
        years = (year, str(int(year) + 1))
        held = [
            condition.expr.ref[0]
            for condition in self._conditions
            if condition.expr
            and condition.expr.ref
            and any(_plain(value).startswith(years) for value in condition.values)
        ]
        before = next((each for each in linked.mentions if 0 <= mention.start - each.end <= _PREPOSITION), None)
        owner = interpretation.get(before.start) if before is not None else None
        if owner is None or owner[1] >= 0 or not self._has_dates(owner[0]):
            return bool(held)
        return owner[0] in held

    def _has_dates(self, table: int) -> bool:
        return any(column.kind == "date" for column in self._schema.tables[table].columns)

    def _splits_by(self, mention: Mention) -> bool:
        """True if the rows are grouped by the column of the value: buys and sells."""
        grouped = {ref for expr in self._query.group for ref in expr.refs()}
        return any(match.ref in grouped for match in mention.value_matches)

    def _holds_number(self, number: float) -> bool:
        plain = _plain(number)
        limits = (self._query.limit, self._query.offset, self._query.offset + 1, self._query.decimals)
        return number in limits or any(
            plain == value or (len(plain) > 1 and plain in value) or _differs_by_one(plain, value)
            for value in self._values
        )

    def unasked(self, linked: LinkedQuestion) -> list[str]:
        """What the query does and no word asks for.

        Counts of distinct numbers, as a number may itself be a count; more counts than the question has; conditions on
        one side of a ratio only; one row of several that are to be ordered.
        """
        found = [expr for expr in self._exprs if expr.function == "count" and expr.distinct and expr.ref]
        unasked = [self._schema.column(expr.ref).name for expr in found if expr.ref and self._is_amount(expr.ref)]
        kinds = [mention.kind for mention in linked.mentions]
        counts = [expr for expr in self._query.select if expr.kind == "agg" and expr.function == "count"]
        if len(counts) > max(1, kinds.count("count")) and "ratio" not in kinds:
            unasked.append("count")
        for expr in self._query.select:
            sides = [len(operand.filters) for operand in expr.operands]
            if expr.kind == "ratio" and min(sides, default=0) and len(set(sides)) > 1:
                unasked.append("ratio")
        rows = any(expr.function == "count" and expr.ref is None for expr in self._exprs)
        columns = (column for table in self._tables for column in self._schema.tables[table].columns)
        if rows and any(column.kind == "number" and column.words == ("count",) for column in columns):
            unasked.append("count of rows that hold counts")
        if self._query.limit == 1 and "order" in kinds and "number" not in kinds:
            unasked.append("limit")
        return unasked

    def _is_amount(self, ref: Ref) -> bool:
        column = self._schema.column(ref)
        references = any(edge.source == ref[0] and ref[1] in dict(edge.columns) for edge in self._schema.edges)
        return column.kind == "number" and not (column.is_key or column.unique or references)


def _alike(one: str | float, other: str) -> bool:
    return isinstance(one, str) and one.lower() == other.lower()


def _plain(value: str | float) -> str:
    return value.lower() if isinstance(value, str) else f"{value:g}"


def _differs_by_one(number: str, value: str) -> bool:
    try:
        return abs(float(number) - float(value)) == 1
    except ValueError:
        return False


def _exprs(query: Query) -> Iterator[Expr]:
    order = (expr for expr, _ in query.order)
    for expr in (*query.select, *query.group, *order, *query.distinct_on):
        yield from _parts(expr)
    for condition in _conditions(query):
        if condition.expr is not None:
            yield from _parts(condition.expr)


def _parts(expr: Expr) -> Iterator[Expr]:
    yield expr
    for operand in expr.operands:
        yield from _parts(operand)


def _conditions(query: Query) -> Iterator[Condition]:
    exprs = (*query.select, *query.group, *(expr for expr, _ in query.order))
    filters = (condition for expr in exprs for part in _parts(expr) for condition in part.filters)
    yield from _nested((*query.where, *query.having, *filters))


def _nested(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for condition in conditions:
        yield condition
        yield from _nested(condition.inner)
