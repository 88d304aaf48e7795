"""From the rewritten nodes of a clause to its logical form, by what the clause asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask import words
from pg_llm.ask.grammar.attachment import attach, related, repeats
from pg_llm.ask.grammar.clause import NO_REF, Clause, Misfit, Node, shown_columns, with_words
from pg_llm.ask.grammar.logical_form import NO_WORDS, Aggregate, Bucket, Column, Condition, Form, Related, Share, Term
from pg_llm.ask.schema import Schema

_PERSON_WORDS = {"who", "whom", "whose", "谁"}
# Words before a column that is to be shown too.
_ADDING = {"with", "and", "their", "its", ",", "including", "plus", "show", "give", "include", "together"}
# Words between two names of which both are to be shown.
_LISTING = {"and", ",", "the", "all"}


class Head:
    """The form of one clause, of whose nodes none may be left over."""

    def __init__(self, clause: Clause, ratios: Sequence[Node]) -> None:
        self._clause, self._schema = clause, clause.schema
        self._spans = list(clause.nodes)
        self._conditions = clause.take("condition")
        self._keys = clause.take("key")
        self._orders = clause.take("order", "sort")
        self._measures = clause.take("measure")
        self._ratios = ratios
        self._rest = list(clause.nodes)
        # Whether the question says which columns it wants.
        self._explicit = False

    def form(self) -> Form:
        """The form of all nodes. Raises Misfit where one is left over."""
        other = next((node for node in self._rest if node.kind not in ("table", "column")), None)
        if other is not None:
            raise Misfit(f"left over: {other.text or other.kind}")
        ratios, keys, orders, measures = self._ratios, self._keys, self._orders, self._measures
        if len(orders) > 1 or len(ratios) > 1 or (ratios and (orders or measures)):
            raise Misfit("two heads")
        if len(keys) > 1 and any(key.ref[1] < 0 and not self._is_listed(key) for key in keys):
            raise Misfit("a number per row and per group")
        if ratios:
            form = self._share(ratios[0])
        elif measures:
            self._check_measure(measures[0])
            form = self._measured()
        elif keys:
            form = self._counted()
        else:
            form = self._listed()
        if not ratios:
            mentions = [node for node in self._rest if node.kind == "table"]
            attach(self._schema, form, mentions, self._conditions, orders)
        return form

    def _is_listed(self, key: Node) -> bool:
        """True for a group of time, or one with `and` between it and another group: per hotel and title."""
        beside = [one for one in self._keys if one.start == key.end + 1 or one.end + 1 == key.start]
        joined = (self._clause.tokens[min(key.end, one.end)].text.lower() for one in beside)
        return isinstance(key.term, Bucket) or "and" in joined

    def _check_measure(self, measure: Node) -> None:
        """Raise Misfit for a measure of two tables' rows, and for one beside what it is not grouped by."""
        ahead = any(node.end <= measure.start for node in self._rest)
        if any(node.start > measure.start and "and" in self._words_before(node) for node in self._rest):
            raise Misfit("a second measure")
        if not self._keys and ahead and _ADDING & set(self._words_before(measure)):
            raise Misfit("a number beside rows")

    def _share(self, ratio: Node) -> Form:
        """What share of rows fulfils a condition."""
        rest, conditions = self._rest, self._conditions
        if not rest or rest[0].kind != "table":
            raise Misfit("a share of nothing")
        table = rest[0].ref[0]
        if not conditions and len(rest) == 2 and rest[1].kind == "table":
            exists = Condition("exists", tables=(rest[1].ref[0],), words=rest[1].words)
            conditions, rest = [replace(rest[1], condition=exists)], rest[:1]
        if not conditions:
            raise Misfit("a share of nothing")
        rate = [node for node in conditions if node.end == ratio.start]
        part = rate or [node for node in conditions if node.start >= rest[0].start]
        base = [node for node in conditions if node not in part]
        if not part:
            part, base = base, part
        inner = []
        for node in part:
            assert node.condition is not None
            inner.append(
                replace(node.condition, term=related(table, node.aggregate)) if node.aggregate else node.condition
            )
        counted = Aggregate("count", table, words=rest[0].words)
        share = Share(counted, tuple(inner), int(ratio.meaning[0]), ratio.words)
        form = Form(table, where=[node.condition for node in base if node.condition])
        for key in self._keys:
            self._group(form, key)
        form.select.append(share)
        self._mention(form, rest[1:])
        return form

    def _measured(self) -> Form:
        """How many, how much, on average; for each key, in an order by it."""
        terms = [term for node in self._measures for term in node.terms]
        first = terms[0]
        if not isinstance(first, Aggregate):
            raise Misfit("a measure of what is none")
        if any(not isinstance(term, Aggregate) or term.table != first.table for term in terms):
            raise Misfit("measures of several tables")
        form = Form(first.table)
        totals = [node for node in self._measures if node.text.lower().startswith("total")]
        if first.function == "avg" and totals and any(key.ref[1] < 0 for key in self._keys):
            raise Misfit("an average of totals")
        for key in self._keys:
            if key.ref[1] < 0 and key is not self._keys[0] and repeats(self._schema, form.main, key.ref[0]):
                raise Misfit("a number in several groups")
            if key.ref == (form.main, -1) and first.function == "count":
                raise Misfit("a number for each single row")
            if key.ref == (form.main, -1) and first.function == "avg":
                # The average per order is one of orders.
                form.named |= key.words
            else:
                self._group(form, key)
        form.select += terms
        for order in self._orders:
            if order.meaning[0] == "top" and not self._keys:
                raise Misfit("the first of one row")
            self._sort(form, order)
        self._mention(form, self._rest)
        return form

    def _counted(self) -> Form:
        """Rows per key: tickets per channel; the highest salary per department."""
        keys, orders, rest = self._keys, self._orders, self._rest
        said = {token.text.lower() for token in self._clause.tokens}
        if orders or len(rest) != 1 or rest[0].kind != "table" or said & {*_PERSON_WORDS, "which", "哪"}:
            raise Misfit("groups without a measure")
        by = [term.ref for key in keys if key.meaning == ("by",) for term in key.terms if isinstance(term, Column)]
        if any(self._schema.column(ref).is_measure for ref in by):
            # Employees by salary may be in that order.
            raise Misfit("a group by a number")
        form = Form(rest[0].ref[0], plausibility=0.9 if keys[0].meaning == ("each",) else 0.8)
        for key in keys:
            self._group(form, key)
        form.select.append(Aggregate("count", form.main, words=rest[0].words))
        form.assumptions.append(f"the number of rows of {self._schema.tables[form.main].name}")
        return form

    def _group(self, form: Form, key: Node) -> None:
        """Group by a key: for rows of a table by their key too, as two rows may have one name."""
        terms = list(key.terms)
        if any(isinstance(term, Aggregate | Related) for term in terms):
            raise Misfit("a group by a measure")
        identity: list[Term] = []
        if key.ref[1] < 0 and not isinstance(terms[0], Bucket):
            table = key.ref[0]
            edge = self._schema.reference_edge(form.main, table)
            named = terms[0].ref[1] if len(terms) == 1 and isinstance(terms[0], Column) else None
            if edge is not None and [b for _, b in edge.columns] == [named]:
                # The rows themselves hold what names the group.
                terms = [Column((form.main, edge.columns[0][0]), key.words)]
            else:
                identity = [Column((table, column)) for column in self._schema.identity_columns(table)]
        form.select += terms
        form.group += [*identity, *terms]

    def _listed(self) -> Form:
        """Rows, or columns of them, in an order."""
        order = self._orders[0] if self._orders else None
        tables = [node for node in self._rest if node.kind == "table"]
        columns = [node for node in self._rest if node.kind == "column"]
        if not tables and not columns:
            return self._extreme(order)
        if not tables:
            return self._columns(columns, order)
        chinese = self._clause.chinese
        target = tables[-1] if chinese else tables[0]
        for behind in () if chinese else tables[1:]:
            # Of nouns side by side the last one is the head: customer orders are orders.
            target = behind if behind.start == target.end else target
        said = target.text.lower()
        if words.is_verb_form(said) and {token.text.lower() for token in self._clause.tokens} & _PERSON_WORDS:
            raise Misfit("a verb is nobody")
        form = Form(target.ref[0], named=target.words)
        owner = self._clause.tokens[target.end - 1].is_genitive
        ahead = [node for node in columns if owner or node.start < target.start]
        if ahead and len({node.ref[0] for node in ahead}) == 1 and not chinese:
            form.main = ahead[0].ref[0]
        if not chinese and not all(node in ahead or self._is_added(node) for node in columns):
            raise Misfit("a column that nothing is done with")
        if ahead and len(ahead) < len(columns) and not chinese:
            raise Misfit("columns on both sides of what has them")
        self._explicit = bool(columns) and (bool(ahead) or chinese)
        form.select = [] if self._explicit else shown_columns(self._schema, form.main)
        form.select += [Column(node.ref, node.words) for node in columns]
        others = [node for node in tables if node is not target or node.ref[0] != form.main]
        for node in others:
            between = set(self._words_before(node))
            if between & {"their", "its"} or (between and between <= _LISTING):
                raise Misfit("other rows beside each row")
        if self._explicit and len(columns) == 1 and not order and not self._are_of_one_row():
            # Which values there are, each once.
            column = self._schema.column(columns[0].ref)
            form.distinct = column.kind == "text" and not column.unique and not self._schema.names_row(columns[0].ref)
        self._sort(form, order)
        self._mention(form, others)
        return form

    def _columns(self, columns: Sequence[Node], order: Node | None) -> Form:
        """Columns without the name of their table: the capacity of Pilates; which cities have …."""
        terms: list[Term] = [Column(node.ref, node.words) for node in columns]
        first = columns[0].ref
        entity = self._schema.names_row(first) or self._schema.column(first).unique
        aggregates = [node.aggregate for node in [*self._conditions, *([order] if order else [])] if node.aggregate]
        if len(columns) == 1 and not entity and aggregates:
            form = Form(aggregates[0].table, terms, group=list(terms))
        else:
            several = len({node.ref[0] for node in columns}) > 1
            distinct = not (several or entity or order or self._are_of_one_row())
            form = Form(first[0], terms, distinct=distinct)
        self._sort(form, order)
        return form

    def _are_of_one_row(self) -> bool:
        """True for the values of a row that is named: the grades of Ada."""
        named = (node.ref for node in self._conditions if node.ref[1] >= 0)
        return any(Column(ref) in shown_columns(self._schema, ref[0]) for ref in named)

    def _extreme(self, order: Node | None) -> Form:
        """The highest salary."""
        term = order.term if order else None
        if not order or not isinstance(term, Column) or order.meaning[0] != "top" or order.limit or order.ref != NO_REF:
            raise Misfit("nothing to show")
        return Form(term.table, [Aggregate("max" if order.descending else "min", term.table, term, words=order.words)])

    def _sort(self, form: Form, order: Node | None) -> None:
        if order is None:
            return
        term = order.term or first_term(self._schema, form, order)
        if isinstance(term, Aggregate) and not form.group:
            term = replace(related(form.main, replace(term, words=NO_WORDS)), words=term.words)
        elif isinstance(term, Column) and not form.group and repeats(self._schema, form.main, term.table):
            # Top customers by amount have the largest sum; the customer with the highest amount has a row with it.
            summed = order.meaning == ("top", "by") and self._schema.column(term.ref).is_measure
            function = "sum" if summed else "max" if order.descending else "min"
            term = Related(Aggregate(function, term.table, term), words=term.words)
            form.plausibility *= 0.85 if summed else 1.0
        form.order = (with_words(term, order.words), order.descending)
        form.distinct = False
        if order.meaning[0] == "top":
            form.limit, form.ties = order.limit or 1, order.limit is None
            if order.limit is not None and form.order[0] not in form.select and not self._explicit:
                form.select.append(form.order[0])
            if isinstance(term, Related) and term.aggregate.function == "count" and not order.descending:
                form.plausibility *= 0.6

    def _is_added(self, node: Node) -> bool:
        """True for a column that is to be shown too: with their cities, and the price."""
        return bool(set(self._words_before(node)) & _ADDING)

    def _words_before(self, node: Node) -> list[str]:
        """The words between a node and the one before it."""
        start = max((one.end for one in self._spans if one.end <= node.start), default=0)
        return [token.text.lower() for token in self._clause.tokens[start : node.start]]

    def _mention(self, form: Form, nodes: Sequence[Node]) -> None:
        """Tables that are named besides: their rows are related to those that are asked for."""
        if any(node.kind != "table" for node in nodes):
            raise Misfit("a column that nothing is done with")
        form.named = form.named.union(*(node.words for node in nodes if node.ref[0] == form.main or self._ratios))


def first_term(schema: Schema, form: Form, order: Node) -> Term:
    """What an order goes by that names nothing: the last number that is shown, but the first column by letters."""
    numbers = [t for t in form.select if not isinstance(t, Column | Bucket) or schema.column(t.ref).kind == "number"]
    return numbers[-1] if numbers and "alphabet" not in order.text else form.select[0]
