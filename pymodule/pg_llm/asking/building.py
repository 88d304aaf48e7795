"""From the parts of a question, with one meaning chosen for each mention, to the query; and how far-fetched that is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pg_llm.asking import lexicon, words
from pg_llm.asking.mention import Mention
from pg_llm.asking.query import Condition, Expr, Query, Writer
from pg_llm.asking.reading.parts import Comparison, Measure, Named, Reading, Superlative
from pg_llm.asking.schema import Ref, Schema

# Of each mention (by its start) what it is taken to mean.
Choice = Mapping[int, Ref]

_GENERIC_WORDS = {
    "largest": ("big", "population"), "biggest": ("big", "population"), "smallest": ("big", "population"),
    "highest": ("tall", "rating", "big"),
    "lowest": ("tall", "rating", "big"), "best": ("rating",), "worst": ("rating",), "top": ("rating", "big"),
    "first": ("date",),
    "last": ("date",), "greatest": ("big",), "earliest": ("date",), "latest": ("date",), "longest": ("long",),
    "最大": ("big", "age"), "最小": ("big", "age"),
    "最高": ("tall", "rating"), "最低": ("tall", "rating"), "richest": ("price",),
}  # fmt: skip


class Impossible(Exception):
    """The parts do not fit together this way."""


@dataclass(slots=True)
class Built:
    """A query, and what speaks against it, from 0."""

    query: Query
    cost: float
    notes: list[str] = field(default_factory=list)


class Builder:
    """One reading with one choice of meanings, made into a query."""

    def __init__(self, schema: Schema, reading: Reading, choice: Choice) -> None:
        self._schema = schema
        self._reading = reading
        self._choice = choice
        self._query = Query()
        self._cost = 0.0
        self._notes: list[str] = []
        self._shown: list[Expr] = []
        self._grouped: list[Expr] = []
        self._entities: list[int] = []
        self._inner_tables: set[int] = set()

    def build(self) -> Built:
        """The query. Raises Impossible."""
        reading = self._reading
        self._main = self._main_table()
        for mention in reading.groups:
            self._group(mention)
        targets = self._targets()
        measures = [self._measure(measure) for measure in reading.measures]
        measures += [expr for expr in targets if expr.kind == "agg"]
        targets = [expr for expr in targets if expr.kind != "agg"]
        measures = list(dict.fromkeys(measures))
        if reading.ratio is not None:
            measures.append(self._ratio(targets))
            if reading.share and not self._grouped:
                targets = []
        for named in reading.named:
            self._named(named)
        for comparison in reading.comparisons:
            self._compare(comparison)
        for mention in reading.denied:
            self._deny(mention)
        for mention in reading.context:
            self._context(mention)
        for unit in reading.units:
            self._unit(unit)
        for superlative in reading.superlatives:
            self._superlative(superlative, targets, measures)
        self._select(targets, measures)
        self._order(targets)
        self._share()
        self._settle()
        self._elsewhere()
        self._idle()
        self._cost += sum(0.12 if word in reading.linked.verbs else _weight(word) for word in reading.unread)
        query = self._query
        if not (query.where or query.group or query.order or query.having or query.per) and not any(
            expr.is_aggregate for expr in query.select
        ):
            # Nothing of the question but what it is about.
            vague = bool(reading.unread) or any(mention.role in ("meant", "done") for mention in reading.context)
            self._cost += 0.8 if vague else 0.0
        return Built(self._query, self._cost, self._notes)

    def _ref(self, mention: Mention) -> Ref:
        if mention.start not in self._choice:
            raise Impossible(f"nothing is known as {mention.said}")
        return self._choice[mention.start]

    def _main_table(self) -> int:
        """The table that the question is about."""
        reading = self._reading
        for mention in (*reading.owners, *reading.targets):
            ref = self._ref(mention)
            if ref[1] < 0:
                return ref[0]
        for mention in reading.targets:
            whose = self._whose(set(), [mention]) if mention.said.lower() in ("name", "names") else None
            return self._ref(mention)[0] if whose is None else whose
        for measure in reading.measures:
            its = measure.of or measure
            if its.operand is not None:
                return self._ref(its.operand)[0]
        for superlative in reading.superlatives:
            if superlative.operand is not None:
                return self._ref(superlative.operand)[0]
        for mention in (
            *(reading.ratio[0] if reading.ratio else ()),
            *reading.context,
            *reading.groups,
            *reading.denied,
        ):
            if mention.start in self._choice:
                return self._ref(mention)[0]
        for named in reading.named:
            for mention in named.mentions:
                if mention.start in self._choice:
                    return self._ref(mention)[0]
        for comparison in reading.comparisons:
            if comparison.operand is not None:
                return self._ref(comparison.operand)[0]
        raise Impossible("it names no table or column")

    def _show(self, table: int) -> list[Expr]:
        places = self._schema.shown(table) or self._schema.identity(table)
        if not places:
            if len(self._schema.tables[table].columns) > 6:
                raise Impossible("a table has nothing to call its rows by")
            places = list(range(len(self._schema.tables[table].columns)))
        return [Expr("column", (table, place)) for place in places]

    def _entity(self, table: int) -> list[Expr]:
        """What a row is shown by, and what it is told apart by."""
        exprs = self._show(table)
        exprs += [Expr("column", (table, place)) for place in self._schema.identity(table)]
        return list(dict.fromkeys(exprs))

    def _group(self, mention: Mention) -> None:
        ref = self._ref(mention)
        if any(expr.ref == ref for expr in self._shown):
            return
        if ref[1] < 0:
            self._shown += self._show(ref[0])
            self._grouped += self._entity(ref[0])
            self._entities.append(ref[0])
            return
        column = self._schema.column(ref)
        table = self._schema.tables[ref[0]]
        if (
            ref[1] == self._schema.display(ref[0])
            and table.key
            and not column.unique
            and set(column.words) & {"name", "title"}
        ):
            self._grouped += [Expr("column", (ref[0], place)) for place in table.key]
        if (
            column.kind == "number"
            and not column.is_key
            and not set(column.words) & {"year", "month", "rating", "age", "level", "grade", "quarter"}
        ):
            self._cost += 0.2
        self._shown.append(Expr("column", ref))
        self._grouped.append(Expr("column", ref))

    def _targets(self) -> list[Expr]:
        reading = self._reading
        owners = {self._ref(mention)[0] for mention in reading.owners if self._ref(mention)[1] < 0}
        found: list[Expr] = []
        named = [mention for mention in reading.targets if mention.said.lower() in ("name", "names")]
        for mention in reading.targets:
            ref = self._ref(mention)
            if mention in named and (whose := self._whose(owners, named)) is not None:
                if ref[0] != whose:
                    self._cost += 0.02
                found += self._show(whose)
            elif ref[1] < 0:
                found += self._show(ref[0])
                if not self._grouped:
                    self._query.tables.append(ref[0])
            else:
                if (
                    mention.said.lower().startswith("total ")
                    and (reading.groups or reading.superlatives)
                    and self._schema.column(ref).is_measure
                ):
                    found.append(Expr("agg", ref, "sum"))
                    continue
                found.append(Expr("column", ref))
                if owners and ref[0] not in owners:
                    self._cost += 0.15
        for mention in reading.owners:
            ref = self._ref(mention)
            if ref[1] >= 0 and self._schema.column(ref).kind == "bool":
                self._query.where.append(Condition(Expr("column", ref), "true"))
            elif ref[1] >= 0:
                self._cost += 0.1
            if ref[0] not in self._query.tables:
                self._query.tables.insert(0, ref[0])
        return list(dict.fromkeys(found))

    def _whose(self, owners: set[int], named: list[Mention]) -> int | None:
        """The table that names are asked of, where the question says it."""
        if owners:
            return min(owners)
        others = [self._ref(mention)[0] for mention in self._reading.targets if mention not in named]
        others += [
            self._choice[value.start][0]
            for each in self._reading.named
            for value in each.mentions
            if value.start in self._choice
        ]
        others += [self._ref(each.operand)[0] for each in self._reading.superlatives if each.operand is not None]
        return others[0] if others else None

    def _measure(self, of: Measure) -> Expr:
        if of.of is not None:
            if of.of.operand is not None and of.said in ("avg", "sum"):
                ref = self._ref(of.of.operand)
                if ref[1] >= 0 and self._schema.column(ref).is_measure:
                    if self._entities == [ref[0]]:
                        # Nights per stay: every row is a stay.
                        self._grouped, self._shown = [], []
                    return Expr("agg", ref, of.said)
            inner = self._measure(of.of)
            if not self._grouped:
                raise Impossible("of what each there is a number")
            if of.said != "avg":
                raise Impossible("only averages of numbers are known")
            if inner.kind == "count":
                # Of each pair of the two there is one row.
                inner = Expr("agg", None, "count")
            identity = self._grouped[-1]
            self._query.tables.append(self._grouped[-1].ref[0] if self._grouped[-1].ref else 0)
            self._grouped, self._shown = [], []
            return Expr("ratio", parts=(inner, Expr("agg", identity.ref, "count", distinct=True)))
        if of.operand is None:
            if of.said != "count":
                return self._only_number(of.said)
            self._query.tables.append(self._main)
            return Expr("count", (self._main, -1))
        ref = self._ref(of.operand)
        column = self._schema.column(ref) if ref[1] >= 0 else None
        if column is None:
            if of.said not in ("count", "sum"):
                return self._only_number(of.said, ref[0])
            self._cost += 0.05 if of.said == "sum" else 0.0
            self._query.tables.append(ref[0])
            return Expr("count", (ref[0], -1))
        if of.said == "count":
            if column.is_measure:
                self._cost += 0.02
                return Expr("agg", ref, "sum")
            if (
                ref[1] in (self._schema.display(ref[0]), *self._schema.tables[ref[0]].key)
                and not self._reading.distinct
                and self._schema.tables[ref[0]].key
            ):
                self._query.tables.append(ref[0])
                return Expr("count", (ref[0], -1))
            return Expr("agg", ref, "count", distinct=True)
        if column.is_measure or (of.said in ("min", "max") and column.kind in ("date", "number")):
            return Expr("agg", ref, of.said)
        if of.said == "sum":
            self._cost += 0.1
            return Expr("agg", ref, "count", distinct=True)
        raise Impossible(f"{of.operand.said} is no number")

    def _only_number(self, said: str, table: int | None = None) -> Expr:
        """An aggregate of the one column that can be meant."""
        place = self._main if table is None else table
        numbers = self._numbers(place)
        if len(numbers) != 1:
            raise Impossible("it does not say of which number")
        self._cost += 0.3
        return Expr("agg", numbers[0], said)

    def _numbers(self, table: int) -> list[Ref]:
        columns = self._schema.tables[table].columns
        return [
            (table, n)
            for n, column in enumerate(columns)
            if column.is_measure and n not in self._schema.tables[table].key
        ]

    def _attribute(
        self, names: Sequence[str], tables: Sequence[int], kinds: Sequence[str] = ("number", "date")
    ) -> Ref | None:
        """The column that an adjective speaks of."""
        for name in names:
            for wanted in lexicon.ATTRIBUTES.get(name, ()):
                for table in tables:
                    for place, column in enumerate(self._schema.tables[table].columns):
                        if (
                            column.kind in kinds
                            and not column.is_key
                            and set(wanted.split()) <= {*column.words, *_phrase_words(column.phrases)}
                        ):
                            return table, place
            if name == "date":
                for table in tables:
                    for place, column in enumerate(self._schema.tables[table].columns):
                        if column.kind == "date":
                            return table, place
            if name == "age":
                its = self._schema.tables[tables[0]].columns if tables else []
                dates = [place for place, column in enumerate(its) if column.kind == "date"]
                if len(dates) == 1:
                    return tables[0], dates[0]
        return None

    def _in_play(self) -> list[int]:
        tables = [*self._query.tables, self._main, *self._query.all_tables()]
        tables += [expr.ref[0] for expr in (*self._shown, *self._grouped) if expr.ref]
        for mentions in (self._reading.targets, self._reading.context, self._reading.owners):
            tables += [self._ref(mention)[0] for mention in mentions if mention.start in self._choice]
        for measure in self._reading.measures:
            its = measure.of or measure
            tables += [self._ref(its.operand)[0]] if its.operand is not None else []
        return list(dict.fromkeys(tables))

    def _superlative(self, of: Superlative, targets: list[Expr], measures: list[Expr]) -> None:
        if (
            of.operand is not None
            and of.operand.said.lower().startswith("total ")
            and targets
            and self._ref(of.operand)[1] >= 0
        ):
            of = replace(of, measure=Measure("sum", of.operand), operand=None)
        if of.measure is not None:
            self._first_by(self._measure(of.measure), of, targets)
            return
        operand = self._ref(of.operand) if of.operand is not None else None
        if operand is not None and operand[1] >= 0:
            column = self._schema.column(operand)
            if column.kind in ("number", "date") and not column.is_key:
                if (
                    not targets
                    and not self._reading.measures
                    and of.plain
                    and not (self._reading.groups and len(self._reading.superlatives) > 1)
                ):
                    measures.append(Expr("agg", operand, "max" if of.down else "min"))
                    return
                if self._reading.groups and targets and not self._is_group_target(targets):
                    self._first_of_each(Expr("column", operand), of)
                    return
                by = Expr("column", operand)
                if column.kind == "number" and targets and not self._reading.groups and self._many_of(operand, targets):
                    by = Expr(
                        "agg",
                        operand,
                        "sum"
                        if of.word in ("most", "least", "fewest", "最多", "最少", "top", "largest", "biggest")
                        else "max"
                        if of.down
                        else "min",
                    )
                self._first_by(by, of, targets)
                return
            if of.word in ("first", "last", "latest", "newest") and not of.attribute and column.kind == "text":
                raise Impossible("first by what is not said")
        if of.attribute == "*":
            if operand is not None and not targets:
                targets += self._show(operand[0]) if operand[1] < 0 else [Expr("column", operand)]
            self._most_frequent(of, targets)
            return
        if operand is not None and targets and not of.attribute and not self._same_thing(operand, targets):
            if operand[1] < 0:
                self._query.tables.append(operand[0])
                self._first_by(Expr("count", (operand[0], -1)), of, targets)
            else:
                self._first_by(Expr("agg", operand, "count", distinct=True), of, targets)
            return
        if measures and (self._grouped or targets) and not of.attribute:
            # The three departments with …, by what was measured.
            self._first_by(measures[0], of, targets)
            if operand is not None and not targets and not self._same_group(operand):
                self._cost += 0.2
            return
        if operand is not None and not targets:
            targets += self._show(operand[0]) if operand[1] < 0 else [Expr("column", operand)]
        tables = self._in_play() if operand is None else [operand[0]]
        names = [of.attribute] if of.attribute else list(_GENERIC_WORDS.get(of.word, ()))
        found = self._attribute(names, tables)
        if found is None:
            choices = [ref for table in tables[:1] for ref in self._numbers(table)]
            if of.attribute in ("date",) or len(choices) != 1 or of.attribute:
                raise Impossible(f"by what {of.word or 'the first'} is meant")
            found = choices[0]
            self._cost += 0.25
        if of.attribute == "age":
            column = self._schema.column(found)
            of = replace(of, down=of.down == ("age" in column.words))
        if self._reading.groups and not self._is_group_target(targets):
            self._first_of_each(Expr("column", found), of)
            return
        self._first_by(Expr("column", found), of, targets)

    def _many_of(self, operand: Ref, targets: Sequence[Expr]) -> bool:
        """Whether what is asked for has several of the numbers."""
        refs = [expr.ref for expr in targets if expr.ref]
        if any(ref[0] == operand[0] for ref in refs):
            own = [ref for ref in refs if ref[0] == operand[0]]
            shown = (self._schema.display(operand[0]), *self._schema.tables[operand[0]].key)
            return all(
                ref[1] not in shown and not self._schema.column(ref).unique and self._schema.column(ref).kind == "text"
                for ref in own
            )
        found = self._schema.path([refs[0][0], operand[0]]) if refs else None
        return found is not None and self._schema.fans_out(found[0], refs[0][0])

    def _same_thing(self, operand: Ref, targets: Sequence[Expr]) -> bool:
        if operand[1] < 0:
            return all(expr.ref is not None and expr.ref[0] == operand[0] for expr in targets)
        return any(expr.ref == operand for expr in targets)

    def _same_group(self, operand: Ref) -> bool:
        return any(expr.ref is not None and expr.ref[0] == operand[0] for expr in self._grouped)

    def _is_group_target(self, targets: Sequence[Expr]) -> bool:
        return all(expr in self._grouped or expr in self._shown for expr in targets)

    def _most_frequent(self, of: Superlative, targets: list[Expr]) -> None:
        if not targets or targets[0].ref is None:
            raise Impossible("most frequent among what")
        table = targets[0].ref[0]
        others = [t for t in self._in_play() if t != table]
        whole = targets[0].ref[1] == self._schema.display(table) and self._schema.tables[table].key
        if whole and not others:
            counts = [edge.one for edge in self._schema.edges if edge.other == table and edge.single]
            if len(set(counts)) != 1:
                raise Impossible("most frequent where")
            others = counts[:1]
        counted = others[0] if others and whole else table
        self._query.tables.append(counted)
        self._first_by(Expr("count", (counted, -1)), of, targets)

    def _first_by(self, by: Expr, of: Superlative, targets: list[Expr]) -> None:
        if by.is_aggregate or by.kind == "count":
            if not self._grouped and targets:
                self._group_targets(targets)
            elif not self._grouped and by.ref is not None and not self._grouped and not targets:
                raise Impossible("which of what is not said")
            self._notes.append("by")
        elif self._reading.measures and self._grouped:
            self._cost += 0.2
            by = Expr("agg", by.ref, "max" if of.down else "min")
        self._query.order.append((by, of.down))
        self._query.limit = of.n
        if (
            not by.is_aggregate
            and by.kind == "column"
            and not of.down
            and by.ref is not None
            and self._schema.column(by.ref).nullable
        ):
            # Nothing known is not the least.
            pass
        if of.shown or not of.plain or (by.kind == "count" and not of.plain):
            self._notes.append("shown")

    def _group_targets(self, targets: Sequence[Expr]) -> None:
        for expr in targets:
            if expr.ref is None:
                continue
            self._grouped.append(expr)
            if expr.ref[1] == self._schema.display(expr.ref[0]):
                self._grouped += [
                    Expr("column", (expr.ref[0], place)) for place in self._schema.tables[expr.ref[0]].key
                ]
        self._grouped = list(dict.fromkeys(self._grouped))

    def _time_column(self, of: Comparison) -> Expr:
        if of.operand is not None:
            ref = self._ref(of.operand)
            column = self._schema.column(ref)
            if ref[1] >= 0 and (column.kind == "date" or "year" in column.words or column.kind == "number"):
                return Expr("column", ref)
            if ref[1] < 0:
                self._query.tables.append(ref[0])
        for extra in (0, 1):
            tables = (
                self._in_play()
                if not extra
                else [t for t in range(len(self._schema.tables)) if t not in self._in_play()]
            )
            found = [
                (
                    (0 if column.kind == "date" else 1)
                    + (0.5 if {"update", "end", "birth", "due", "modify"} & set(column.words) else 0)
                    + 0.1 * n
                    + 0.01 * place,
                    (table, place),
                )
                for n, table in enumerate(tables)
                for place, column in enumerate(self._schema.tables[table].columns)
                if column.kind == "date" or (column.kind == "number" and "year" in column.words and of.time == "year")
            ]
            if found:
                self._cost += 0.2 * extra + (0.04 if len(found) > 1 else 0)
                if extra and self._schema.path([self._main, min(found)[1][0]]) is None:
                    continue
                return Expr("column", min(found)[1])
        raise Impossible("there is no column of dates to look at")

    def _compare(self, of: Comparison) -> None:
        if of.time:
            self._query.where.append(self._when(of))
            return
        if of.measure is not None:
            self._having(self._measure(of.measure), of)
            return
        operand = self._ref(of.operand) if of.operand is not None else None
        if operand is None:
            tables = self._in_play()
            operand = self._attribute([of.attribute], tables) if of.attribute else None
            if operand is None:
                choices = [ref for table in tables[:1] for ref in self._numbers(table)]
                if len(choices) != 1:
                    raise Impossible(f"what is compared with {', '.join(map(str, of.values))}")
                operand = choices[0]
                self._cost += 0.3
            if of.attribute == "age" and "age" not in self._schema.column(operand).words:
                raise Impossible("an age has to be worked out")
        if of.average:
            column = self._schema.column(operand) if operand[1] >= 0 else None
            if column is None or column.kind != "number":
                raise Impossible("only numbers have an average")
            self._query.where.append(Condition(Expr("column", operand), f"{of.op} avg"))
            return
        if operand[1] < 0:
            if not (self._reading.targets or self._grouped or self._reading.measures):
                raise Impossible("which have that many is not said")
            self._query.tables.append(operand[0])
            self._having(Expr("count", (operand[0], -1)), of)
            return
        column = self._schema.column(operand)
        if column.kind == "number":
            self._query.where.append(Condition(Expr("column", operand), of.op, tuple(of.values)))
        elif column.kind == "text" or column.is_key:
            self._having(Expr("agg", operand, "count", distinct=True), of)
            self._cost += 0.1
        elif column.kind == "date" and all(1900 <= float(each) <= 2100 for each in of.values):
            self._query.where.append(Condition(Expr("part", operand, "year"), of.op, tuple(of.values)))
        else:
            raise Impossible(f"{column.name} cannot be compared with a number")

    def _having(self, by: Expr, of: Comparison) -> None:
        self._query.having.append(Condition(by, of.op, tuple(of.values)))

    def _when(self, of: Comparison) -> Condition:
        left = self._time_column(of)
        assert left.ref is not None
        if self._schema.column(left.ref).kind == "number":
            values = [float(value) for value in of.values if re.fullmatch(r"\d+", str(value))]
            if len(values) != len(of.values):
                raise Impossible("years only are known")
            return Condition(left, of.op, tuple(values))
        first = str(of.values[0])
        if of.op in ("since", "this"):
            return Condition(left, of.op, (first,))
        if of.time == "month":
            return Condition(Expr("part", left.ref, "month number"), "=", (float(first),))
        begin, end = _span(first)[0], _span(str(of.values[-1]))[1]
        match of.op:
            case "=" | "between":
                return Condition(left, "period", (begin, end))
            case "in":
                return Condition(Expr("part", left.ref, "year"), "in", tuple(float(value) for value in of.values))
            case ">":
                return Condition(left, ">=", (_span(first)[1],))
            case ">=":
                return Condition(left, ">=", (begin,))
            case "<":
                return Condition(left, "<", (begin,))
            case "<=":
                return Condition(left, "<", (end,))
        raise Impossible("times are compared otherwise")

    def _named(self, of: Named) -> None:
        label = self._choice.get(of.label.start) if of.label is not None else None
        if of.op:
            ref = self._text_column(label)
            pattern = {"start": "{}%", "end": "%{}", "like": "%{}%"}[of.op].format(of.mentions[0].said)
            self._query.where.append(Condition(Expr("column", ref), "not ilike" if of.negated else "ilike", (pattern,)))
            return
        refs: dict[Ref, list[tuple[str, bool]]] = {}
        for mention in of.mentions:
            if mention.start not in self._choice:
                self._cost += 0.35
                refs.setdefault(self._text_column(label), []).append((mention.said, True))
                continue
            ref = self._choice[mention.start]
            found = [value for value in mention.values if value.ref == ref]
            whole = [value.value for value in found if value.whole]
            refs.setdefault(ref, []).append((whole[0], True) if whole else (mention.said, False))
            if label is not None and label[0] != ref[0] and label != ref:
                self._cost += 0.15
                self._query.tables.append(label[0])
        for ref, values in refs.items():
            self._value_condition(ref, values, of)

    def _value_condition(self, ref: Ref, values: list[tuple[str, bool]], of: Named) -> None:
        expr = Expr("column", ref)
        if all(whole for _, whole in values):
            texts = tuple(text for text, _ in values)
            condition = Condition(expr, "=" if len(texts) == 1 else "in", texts)
        elif len(values) == 1:
            condition = Condition(expr, "ilike", (f"%{values[0][0]}%",))
        else:
            raise Impossible("several parts of names at once")
        if not of.negated:
            self._query.where.append(condition)
            if of.both and len(values) > 1:
                self._query.having.append(
                    Condition(Expr("agg", ref, "count", distinct=True), "=", (float(len(values)),))
                )
            return
        if ref[0] == self._main or not self._many(ref[0]):
            op = {"=": "<>", "in": "not in", "ilike": "not ilike"}[condition.op]
            self._query.where.append(Condition(expr, op, condition.values))
            return
        self._inner_tables.add(ref[0])
        self._query.where.append(Condition(None, "not exists", tables=(self._main, ref[0]), inner=(condition,)))

    def _many(self, table: int) -> bool:
        """Whether a row of the main table may have several rows of this one."""
        found = self._schema.path([self._main, table])
        return found is None or self._schema.fans_out(found[0], self._main)

    def _text_column(self, label: Ref | None) -> Ref:
        if label is not None and label[1] >= 0:
            return label
        table = self._main if label is None else label[0]
        shown = self._schema.display(table)
        if shown is None:
            raise Impossible("what has that name")
        return table, shown

    def _deny(self, mention: Mention) -> None:
        ref = self._ref(mention)
        if ref[1] >= 0:
            column = self._schema.column(ref)
            if column.is_measure:
                self._query.where.append(Condition(Expr("column", ref), "=", (0.0,)))
                return
            self._query.where.append(Condition(Expr("column", ref), "false" if column.kind == "bool" else "null"))
            return
        if ref[0] == self._main:
            raise Impossible("what is not there")
        edge = next(
            (edge for edge in self._schema.edges if edge.one == self._main and edge.other == ref[0] and edge.single),
            None,
        )
        if (
            edge is not None
            and len(edge.columns) == 1
            and self._schema.column((self._main, edge.columns[0][0])).nullable
        ):
            self._query.where.append(Condition(Expr("column", (self._main, edge.columns[0][0])), "null"))
            return
        if self._schema.path([self._main, ref[0]]) is None:
            raise Impossible("nothing leads there")
        self._inner_tables.add(ref[0])
        self._query.where.append(Condition(None, "not exists", tables=(self._main, ref[0])))

    def _context(self, mention: Mention) -> None:
        if mention.start not in self._choice:
            return
        ref = self._ref(mention)
        if ref[1] < 0:
            if mention.role == "meant" and ref[0] in self._in_play():
                self._cost += 0.3
            if ref[0] in self._inner_tables:
                return
            if mention.score >= 0.7:
                self._query.tables.append(ref[0])
            return
        column = self._schema.column(ref)
        if any(ref in expr.refs() for expr in (*self._shown, *self._grouped)) or any(
            ref in condition.refs() for condition in self._query.where
        ):
            return
        if column.kind == "bool":
            self._query.where.append(Condition(Expr("column", ref), "true"))
            return
        if ref[0] not in self._in_play():
            self._cost += 0.1
        # What is only near in meaning, and asks for nothing, is not understood.
        self._cost += 0.1 * mention.score if mention.score > 0.8 else 0.4

    def _unit(self, unit: str) -> None:
        expr = None
        for table in self._in_play():
            for place, column in enumerate(self._schema.tables[table].columns):
                if column.words[-1:] == (unit,) and column.kind in ("number", "text") and expr is None:
                    expr = Expr("column", (table, place))
        if expr is None:
            left = self._time_column(Comparison("=", [], time="unit"))
            expr = Expr("part", left.ref, unit)
        self._shown.append(expr)
        self._grouped.append(expr)

    def _ratio(self, targets: list[Expr]) -> Expr:
        assert self._reading.ratio is not None
        above, below, scale = self._reading.ratio
        if self._reading.share:
            self._query.tables.append(self._main)
            if self._reading.measures:
                raise Impossible("a share of what is measured")
            return Expr("ratio", said=scale, parts=(Expr("count", (self._main, -1)), Expr("count", (self._main, -1))))
        if not above or not below:
            raise Impossible("the ratio of what to what")
        top, its_only = self._side(above)
        bottom, other_only = self._side(below)
        if top.kind == "column" and bottom.kind == "column":
            if self._grouped and not (
                top.ref
                and self._grouped[0].ref
                and top.ref[0] == self._grouped[0].ref[0]
                and (self._grouped[0].ref[1] == self._schema.display(top.ref[0]))
            ):
                top, bottom = replace(top, kind="agg", said="sum"), replace(bottom, kind="agg", said="sum")
            else:
                if self._grouped and not targets:
                    targets += self._shown
                self._grouped, self._shown = [], []
                if not targets and top.ref is not None and not self._reading.named:
                    targets += self._show(top.ref[0])
                return Expr("ratio", said="", parts=(top, bottom), distinct=True)
        return Expr("ratio", said="", parts=(replace(top, only=its_only), replace(bottom, only=other_only)))

    def _side(self, mentions: Sequence[Mention]) -> tuple[Expr, tuple[Condition, ...]]:
        only: list[Condition] = []
        expr: Expr | None = None
        for mention in mentions:
            if mention.kind == "value":
                ref = self._choice.get(mention.start)
                if ref is None:
                    raise Impossible(f"no row has {mention.said}")
                found = [value.value for value in mention.values if value.ref == ref and value.whole]
                only.append(
                    Condition(
                        Expr("column", ref), "=" if found else "ilike", (found[0] if found else f"%{mention.said}%",)
                    )
                )
                if expr is None:
                    expr = Expr("count", (ref[0], -1))
                continue
            ref = self._ref(mention)
            if expr is None:
                if ref[1] >= 0 and self._schema.column(ref).kind == "number" and not self._schema.column(ref).is_key:
                    expr = Expr("column", ref)
                elif ref[1] >= 0 and self._schema.column(ref).kind == "bool":
                    only.append(Condition(Expr("column", ref), "true"))
                    expr = Expr("count", (ref[0], -1))
                elif ref[1] >= 0:
                    expr = Expr("agg", ref, "count", distinct=True)
                else:
                    expr = Expr("count", (ref[0], -1))
                    self._query.tables.append(ref[0])
            elif ref[1] < 0 and expr.ref is not None and ref[0] != expr.ref[0]:
                edge = next(
                    (e for e in self._schema.edges if e.one == expr.ref[0] and e.other == ref[0] and e.single), None
                )
                if edge is None:
                    self._cost += 0.2
                    self._query.tables.append(ref[0])
                else:
                    only.append(Condition(Expr("column", (edge.one, edge.columns[0][0])), "not null"))
        if expr is None:
            raise Impossible("the ratio of what")
        return expr, tuple(only)

    def _share(self) -> None:
        """Of a share, what restricts it restricts the upper number only."""
        if not self._reading.share:
            return
        conditions = tuple(self._query.where)
        if not conditions or self._query.having:
            raise Impossible("the share of what")
        self._query.where = []
        for n, expr in enumerate(self._query.select):
            if expr.kind == "ratio":
                self._query.select[n] = replace(expr, parts=(replace(expr.parts[0], only=conditions), expr.parts[1]))

    def _select(self, targets: list[Expr], measures: list[Expr]) -> None:
        query = self._query
        aggregates = [measure for measure in measures if measure.kind != "ratio" or not measure.distinct]
        if self._grouped:
            own = [expr for expr in targets if expr not in self._shown]
            if own and (aggregates or query.having or "by" in self._notes):
                # The names of the conferences, where each conference was said already.
                inside = [
                    expr for expr in own if expr.ref and any(e.ref and e.ref[0] == expr.ref[0] for e in self._grouped)
                ]
                if inside:
                    self._shown = [
                        expr
                        for expr in self._shown
                        if not any(e.ref and expr.ref and e.ref[0] == expr.ref[0] for e in inside)
                    ] + inside
                self._shown += [expr for expr in own if expr not in inside]
                self._grouped += [expr for expr in own if expr not in self._grouped]
            if query.per:
                query.select = [*self._shown, *own, query.order[-1][0]]
                return
            if not aggregates and not query.having and "by" not in self._notes:
                if not own and not self._reading.targets:
                    # By country, and nothing is said to be counted.
                    raise Impossible("what of each")
                query.select = [*self._shown, *own]
                query.distinct = True
                return
            query.select = [*self._shown, *measures]
            query.group = list(dict.fromkeys([*self._shown, *self._grouped]))
        elif targets and (aggregates or query.having):
            self._group_targets(targets)
            query.select = [*targets, *measures]
            query.group = list(dict.fromkeys([*targets, *self._grouped]))
        else:
            query.select = [*targets, *measures]
            if not query.select:
                query.select = self._show(self._main)
                query.tables.insert(0, self._main)
            if query.having:
                raise Impossible("of which that many are needed")
        if query.order and query.order[0][0].kind in ("count", "agg") and query.order[0][0] not in query.select:
            if "shown" in self._notes:
                query.select.append(query.order[0][0])
        elif (
            query.order
            and "shown" in self._notes
            and query.order[0][0] not in query.select
            and not self._asks_columns()
        ):
            query.select.append(query.order[0][0])

    def _asks_columns(self) -> bool:
        """Whether columns were asked for by name, and not things."""
        return any(self._ref(mention)[1] >= 0 for mention in self._reading.targets)

    def _first_of_each(self, by: Expr, of: Superlative) -> None:
        """The highest building of each campus: one row for each group."""
        if of.n != 1 or self._reading.measures or self._reading.units:
            raise Impossible("several of each group")
        self._query.per = list(self._shown)
        self._query.order = [*((expr, False) for expr in self._shown), (by, of.down)]

    def _order(self, targets: list[Expr]) -> None:
        query = self._query
        for by, down in self._reading.order:
            if query.limit is not None:
                continue
            if isinstance(by, Measure):
                expr = self._measure(by)
                same = [each for each in query.select if each.is_aggregate or each.kind == "count"]
                if expr not in query.select and len(same) == 1:
                    expr = same[0]
                query.order.append((expr, down))
            elif by is None:
                aggregates = [each for each in query.select if each.is_aggregate or each.kind == "count"]
                query.order.append(((aggregates or query.select)[0] if down else query.select[0], down))
            else:
                ref = self._ref(by)
                if ref[1] < 0:
                    same = [each for each in query.select if each.kind == "count" and each.ref == ref]
                    shown = self._show(ref[0])[0]
                    query.order.append((same[0] if same else shown, down))
                    continue
                expr = Expr("column", ref)
                if by.said.lower().startswith("total ") and query.group:
                    expr = Expr("agg", ref, "sum")
                over = [each for each in query.select if each.ref == ref and each.is_aggregate]
                query.order.append((over[0] if over else expr, down))
        if query.group:
            known = {*query.group}
            query.order = [
                (
                    expr
                    if expr in known or expr.is_aggregate or expr.kind == "count"
                    else Expr("agg", expr.ref, "max"),
                    down,
                )
                for expr, down in query.order
            ]

    def _settle(self) -> None:
        """Count rows once each, show rows once each, and weigh what it takes to join them."""
        query = self._query
        query.tables = list(dict.fromkeys(query.tables)) or [self._main]
        if self._main in query.tables:
            query.tables.remove(self._main)
            query.tables.insert(0, self._main)
        found = Writer(self._schema).edges(query)
        alone = self._apart()
        if alone:
            return
        if found is None:
            raise Impossible("the tables cannot be joined")
        edges, cost = found
        needed = len(query.all_tables()) - 1
        self._cost += 0.08 * max(0.0, cost - needed) + 0.06 * needed
        if query.limit is not None and query.order and not query.order[0][1] and query.order[0][0].kind == "column":
            pass

        def counted(expr: Expr) -> Expr:
            if expr.parts:
                expr = replace(expr, parts=tuple(counted(part) for part in expr.parts))
            if expr.kind != "count":
                if (
                    expr.kind == "agg"
                    and expr.said in ("sum", "avg")
                    and expr.ref is not None
                    and edges
                    and self._schema.fans_out(edges, expr.ref[0])
                ):
                    self._cost += 0.3
                return expr
            assert expr.ref is not None
            fans = bool(edges) and self._schema.fans_out(edges, expr.ref[0])
            if not fans:
                return Expr("agg", None, "count", only=expr.only)
            identity = self._schema.identity(expr.ref[0])
            if len(identity) != 1:
                self._cost += 0.2
                return Expr("agg", None, "count", only=expr.only)
            return Expr("agg", (expr.ref[0], identity[0]), "count", distinct=True, only=expr.only)

        query.select = [counted(expr) for expr in query.select]
        query.order = [(counted(expr), down) for expr, down in query.order]
        query.having = [replace(each, expr=counted(each.expr) if each.expr else None) for each in query.having]
        aggregated = any(expr.is_aggregate and not (expr.kind == "ratio" and expr.distinct) for expr in query.select)
        if not query.group and not aggregated and not query.per:
            self._distinct(edges)
        if query.distinct and query.order:
            missing = [expr for expr, _ in query.order if expr not in query.select]
            if missing:
                query.group = list(query.select)
                query.order = [
                    (expr if expr in query.select else Expr("agg", expr.ref, "max" if down else "min"), down)
                    for expr, down in query.order
                ]
                query.distinct = False

    def _idle(self) -> None:
        """A query that tells only what its condition says."""
        query = self._query
        known = {each.expr.ref for each in query.where if each.expr is not None and each.op == "="}
        if len(query.select) == 1 and query.select[0].kind == "column" and query.select[0].ref in known:
            self._cost += 0.6

    def _elsewhere(self) -> None:
        """A column of another table, where the one that is spoken of has one of that name."""
        reading = self._reading
        mentions = (*reading.groups, *reading.targets, *reading.owners)
        tables = {self._ref(mention)[0] for mention in mentions if self._ref(mention)[1] < 0}
        for mention in reading.linked.mentions:
            ref = self._choice.get(mention.start)
            if ref is None or ref[1] < 0 or ref[0] in tables or mention.kind != "element":
                continue
            name = self._schema.column(ref).words
            own = (column for table in tables for column in self._schema.tables[table].columns)
            if any(column.words == name and not column.is_key for column in own):
                self._cost += 0.25

    def _apart(self) -> bool:
        """Two counts of tables that nothing else connects are counted each for itself."""
        query = self._query
        ratio = next((expr for expr in query.select if expr.kind == "ratio"), None)
        if ratio is None or query.group or query.where or len(query.select) > 1:
            return False
        if any(part.kind != "count" or part.only for part in ratio.parts):
            return False
        tables = [part.ref[0] for part in ratio.parts if part.ref]
        if tables[0] == tables[1]:
            return False
        query.tables = []
        query.select = [replace(ratio, parts=tuple(Expr("rows", part.ref) for part in ratio.parts))]
        return True

    def _distinct(self, edges: Sequence[object]) -> None:
        query = self._query
        if self._reading.distinct:
            query.distinct = True
            return
        refs = [expr.ref for expr in query.select if expr.ref]
        tables = {ref[0] for ref in refs}
        if edges and any(self._schema.fans_out(list(edges), table) for table in tables):  # type: ignore[arg-type]
            query.distinct = True
            return
        if query.limit is not None or len(refs) != 1:
            return
        column = self._schema.column(refs[0])
        display = refs[0][1] == self._schema.display(refs[0][0])
        if column.kind == "text" and not display and not column.unique and not self._names_a_row():
            query.distinct = True

    def _names_a_row(self) -> bool:
        """Whether a condition picks rows by what they are called."""
        return any(
            condition.expr is not None and condition.op == "=" and condition.expr.ref is not None
            and condition.expr.ref[1] == self._schema.display(condition.expr.ref[0])
            for condition in self._query.where
        )  # fmt: skip


def _weight(word: str) -> float:
    """What a word that nothing stands for speaks against a query: names most, verbs least."""
    if words.stem(word) in lexicon.WRITING:
        return 3.0
    if word.endswith("est") and len(word) > 5:
        return 1.2
    if word[:1].isupper() or not word.isascii():
        return 0.9
    return 0.7


def _phrase_words(phrases: Sequence[str]) -> set[str]:
    return {word.lower() for phrase in phrases for word in re.findall(r"[^\W_]+", phrase)}


def _span(text: str) -> tuple[str, str]:
    """The first day of a year, month or day, and the first behind it."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 1:
        return f"{parts[0]}-01-01", f"{parts[0] + 1}-01-01"
    if len(parts) == 2:
        year, month = parts
        return f"{year}-{month:02}-01", f"{year + month // 12}-{month % 12 + 1:02}-01"
    import datetime

    try:
        day = datetime.date(*parts)
    except ValueError:
        raise Impossible(f"there is no day {text}") from None
    return day.isoformat(), (day + datetime.timedelta(days=1)).isoformat()
