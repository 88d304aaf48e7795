"""The composition rules: each rewrites neighbouring nodes to what they mean together."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.ask.grammar import words
from pg_llm.ask.grammar2 import operators
from pg_llm.ask.grammar2.form import Aggregate, Bucket, Column, Condition, Related, Term
from pg_llm.ask.grammar2.nodes import Misfit, Node, Sequence_, attribute_columns, column_term, shown_columns, with_words
from pg_llm.ask.schema import Ref

_STOPS = {"and", "but", "who", "which", "that", ",", "的", "，", "、"}
_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


class Rules:
    """The rules over the nodes of one cover, in the order in which they apply."""

    def __init__(self, sequence: Sequence_) -> None:
        self.sequence = sequence
        self.schema = sequence.schema
        self.assumptions: list[str] = []
        self.plausibility = 1.0

    def apply(self) -> None:
        """Rewrite the nodes as far as rules apply. Raises Misfit."""
        sequence = self.sequence
        for rule in (
            self._both, self._value, self._alternatives, self._column_of_value, self._boolean, self._overall, self._bound,
            self._measure, self._equality, self._top, self._compare, self._superlative, self._key, self._period,
            self._negation, self._ranking,
        ):  # fmt: skip
            sequence.each(rule)

    def _both(self, index: int) -> bool:
        """Both names stress `and`; both values would have to be in different rows."""
        sequence = self.sequence
        if sequence.at(index, "both") is None:
            return False
        if sequence.at(index + 1, "table", "column") is None:
            raise Misfit("two values of one column at once")
        sequence.drop(index)
        return True

    # --- values -------------------------------------------------------------------------------------------------

    def _value(self, index: int) -> bool:
        node = self.sequence.at(index, "value")
        if node is None or node.anchor is None:
            return False
        values = node.anchor.values
        if node.anchor.whole:
            condition = Condition("in", Column(node.ref), values, words=node.words)
        else:
            escaped = str(values[0]).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            condition = Condition("like", Column(node.ref), (f"%{escaped}%",), words=node.words)
        self.sequence.nodes[index] = Node("condition", node.start, node.end, node.words, node.ref, node.text, condition=condition)
        return True

    def _alternatives(self, index: int) -> bool:
        """Values of one column with `or`, `and` or a comma between them."""
        sequence = self.sequence
        first = sequence.at(index, "condition")
        last = index + 1 if sequence.at(index + 1, "condition") else index + 2
        second = sequence.at(last, "condition")
        if first is None or second is None or first.condition is None or second.condition is None:
            return False
        if last == index + 2 and not sequence.at(index + 1, "or"):
            return False
        if {first.condition.op, second.condition.op} != {"in"} or first.ref != second.ref:
            return False
        if last == index + 1 and not set(sequence.gap(index)) & {"and", ",", "&", "和", "、", "或", "/"}:
            return False
        values = tuple(dict.fromkeys((*first.condition.values, *second.condition.values)))
        condition = replace(first.condition, values=values, words=first.words | second.words)
        node = Node("condition", 0, 0, first.words, first.ref, first.text, condition=condition, meaning=("several",))
        sequence.replace(index, last, node)
        node.condition = replace(condition, words=node.words)
        return True

    def _column_of_value(self, index: int) -> bool:
        """A column beside a value of it: status pending, the EMEA region, 优先级为urgent."""
        sequence = self.sequence
        for place, other in ((index, index + 1), (index + 1, index)):
            column, value = sequence.at(place, "column"), sequence.at(other, "condition")
            if column is None or value is None or value.condition is None or value.condition.op not in ("in", "like"):
                continue
            if column.ref != value.ref or len(sequence.gap(index)) > 3 or _in_list(sequence.gap(index)):
                continue
            words = column.words | value.words
            node = Node("condition", 0, 0, words, value.ref, value.text, value.meaning, condition=replace(value.condition, words=words))
            sequence.replace(index, index + 1, node)
            return True
        return False

    def _boolean(self, index: int) -> bool:
        node = self.sequence.at(index, "column")
        if node is None or self.sequence.column(node).kind != "bool" or self.sequence.at(index - 1, "group"):
            return False
        condition = Condition("true", Column(node.ref), negated=node.meaning == ("not",), words=node.words)
        self.sequence.nodes[index] = Node("condition", node.start, node.end, node.words, node.ref, node.text, condition=condition)
        return True

    # --- comparisons --------------------------------------------------------------------------------------------

    def _overall(self, index: int) -> bool:
        """More than the average [price]."""
        sequence = self.sequence
        compare, average = sequence.at(index, "cmp"), sequence.at(index + 1, "agg")
        if compare is None or average is None or average.meaning != ("avg",):
            return False
        column = sequence.at(index + 2, "column")
        node = Node("overall", 0, 0, compare.words, column.ref if column else (-1, -1), meaning=compare.meaning)
        sequence.replace(index, index + 2 if column else index + 1, node)
        return True

    def _bound(self, index: int) -> bool:
        """An operator with its number."""
        sequence = self.sequence
        if sequence.at(index, "between") and sequence.at(index + 1, "number") and sequence.at(index + 2, "number"):
            values = (sequence.nodes[index + 1].number, sequence.nodes[index + 2].number)
            sequence.replace(index, index + 2, Node("bound", 0, 0, frozenset(), meaning=("between",), values=values))
        elif sequence.at(index, "cmp") and sequence.at(index + 1, "number"):
            meaning, number = sequence.nodes[index].meaning, sequence.nodes[index + 1].number
            above = sequence.at(index + 2, "above") is not None
            if above:
                raise Misfit("two directions of one number")
            sequence.replace(index, index + 1, Node("bound", 0, 0, frozenset(), meaning=meaning, values=(number,)))
        elif sequence.at(index, "number") and sequence.at(index + 1, "above"):
            meaning, number = sequence.nodes[index + 1].meaning, sequence.nodes[index].number
            sequence.replace(index, index + 1, Node("bound", 0, 0, frozenset(), meaning=meaning, values=(number,)))
        else:
            return False
        return True

    def _equality(self, index: int) -> bool:
        """A number beside its column: rating 5, 3 bedrooms."""
        sequence = self.sequence
        number = sequence.at(index, "number")
        if number is None or sequence.at(index - 1, "sup") or sequence.at(index + 1, "sup"):
            return False
        for place in (index - 1, index + 1):
            column = sequence.at(place, "column")
            if column is None or sequence.column(column).kind != "number":
                continue
            gap = sequence.gap(min(place, index))
            if len(gap) <= 2 and not _in_list(gap):
                words = column.words | number.words
                condition = Condition("in", Column(column.ref), (number.number,), words=words)
                sequence.replace(min(place, index), max(place, index), Node("condition", 0, 0, words, column.ref, condition=condition))
                return True
        return False

    def _compare(self, index: int) -> bool:
        """A bound with what it bounds: the column or measure before it, the column or table behind it."""
        sequence = self.sequence
        bound = sequence.at(index, "bound", "overall")
        if bound is None:
            return False
        if bound.kind == "overall":
            return self._compare_with_average(index, bound)
        before, behind = sequence.at(index - 1, "column", "measure"), sequence.at(index + 1, "column", "table")
        if len(bound.meaning) > 1:
            return self._compare_attribute(index, bound)
        if before is not None and (before.kind == "measure" or sequence.is_numeric(before)) and not _in_list(sequence.gap(index - 1)):
            term: Term = before.terms[0] if before.kind == "measure" else Column(before.ref)
            self._put(index - 1, index, _comparison(bound, term))
        elif behind is not None and sequence.is_numeric(behind):
            self._put(index, index + 1, _comparison(bound, Column(behind.ref)))
        elif behind is not None and behind.kind == "table":
            self._put(index, index + 1, _comparison(bound, Aggregate("count", behind.ref[0])))
        elif sequence.at(index + 1, "distinct") and (counted := sequence.at(index + 2, "table")):
            self._put(index, index + 2, _comparison(bound, Aggregate("count", counted.ref[0])))
        else:
            raise Misfit("a number is compared with nothing")
        return True

    def _compare_with_average(self, index: int, bound: Node) -> bool:
        sequence = self.sequence
        before = sequence.at(index - 1, "column")
        ref = bound.ref
        first = index
        if before is not None and sequence.is_numeric(before) and ref in (before.ref, (-1, -1)):
            ref, first = before.ref, index - 1
        if ref == (-1, -1):
            ref = self._attribute(index, bound.meaning[1] if len(bound.meaning) > 1 else "price")
        if self.schema.column(ref).kind != "number":
            raise Misfit("an average of no numbers")
        self._put(first, index, Condition("overall", Column(ref), (bound.meaning[0],)))
        return True

    def _compare_attribute(self, index: int, bound: Node) -> bool:
        """Older than 30, cheaper than 20: a column of the thing that is compared."""
        ref = self._attribute(index, bound.meaning[1])
        if self.schema.column(ref).kind != "number":
            raise Misfit("a number is compared with a date")
        self._put(index, index, _comparison(bound, Column(ref)))
        return True

    def _put(self, first: int, last: int, condition: Condition) -> None:
        """Put a condition in the place of nodes; it has their words."""
        node = Node("condition", 0, 0, frozenset())
        self.sequence.replace(first, last, node)
        node.condition = replace(condition, words=node.words)

    def _attribute(self, index: int, name: str) -> Ref:
        """The one column that an adjective is about, in the nearest table that is named."""
        sequence = self.sequence
        places = [*range(index + 1, len(sequence.nodes)), *reversed(range(index))]
        if sequence.chinese:
            places = [*reversed(range(index)), *range(index + 1, len(sequence.nodes))]
        for place in places:
            node = sequence.nodes[place]
            if node.kind == "table" or node.kind == "column":
                found = attribute_columns(self.schema, node.ref[0], operators.ATTRIBUTES[name])
                if len(found) == 1:
                    return found[0]
                if found:
                    raise Misfit("several columns that may be meant")
        raise Misfit("nothing that may be compared")

    # --- measures -----------------------------------------------------------------------------------------------

    def _measure(self, index: int) -> bool:
        sequence = self.sequence
        total = sequence.at(index, "column")
        if total is not None and self._is_total(total) and not sequence.at(index - 1, "sup", "agg"):
            term: Term = Aggregate("sum", total.ref[0], column_term(total))
            sequence.nodes[index] = Node("measure", total.start, total.end, total.words, total.ref, total.text, terms=[with_words(term, total.words)])
            return True
        node = sequence.at(index, "count", "agg", "metric")
        if node is None:
            return False
        if node.kind == "count":
            return self._count(index)
        function = node.meaning[0]
        if sequence.at(index - 1, "measure") and node.text.lower() in ("in total", "combined"):
            sequence.drop(index)
            return True
        place = self._operand(index, "column", "count", "table")
        if place is None:
            raise Misfit(f"{function} of nothing")
        operand = sequence.nodes[place]
        words = node.words | operand.words
        if operand.kind == "column" and sequence.is_numeric(operand):
            term = Aggregate(function, operand.ref[0], Column(operand.ref), words=words)
        elif operand.kind == "column" and function in ("min", "max") and sequence.is_date(operand):
            term = Aggregate(function, operand.ref[0], Column(operand.ref), words=words)
        elif operand.kind == "count" and function == "avg":
            counted = self._operand(place, "table")
            if counted is None:
                raise Misfit("an average count of nothing")
            words |= sequence.nodes[counted].words
            table = sequence.nodes[counted].ref[0]
            term = Aggregate("avg", -1, Related(Aggregate("count", table)), words=words)
            self._fold(index, Node("measure", 0, 0, words, terms=[term]), place, counted)
            return True
        elif operand.kind in ("table", "count") and function == "sum":
            counted = place if operand.kind == "table" else self._operand(place, "table")
            if counted is None:
                raise Misfit("a sum of nothing")
            words |= sequence.nodes[counted].words
            if operand.kind == "table" and (place != index + 1 or sequence.gap(index)):
                raise Misfit("a sum of rows")
            if operand.kind == "table":
                self.plausibility *= 0.9
            term = Aggregate("count", sequence.nodes[counted].ref[0], words=words)
            self._fold(index, Node("measure", 0, 0, words, terms=[term]), place, counted)
            return True
        else:
            raise Misfit(f"{function} of what is no number")
        self._fold(index, Node("measure", 0, 0, words, terms=[term]), place)
        return True

    def _is_total(self, node: Node) -> bool:
        """True where the words of a column of numbers begin with total: of several rows their sum is meant."""
        first = self.sequence.tokens[node.start].text.lower()
        return first in ("total", "总") and self.sequence.is_numeric(node) and node.end > node.start + 1

    def _count(self, index: int) -> bool:
        sequence = self.sequence
        node = sequence.nodes[index]
        distinct = sequence.at(index + 1, "distinct")
        place = self._operand(index, "table", "column")
        if place is None:
            average = self._operand(index, "agg")
            raise Misfit("a count of nothing" if average is None else "a count with a function")
        operand = sequence.nodes[place]
        words = node.words | operand.words | (distinct.words if distinct else frozenset())
        if operand.kind == "table":
            if any(column.kind == "number" and column.words == ("count",) for column in self.schema.tables[operand.ref[0]].columns):
                raise Misfit("rows that hold counts themselves")
            term: Term = Aggregate("count", operand.ref[0], words=words)
        elif sequence.is_numeric(operand) and sequence.column(operand).is_measure and not distinct:
            term = Aggregate("sum", operand.ref[0], Column(operand.ref), words=words)
            self.plausibility *= 0.85
        elif self.schema.names_row(operand.ref) or sequence.column(operand).unique:
            term = Aggregate("count", operand.ref[0], words=words)
        else:
            term = Aggregate("count", operand.ref[0], Column(operand.ref), distinct=True, words=words)
        places = [place, *([index + 1] if distinct else [])]
        self._fold(index, Node("measure", 0, 0, words, terms=[term]), *places)
        return True

    def _operand(self, index: int, *kinds: str) -> int | None:
        """What an operator is about: the next name behind it, past conditions; in Chinese else the one before."""
        sequence = self.sequence
        passed = ("condition", "distinct", "period")
        for place in range(index + 1, len(sequence.nodes)):
            if sequence.nodes[place].kind in kinds:
                return place
            if sequence.nodes[place].kind not in passed:
                break
        if sequence.chinese or (sequence.tokens[sequence.nodes[index].start].text.lower() == "on"):
            for place in range(index - 1, -1, -1):
                if sequence.nodes[place].kind in kinds:
                    return place
                if sequence.nodes[place].kind not in passed:
                    break
        return None

    def _fold(self, index: int, node: Node, *others: int) -> None:
        """Put a node in the place of one and take others out."""
        old = self.sequence.nodes[index]
        places = sorted({index, *others})
        if places == list(range(places[0], places[-1] + 1)):
            self.sequence.replace(places[0], places[-1], node)
            return
        node.start, node.end = old.start, old.end
        self.sequence.nodes[index] = node
        self.sequence.remove(*others)

    # --- superlatives -------------------------------------------------------------------------------------------

    def _top(self, index: int) -> bool:
        """The number of a superlative: top 5, the three longest."""
        sequence = self.sequence
        superlative = sequence.at(index, "sup")
        if superlative is None or superlative.limit is not None:
            return False
        number = index - 1 if sequence.at(index - 1, "number") else index + 1
        if not sequence.at(number, "number") or len(sequence.gap(min(number, index))) > 1:
            return False
        limit = sequence.nodes[number].number
        if limit != int(limit) or not 0 < limit <= 1000:
            raise Misfit("no number of rows")
        node = replace(superlative, limit=int(limit))
        sequence.replace(min(number, index), max(number, index), node)
        return True

    def _superlative(self, index: int) -> bool:
        sequence = self.sequence
        node = sequence.at(index, "sup")
        if node is None:
            return False
        what = node.meaning[1] if len(node.meaning) > 1 else ""
        before, behind = index - 1, index + 1
        order = [before, behind] if sequence.chinese and what != "top" else [behind, before]
        if what in operators.ATTRIBUTES:
            return self._attribute_superlative(index, what, order)
        for place in order:
            operand = sequence.at(place, "column", "measure", "table", "count")
            if operand is None or (place == before and not sequence.chinese):
                continue
            if operand.kind == "count":
                raise Misfit("a count of nothing")
            if operand.kind == "table":
                if what != "most":
                    continue
                term: Term = Aggregate("count", operand.ref[0], words=operand.words)
            elif operand.kind == "measure":
                term = operand.terms[0]
            elif sequence.is_numeric(operand) and what != "top":
                term = column_term(operand)
            else:
                continue
            self._order(min(place, index), max(place, index), node, term)
            return True
        by = any(later.kind == "group" and later.meaning == ("by",) for later in sequence.nodes[index:])
        if node.limit is None or not (what == "top" or by):
            raise Misfit("a superlative of nothing")
        sequence.nodes[index] = replace(node, kind="first")
        return True

    def _attribute_superlative(self, index: int, name: str, order: list[int]) -> bool:
        sequence = self.sequence
        node = sequence.nodes[index]
        for place in order:
            column = sequence.at(place, "column")
            fits = column is not None and (
                set(sequence.column(column).words) & set(operators.ATTRIBUTES[name])
                or (name == "date" and sequence.is_date(column))
            )
            if column is not None and fits and (place > index or sequence.chinese):
                self._order(min(place, index), max(place, index), node, column_term(column))
                return True
        if node.limit and any(later.kind == "group" and later.meaning == ("by",) for later in sequence.nodes[index:]):
            sequence.nodes[index] = replace(node, kind="first")
            return True
        ref = self._attribute(index, name)
        down = node.meaning[0] == "desc"
        if name == "age" and self.schema.column(ref).kind == "date":
            node = replace(node, meaning=("asc" if down else "desc", name))
        self._order(index, index, node, Column(ref))
        return True

    def _order(self, first: int, last: int, node: Node, term: Term) -> None:
        down = node.meaning[0] == "desc"
        made = Node("order", 0, 0, frozenset(), meaning=("top",), descending=down, limit=node.limit)
        self.sequence.replace(first, last, made)
        made.terms = [with_words(term, made.words)]
        behind = self.sequence.at(first + 1, "sup") if node.limit is None else None
        if behind is not None and behind.text.lower() == "first" and not self.sequence.gap(self.sequence.nodes.index(made)):
            made.meaning = ("sort",)
            made.words |= behind.words
            made.terms = [with_words(term, made.words)]
            self.sequence.remove(self.sequence.nodes.index(behind))

    def _ranking(self, index: int) -> bool:
        """Top 5 … by …; ordered by …."""
        sequence = self.sequence
        node = sequence.at(index, "first")
        if node is not None:
            order = next((n for n in range(len(sequence.nodes)) if sequence.nodes[n].kind == "order"), None)
            if order is not None:
                other = sequence.nodes[order]
                if other.limit is not None:
                    raise Misfit("two numbers of rows")
                other.limit, other.words = node.limit, other.words | node.words
                other.terms = [with_words(other.terms[0], other.words)]
                sequence.remove(index)
                return True
            by = next((n for n in range(index + 1, len(sequence.nodes)) if sequence.nodes[n].kind == "key" and sequence.nodes[n].meaning == ("by",)), None)
            if by is None:
                raise Misfit("a number of rows without an order")
            key = sequence.nodes[by]
            term = key.terms[0]
            made = replace(key, kind="order", meaning=("top", "by"), descending=node.meaning[0] == "desc", limit=node.limit, words=key.words | node.words)
            made.terms = [with_words(term, made.words)]
            sequence.nodes[by] = made
            sequence.remove(index)
            return True
        node = sequence.at(index, "direction")
        if node is not None and not self.sequence.at(index - 1, "order"):
            made = replace(node, kind="order", meaning=("sort",), descending=node.meaning == ("desc",), terms=[])
            sequence.nodes[index] = replace(made, text="direction")
            return True
        if node is not None and (before := sequence.at(index - 1, "order")) and before.terms and before.meaning == ("sort",):
            before.descending = node.meaning == ("desc",)
            sequence.replace(index - 1, index, before)
            before.terms = [with_words(before.terms[0], before.words)]
            return True
        node = sequence.at(index, "order")
        if node is not None and not node.terms and node.text != "direction":
            operand = sequence.at(index + 1, "column", "measure")
            if operand is None:
                raise Misfit("an order by nothing")
            direction = sequence.at(index + 2, "direction")
            term = operand.terms[0] if operand.terms else column_term(operand)
            made = Node("order", 0, 0, frozenset(), meaning=("sort",), descending=bool(direction and direction.meaning == ("desc",)))
            sequence.replace(index, index + 2 if direction else index + 1, made)
            made.terms = [with_words(term, made.words)]
            return True
        return False

    # --- groups -------------------------------------------------------------------------------------------------

    def _key(self, index: int) -> bool:
        """Per region, by month, for each customer."""
        sequence = self.sequence
        node = sequence.at(index, "group", "unit")
        if node is None:
            return False
        if node.kind == "unit":
            dated = next((place for place in (index - 1, index + 1) if self._may_date(place)), None)
            ref = self._date_column(index) if dated is None else sequence.nodes[dated].ref
            if self.schema.column(ref).kind == "number" and node.meaning != ("year",):
                raise Misfit("a part of a year where only years are kept")
            made = Node("key", 0, 0, frozenset(), ref, meaning=("each",))
            places = (index, index) if dated is None else (min(index, dated), max(index, dated))
            sequence.replace(*places, made)
            made.terms = [Bucket(ref, node.meaning[0], made.words)]
            return True
        if node.meaning == ("by",) and self._is_agent(index):
            sequence.drop(index)
            return True
        if node.meaning == ("by",) and sequence.at(index + 1, "condition"):
            sequence.drop(index)
            return True
        operand = sequence.at(index + 1, "column", "table", "measure")
        distinct = sequence.at(index + 1, "distinct")
        last = index + 1
        if distinct:
            operand, last = sequence.at(index + 2, "column", "table"), index + 2
        if operand is None:
            raise Misfit("a group by nothing")
        if operand.kind == "table":
            terms = shown_columns(self.schema, operand.ref[0])
        else:
            terms = [operand.terms[0] if operand.terms else column_term(operand)]
        made = Node("key", 0, 0, frozenset(), operand.ref, terms=terms, meaning=node.meaning)
        sequence.replace(index, last, made)
        made.terms = [with_words(terms[0], made.words), *terms[1:]]
        second = sequence.at(index + 1, "column")
        if second is not None and set(sequence.gap(index)) <= {"and", "和", "及"} and sequence.gap(index) and operand.kind == "column":
            sequence.replace(index, index + 1, made)
            made.terms.append(column_term(second))
        return True

    def _is_agent(self, index: int) -> bool:
        """True for the agent of a passive verb: written by, received by."""
        start = self.sequence.nodes[index].start
        before = self.sequence.tokens[start - 1].text.lower() if start else ""
        return words.is_verb_form(before) and words.stem(before) not in ("order", "sort", "group", "rank")

    # --- times --------------------------------------------------------------------------------------------------

    def _period(self, index: int) -> bool:
        sequence = self.sequence
        node = sequence.at(index, "period")
        if node is None or node.anchor is None or node.anchor.period is None:
            return False
        period = node.anchor.period
        neighbours = [place for place in (index - 1, index + 1) if self._may_date(place)]
        first = last = index
        if neighbours and len(sequence.gap(min(neighbours[0], index))) <= 2:
            ref = sequence.nodes[neighbours[0]].ref
            first, last = min(neighbours[0], index), max(neighbours[0], index)
        else:
            ref = self._date_column(index)
        if period.relative and period.begin and period.end:
            last_day = period.end.fromordinal(period.end.toordinal() - 1)
            self.assumptions.append(f"{node.text or 'the time'} is {period.begin} to {last_day}")
        column = self.schema.column(ref)
        if column.kind == "number":
            whole = all(day is None or (day.month, day.day) == (1, 1) for day in (period.begin, period.end))
            if not whole:
                raise Misfit("a part of a year where only years are kept")
            begin, end = (float(day.year) if day else None for day in (period.begin, period.end))
            if begin is not None and end == begin + 1:
                condition = Condition("in", Column(ref), (begin,))
            elif begin is not None and end is not None:
                condition = Condition("between", Column(ref), (begin, end - 1))
            else:
                condition = Condition(">=", Column(ref), (begin,)) if begin is not None else Condition("<", Column(ref), (end or 0.0,))
        elif period.begin and period.end:
            condition = Condition("period", Column(ref), (period.begin, period.end))
        else:
            open_end = period.end is None
            day = period.begin if open_end else period.end
            assert day is not None
            condition = Condition(">=" if open_end else "<", Column(ref), (day,))
        self._put(first, last, condition)
        return True

    def _may_date(self, place: int) -> bool:
        node = self.sequence.at(place, "column")
        if node is None:
            return False
        column = self.sequence.column(node)
        return column.kind == "date" or (column.kind == "number" and column.words[-1:] == ("year",))

    def _date_column(self, index: int) -> Ref:
        """The date of the event that is named nearest before a time, else behind it."""
        sequence = self.sequence
        buckets = [term for node in sequence.nodes for term in node.terms if isinstance(term, Bucket)]
        if buckets:
            return buckets[0].ref
        for place in [*reversed(range(index)), *range(index + 1, len(sequence.nodes))]:
            node = sequence.nodes[place]
            for table in _tables_of(node):
                found = self._dates(table)
                if found:
                    return found
        raise Misfit("no date that the time may be of")

    def _dates(self, table: int) -> Ref | None:
        """The date column of a table that says when its rows happened."""
        own = {*self.schema.tables[table].words, "date", "time", "day", "at", "on", "timestamp", "datetime"}
        ranked: list[tuple[int, Ref]] = []
        for n, column in enumerate(self.schema.tables[table].columns):
            is_year = column.kind == "number" and column.words[-1:] == ("year",)
            if column.kind == "date" or is_year:
                rest = set(column.words) - own - ({"year"} if is_year else set())
                birth = bool(rest & {"birth", "born", "birthday"})
                ranked.append((3 if birth else 0 if not rest else 1 if rest & {"create", "created"} else 2, (table, n)))
        ranked.sort()
        if not ranked or ranked[0][0] == 3:
            return None
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            raise Misfit("several dates that may be meant")
        if ranked[0][0] == 2 and len(ranked) > 1:
            self.plausibility *= 0.8
        return ranked[0][1]

    # --- negation -----------------------------------------------------------------------------------------------

    def _negation(self, index: int) -> bool:
        sequence = self.sequence
        node = sequence.at(index, "not", "except")
        if node is None:
            return False
        following = sequence.at(index + 1, "condition", "column", "table")
        if following is None:
            raise Misfit("a negation of nothing")
        if following.kind == "condition" and following.condition is not None:
            named = self._scope(index)
            if node.kind == "not" and any(sequence.nodes[place].kind == "table" for place in named):
                return self._absence(index, named)
            self._put(index, index + 1, replace(following.condition, negated=not following.condition.negated))
        elif following.kind == "column" and self._is_event(following):
            sequence.nodes[index + 1] = replace(following, kind="table", ref=(following.ref[0], -1))
            return self._absence(index, self._scope(index))
        elif following.kind == "column":
            if node.kind == "except":
                raise Misfit("an exception that is no value")
            if self._may_count_as_table(following):
                raise Misfit("a negated name")
            self._put(index, index + 1, Condition("null", Column(following.ref)))
        else:
            return self._absence(index, self._scope(index))
        return True

    def _may_count_as_table(self, node: Node) -> bool:
        return not self.schema.column(node.ref).nullable

    def _is_event(self, node: Node) -> bool:
        """True for a date named by a verb, of other rows than those that are asked for: never used, not ordered."""
        first = next((other for other in self.sequence.nodes if other.kind == "table"), None)
        return self.sequence.is_date(node) and first is not None and first.ref[0] != node.ref[0]

    def _scope(self, index: int) -> list[int]:
        """The places that a negation reaches: up to a conjunction."""
        sequence = self.sequence
        places = []
        for place in range(index + 1, len(sequence.nodes)):
            if places and set(sequence.before(place)) & _STOPS:
                break
            if sequence.nodes[place].kind not in ("condition", "table"):
                break
            places.append(place)
        return places

    def _absence(self, index: int, places: list[int]) -> bool:
        """No rows of these tables that fulfil these conditions."""
        sequence = self.sequence
        nodes = [sequence.nodes[place] for place in places]
        tables = tuple(dict.fromkeys(node.ref[0] for node in nodes if node.kind == "table"))
        inner = tuple(node.condition for node in nodes if node.condition is not None)
        self._put(index, places[-1], Condition("exists", negated=True, tables=tables, inner=inner))
        return True


def _tables_of(node: Node) -> list[int]:
    if node.kind in ("table", "column"):
        return [node.ref[0]]
    found: list[int] = []
    for term in node.terms:
        match term:
            case Aggregate(argument=Related(aggregate=inner)):
                found.append(inner.table)
            case Column() | Bucket() | Aggregate():
                found.append(term.table)
            case _:
                pass
    if node.condition is not None:
        match node.condition.term:
            case Aggregate(table=table):
                found.append(table)
            case _:
                found += node.condition.tables
    return found


def _comparison(bound: Node, term: Term) -> Condition:
    op = bound.meaning[0]
    return Condition("in" if op == "=" else op, term, bound.values)


def _in_list(gap: list[str]) -> bool:
    return bool(set(gap) & {"and", ",", "or", "和", "、", "，"})
