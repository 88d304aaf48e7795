"""The state that the building steps share: the parsed question, its interpretation, the query so far, and its cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.query import Condition, Expr, Query
from pg_llm.ask.grammar.reading.parsed_question import Order, ParsedQuestion, Superlative
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Edge, Ref, Schema, SchemaColumn

# The table or column that each mention (by its first token) is interpreted as.
Interpretation = Mapping[int, Ref]
# Date columns that are rarely meant unless they are named.
SECONDARY_DATES = {"update", "end", "birth", "due", "modify"}
# Cost added to a query that ignores a verb of the question.
VERB_PENALTY = 0.12


def ambiguity_cost(mention: Mention, ref: Ref) -> float:
    """The cost of interpreting a mention as a table or column that is not its certain match."""
    return 0.8 * (1.0 - dict(mention.refs)[ref])


class Impossible(Exception):
    """The interpretation cannot be expressed as a query; the message says why."""


class Draft:
    """A query under construction; `cost` sums the penalties of what makes the interpretation unlikely."""

    # The table that the question is about.
    main_table: int

    def __init__(self, schema: Schema, parsed: ParsedQuestion, choice: Interpretation) -> None:
        self.schema = schema
        self.parsed = parsed
        self.interpretation = choice
        self.query = Query()
        self.cost = 0.0
        # What labels the groups in the result, and the GROUP BY keys.
        self.group_labels: list[Expr] = []
        self.group_keys: list[Expr] = []
        # Verbs whose ambiguity cost replaced the verb penalty.
        self._penalised_verbs: set[tuple[str, Ref]] = set()
        self._confirmed: set[tuple[str, Ref]] = set()
        # The joins, once planned.
        self.edges: Sequence[Edge] = ()
        # The token at which each condition on values was stated.
        self.condition_positions: dict[Condition, int] = {}
        # Tables whose rows are the groups.
        self.entity_groups: list[int] = []
        # Tables that only subqueries read.
        self.inner_tables: set[int] = set()
        # True if ORDER BY is an aggregate, and if the sort key is part of the result.
        self.ordered_by_measure = False
        self.shows_sort_key = False

    def ref(self, mention: Mention) -> Ref:
        """The table or column that a mention is interpreted as. Raises Impossible."""
        if mention.start not in self.interpretation:
            raise Impossible(f"nothing is known as {mention.normalized}")
        ref = self.interpretation[mention.start]
        if mention.role == "done":
            self.penalise_verb(mention, ref)
        return ref

    def penalise_verb(self, mention: Mention, ref: Ref) -> None:
        """Charge a verb its full ambiguity cost, once the query depends on its interpretation."""
        occurrence = (mention.normalized.lower(), ref)
        if occurrence not in self._penalised_verbs:
            self._penalised_verbs.add(occurrence)
            self.cost += ambiguity_cost(mention, ref) - VERB_PENALTY

    def confirm(self, mention: Mention, ref: Ref) -> None:
        """Refund the ambiguity cost of a column once its condition or value confirms it."""
        occurrence = (mention.normalized.lower(), ref)
        if (
            self.interpretation.get(mention.start) == ref
            and occurrence not in self._confirmed
            and mention.role != "done"
        ):
            self._confirmed.add(occurrence)
            self.cost -= ambiguity_cost(mention, ref)

    def display_exprs(self, table: int) -> list[Expr]:
        """The columns that name a row. Raises Impossible."""
        places = self.schema.display_columns(table) or self.schema.identity_columns(table)
        if not places:
            if len(self.schema.tables[table].columns) > 6:
                raise Impossible("a table has nothing to call its rows by")
            places = list(range(len(self.schema.tables[table].columns)))
        return [Expr("column", (table, index)) for index in places]

    def entity_exprs(self, table: int) -> list[Expr]:
        """The columns that name and identify a row."""
        return list(dict.fromkeys([*self.display_exprs(table), *self.key_exprs(table)]))

    def key_exprs(self, table: int) -> list[Expr]:
        """The columns that identify a row."""
        return [Expr("column", (table, index)) for index in self.schema.identity_columns(table)]

    def tables_in_play(self) -> list[int]:
        """The tables that the question mentions, in the order in which the query uses them."""
        tables = [*self.query.tables, self.main_table, *self.query.all_tables()]
        tables += [expr.ref[0] for expr in (*self.group_labels, *self.group_keys) if expr.ref]
        for mentions in (self.parsed.targets, self.parsed.context, self.parsed.owners):
            tables += [
                self.interpretation[mention.start][0] for mention in mentions if mention.start in self.interpretation
            ]
        for measure in self.parsed.measures:
            innermost = measure.inner or measure
            tables += [self.ref(innermost.operand)[0]] if innermost.operand is not None else []
        return list(dict.fromkeys(tables))

    def only_numeric_column(self, table: int, otherwise: str, cost: float) -> Ref:
        """The table's only numeric measure. Raises Impossible, saying `otherwise`, if there is not exactly one."""
        schema_table = self.schema.tables[table]
        measures = [
            (table, n)
            for n, column in enumerate(schema_table.columns)
            if column.is_measure and n not in schema_table.key
        ]
        if len(measures) != 1:
            raise Impossible(otherwise)
        self.cost += cost
        return measures[0]

    def has_many(self, table: int) -> bool:
        """True if a row of the main table may join several rows of the other table."""
        tree = self.schema.join_tree([self.main_table, table])
        return tree is None or self.schema.fans_out(tree[0], self.main_table)

    def is_descending(self, sort: Superlative | Order, ref: Ref) -> bool:
        """True if the sort is descending by this column: the oldest has the highest age, but the earliest birth."""
        if sort.attribute != "age":
            return sort.descending
        return sort.descending == any(mentions_word(self.schema.column(ref), age) for age in lexicon.AGE_WORDS)

    def require_absent(self, table: int, *conditions: Condition) -> None:
        """Keep rows of the main table that no row of the other table references (anti-join). Raises Impossible."""
        self.query.where.append(replace(self.exists_condition([table], conditions), op="not exists"))

    def exists_condition(self, tables: Sequence[int], conditions: Sequence[Condition]) -> Condition:
        """EXISTS over the joined tables (semi-join with the main table). Raises Impossible."""
        tree = self.schema.join_tree([self.main_table, *tables])
        if tree is None:
            raise Impossible("nothing leads there")
        if sum(self.main_table in (edge.source, edge.target) for edge in tree[0]) != 1:
            raise Impossible("two ways lead there")
        self.inner_tables |= set(tables)
        return Condition(None, "exists", tables=(self.main_table, *dict.fromkeys(tables)), inner=tuple(conditions))

    def attribute_column(self, names: Sequence[str], tables: Sequence[int]) -> Ref | None:
        """The column that an adjective refers to."""
        for name in names:
            for wanted in lexicon.ATTRIBUTES.get(name, ()):
                for ref, column in self._columns(tables):
                    if (
                        column.kind in ("number", "date")
                        and not column.is_key
                        and not (name == "date" and SECONDARY_DATES & set(column.words))
                        and mentions_word(column, wanted)
                    ):
                        return ref
            dates = [ref for ref, column in self._columns(tables) if column.kind == "date"]
            if name == "date" and dates:
                return dates[0]
            if name == "age":
                dates = [ref for ref in dates if ref[0] == tables[0]]
                if len(dates) == 1:
                    return dates[0]
        return None

    def _columns(self, tables: Sequence[int]) -> Iterator[tuple[Ref, SchemaColumn]]:
        for table in tables:
            columns = enumerate(self.schema.tables[table].columns)
            for index, column in sorted(columns, key=lambda pair: bool(SECONDARY_DATES & set(pair[1].words))):
                yield (table, index), column


def mentions_word(column: SchemaColumn, wanted: str) -> bool:
    """True if the column's name or comments contain these words; Chinese words may be parts of longer ones."""
    known_words = {
        *column.words,
        *(word.lower() for phrase in column.phrases for word in re.findall(r"[^\W_]+", phrase)),
    }
    return set(wanted.split()) <= known_words if wanted.isascii() else any(wanted in word for word in known_words)
