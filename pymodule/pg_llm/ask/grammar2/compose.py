"""From rewritten nodes to a logical form: the ten common forms of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar2.form import Aggregate, Bucket, Column, Condition, Form, Related, Share, Term, merged
from pg_llm.ask.grammar2.nodes import Misfit, Node, Sequence_, column_term, shown_columns, with_words
from pg_llm.ask.grammar2.rules import Rules

_PERSON_WORDS = {"who", "whom", "whose", "谁"}
_ADDING = {"with", "and", "their", "its", ",", "including", "plus", "show", "give", "include", "together"}
_PLACES = {"city", "country", "state", "address", "location", "region", "place", "street"}
_BOUNDARY = {"who", "that", "which", "is", "are", "was", "were", "have", "has", "had", "been", "did", "does", "do"}


def compose(sequence: Sequence_) -> Form:
    """The form of a question's nodes. Raises Misfit where they do not compose, or one is left over."""
    quotient = sequence.find("quotient")
    if quotient is not None:
        return _quotient(sequence, quotient)
    clause, requests = _sentences(sequence)
    form = _clause(clause)
    if requests.nodes:
        add_requests(form, requests)
    return form


def _clause(sequence: Sequence_) -> Form:
    rules = Rules(sequence)
    mentioned = frozenset(node.ref[0] for node in sequence.nodes if node.kind == "table")
    ratio = _taken(sequence, "ratio")
    boundary = _boundary(sequence, ratio[0]) if ratio else None
    rules.apply()
    form = _Composer(sequence).form(ratio, boundary)
    form.mentioned = mentioned
    form.named |= sequence.dropped
    form.assumptions += rules.assumptions
    form.plausibility *= rules.plausibility
    return form


def _sentences(sequence: Sequence_) -> tuple[Sequence_, Sequence_]:
    """The first sentence that has nodes, and what follows it: Show the name and the number."""
    ends = [n for n, token in enumerate(sequence.tokens) if token.kind == "punct" and token.text in "?.;\uff1f\u3002"]
    end = next((n for n in ends if any(node.end <= n for node in sequence.nodes)), len(sequence.tokens))
    return (
        Sequence_([node for node in sequence.nodes if node.end <= end], sequence.tokens[:end], sequence.schema),
        Sequence_([node for node in sequence.nodes if node.start > end], sequence.tokens, sequence.schema),
    )


def _quotient(sequence: Sequence_, place: int) -> Form:
    """The ratio of one number to another."""
    node = sequence.nodes[place]
    between = [n for n, token in enumerate(sequence.tokens) if n > node.end and token.text.lower() in ("to", "and")]
    if place or not between:
        raise Misfit("a ratio of nothing")
    middle = next((n for n in between if sequence.tokens[n].text.lower() == "to"), between[0])
    sides = []
    for nodes in ([one for one in sequence.nodes[1:] if one.end <= middle], [one for one in sequence.nodes if one.start > middle]):
        tokens = sequence.tokens[:middle] if not sides else sequence.tokens
        sides.append(_number(_clause(Sequence_(nodes, tokens, sequence.schema))))
    top, bottom = sides
    if top.main == bottom.main and len(bottom.where) > max(1, len(top.where)):
        raise Misfit("a condition on one side or on both")
    if len(bottom.where) == 1 and not top.where:
        raise Misfit("a condition on one side or on both")
    top.divisor = bottom
    top.named |= node.words
    return top


def _number(form: Form) -> Form:
    """The form if it has one value; of rows their number."""
    if form.group or form.order or len(form.select) != 1 or form.having:
        raise Misfit("a ratio of several values")
    if isinstance(form.select[0], Column) and form.select[0].words:
        if not form.where:
            raise Misfit("a ratio of columns")
    elif isinstance(form.select[0], Column):
        form.select = [Aggregate("count", form.main)]
        form.distinct = False
    return form


def _taken(sequence: Sequence_, kind: str) -> list[Node]:
    return sequence.remove(*(n for n, node in enumerate(sequence.nodes) if node.kind == kind))


def _boundary(sequence: Sequence_, ratio: Node) -> int | None:
    """The place of the word that separates a share's base from its part: share of orders in 2025 that were returned."""
    first = next((node for node in sequence.nodes if node.start >= ratio.end and node.kind in ("table", "column")), None)
    if first is None:
        return None
    words = [(n, token.text.lower()) for n, token in enumerate(sequence.tokens) if n >= first.end]
    return next((n for n, word in words if word in _BOUNDARY), None)


def add_requests(form: Form, requests: Sequence_) -> None:
    """What a second sentence asks to show, and in which order."""
    Rules(requests).apply()
    form.named |= requests.dropped
    shown = [term.ref for term in form.select if isinstance(term, Column)]
    columns: list[Term] = []
    for node in requests.nodes:
        if node.kind == "table" and node.ref[0] in {form.main, *form.mentioned}:
            form.named |= node.words
        elif node.kind == "column":
            if node.ref in shown:
                form.named |= node.words
            elif form.group or node.ref[0] not in {form.main, *form.mentioned}:
                raise Misfit("a column that the answer has no place for")
            columns.append(column_term(node))
        elif node.kind == "measure":
            _known(form, node)
        elif node.kind == "order" and not form.order:
            if node.terms and isinstance(node.terms[0], Aggregate):
                _known(form, node)
            form.order = (node.terms[0] if node.terms else form.select[0], node.descending)
            form.named |= node.words
        else:
            raise Misfit("a second question")
    new = [column for column in columns if isinstance(column, Column) and column.ref not in shown]
    if new and not form.group:
        adds = {"include", "also", "including", "together", "along"} & {token.text.lower() for token in requests.tokens}
        explicit = {column.ref for column in columns if isinstance(column, Column)}
        form.select = [*form.select, *new] if adds or explicit & set(shown) else columns
        form.distinct = False


def _known(form: Form, node: Node) -> None:
    """A measure that the answer has, or is ordered by, already."""
    for term in node.terms:
        if form.order and (term == form.order[0] or (isinstance(form.order[0], Related) and term == form.order[0].aggregate)):
            if form.order[0] not in form.select:
                form.select.append(form.order[0])
        elif term not in form.select:
            raise Misfit("a second measure")
    form.named |= node.words


def _aggregate(node: Node) -> Aggregate | None:
    """The aggregate that a node orders or compares by."""
    term = node.condition.term if node.condition else node.terms[0] if node.terms else None
    term = term.aggregate if isinstance(term, Related) else term
    return term if isinstance(term, Aggregate) else None


class _Composer:
    def __init__(self, sequence: Sequence_) -> None:
        self._sequence, self._schema = sequence, sequence.schema
        self._mentions: list[Node] = []
        self._spans = list(sequence.nodes)
        # Whether the question says which columns it wants.
        self._explicit = False

    def form(self, ratio: Sequence[Node], boundary: int | None) -> Form:
        """The form of all nodes."""
        sequence = self._sequence
        conditions = _taken(sequence, "condition")
        keys = _taken(sequence, "key")
        orders = _taken(sequence, "order")
        measures = _taken(sequence, "measure")
        distinct = _taken(sequence, "distinct")
        asked = _taken(sequence, "when") + _taken(sequence, "where")
        if len(keys) > 1 and any(key.ref[1] < 0 and not isinstance(key.terms[0], Bucket) for key in keys):
            raise Misfit("a number per row and per group")
        rest = list(sequence.nodes)
        self._mentions = [node for node in rest if node.kind == "table"]
        if any(node.kind not in ("table", "column") for node in rest):
            raise Misfit("left over: " + next(node.kind for node in rest if node.kind not in ("table", "column")))
        if len(orders) > 1 or len(ratio) > 1 or (ratio and (keys or orders or measures)):
            raise Misfit("two heads")
        if ratio:
            form = self._share(ratio[0], boundary, conditions, rest)
        elif measures and orders and not keys and rest and orders[0].meaning[0] == "top":
            form = self._listed(orders, rest, conditions)
            for node in measures:
                _known(form, node)
        elif measures:
            form = self._measured(measures, keys, orders, rest)
        elif keys:
            form = self._counted(keys, orders, rest)
        else:
            form = self._listed(orders, rest, conditions)
        if not ratio:
            self._attach(form, conditions, orders)
        for node in asked:
            self._asked(form, node)
        if distinct:
            if form.group or not all(isinstance(term, Column) for term in form.select):
                raise Misfit("different what")
            form.distinct = True
            form.named |= merged([node.words for node in distinct])
        return form

    # --- heads --------------------------------------------------------------------------------------------------

    def _share(self, ratio: Node, boundary: int | None, conditions: Sequence[Node], rest: Sequence[Node]) -> Form:
        """What share of rows fulfils a condition."""
        if not rest or rest[0].kind != "table":
            raise Misfit("a share of nothing")
        if not conditions and len(rest) == 2 and rest[1].kind == "table":
            words = rest[1].words
            conditions = [replace(rest[1], condition=Condition("exists", tables=(rest[1].ref[0],), words=words))]
            rest = rest[:1]
        if not conditions:
            raise Misfit("a share of nothing")
        table = rest[0].ref[0]
        first = rest[0].start if boundary is None else boundary
        part = [node for node in conditions if node.start >= first]
        base = [node for node in conditions if node.start < first]
        if not part:
            part, base = base, part
        share = Share(
            Aggregate("count", table, words=rest[0].words),
            tuple(self._related(table, node.condition) for node in part if node.condition),
            int(ratio.meaning[0]),
            ratio.words,
        )
        form = Form(table, [share], [node.condition for node in base if node.condition])
        self._mention(form, rest[1:])
        return form

    def _measured(self, measures: Sequence[Node], keys: Sequence[Node], orders: Sequence[Node], rest: Sequence[Node]) -> Form:
        """How many, how much, on average; for each key, in an order by it."""
        terms = [term for node in measures for term in node.terms]
        columns = [node for node in rest if node.kind == "column"]
        tables = [node for node in rest if node.kind == "table"]
        first = terms[0]
        if isinstance(first, Aggregate) and isinstance(first.argument, Related):
            return self._average_count(first, keys, orders, rest)
        if not isinstance(first, Aggregate) or any(isinstance(term, Aggregate) and term.table != first.table for term in terms):
            raise Misfit("measures of several tables")
        if columns:
            raise Misfit("a column beside a measure")
        form = Form(first.table)
        for key in keys:
            self._group(form, key)
        form.select += terms
        for order in orders:
            term = order.terms[0] if order.terms else form.select[0]
            if order.meaning[0] == "top" and not keys:
                raise Misfit("the first of one row")
            form.order = (term, order.descending)
            form.limit = (order.limit or 1) if order.meaning[0] == "top" else None
            form.ties = order.limit is None and form.limit is not None
        self._mention(form, tables)
        return form

    def _average_count(self, term: Aggregate, keys: Sequence[Node], orders: Sequence[Node], rest: Sequence[Node]) -> Form:
        """The average number of rows per row of another table; rows without any count as 0."""
        assert isinstance(term.argument, Related)
        if len(keys) == 1 and not rest and not orders and isinstance(keys[0].terms[0], Column):
            owner, words = keys[0].terms[0].ref[0], keys[0].words
            if keys[0].ref[1] >= 0:
                raise Misfit("an average per value")
        elif len(rest) == 1 and rest[0].kind == "table" and not keys and not orders:
            owner, words = rest[0].ref[0], rest[0].words
        else:
            raise Misfit("an average number without its unit")
        form = Form(owner, [replace(term, table=owner)])
        form.named = words
        name = self._schema.tables[owner].name
        form.assumptions.append(f"rows of {name} without any count as 0")
        return form

    def _counted(self, keys: Sequence[Node], orders: Sequence[Node], rest: Sequence[Node]) -> Form:
        """Rows per key: tickets per channel; the highest salary per department."""
        if len(orders) == 1 and orders[0].meaning[0] == "top" and orders[0].limit is None and not rest:
            term = orders[0].terms[0]
            if isinstance(term, Column):
                function = "max" if orders[0].descending else "min"
                form = Form(term.table, [])
                for key in keys:
                    self._group(form, key)
                form.select.append(Aggregate(function, term.table, term, words=orders[0].words))
                return form
        if orders or len(rest) != 1 or rest[0].kind != "table" or len(keys) != 1:
            raise Misfit("keys without a measure")
        form = Form(rest[0].ref[0], plausibility=0.9 if keys[0].meaning == ("each",) else 0.8)
        self._group(form, keys[0])
        form.select.append(Aggregate("count", form.main, words=rest[0].words))
        form.assumptions.append(f"the number of rows of {self._schema.tables[form.main].name}")
        return form

    def _group(self, form: Form, key: Node) -> None:
        """Group by a key: for rows of a table by their key too, as two rows may have one name."""
        terms = list(key.terms)
        if any(isinstance(term, Aggregate | Related) for term in terms):
            raise Misfit("a group by a measure")
        if key.ref[1] >= 0 or isinstance(terms[0], Bucket):
            form.select += terms
            form.group += terms
            return
        table = key.ref[0]
        edge = self._schema.reference_edge(form.main, table)
        if edge is not None and len(terms) == 1 and isinstance(terms[0], Column) and [b for _, b in edge.columns] == [terms[0].ref[1]]:
            # The rows themselves hold what names the group.
            local = Column((form.main, edge.columns[0][0]), key.words)
            form.select.append(local)
            form.group.append(local)
            return
        form.select += terms
        form.group += [*(Column((table, column)) for column in self._schema.identity_columns(table)), *terms]

    def _listed(self, orders: Sequence[Node], rest: Sequence[Node], conditions: Sequence[Node]) -> Form:
        """Rows, or columns of them, in an order."""
        sequence = self._sequence
        order = orders[0] if orders else None
        asked = [token.text.lower() for token in sequence.tokens]
        if not rest and order is not None:
            return self._extreme(order, bool(set(asked) & _PERSON_WORDS))
        if not rest:
            raise Misfit("nothing to show")
        tables = [node for node in rest if node.kind == "table"]
        columns = [node for node in rest if node.kind == "column"]
        target = (tables[-1] if sequence.chinese else tables[0]) if tables else None
        if target is None:
            return self._columns(columns, order, conditions)
        ahead = [node for node in columns if node.start < target.start]
        form = Form(target.ref[0], named=target.words)
        if ahead and all(node.ref[0] == ahead[0].ref[0] for node in ahead) and not sequence.chinese:
            form.main = ahead[0].ref[0]
            if form.main != target.ref[0]:
                form.tables.append(target.ref[0])
        for node in columns:
            if node not in ahead and not sequence.chinese and not self._is_added(node):
                raise Misfit("a column that nothing is done with")
        if columns and (ahead or sequence.chinese):
            if len(ahead) < len(columns) and not sequence.chinese:
                raise Misfit("columns on both sides of what has them")
            form.select = [column_term(node) for node in columns]
            self._explicit = True
        elif columns:
            form.select = [*self._shown(form.main), *(column_term(node) for node in columns)]
        else:
            form.select = self._shown(form.main)
        self._sorted(form, order)
        self._mention(form, [node for node in tables if node is not target])
        return form

    def _columns(self, columns: Sequence[Node], order: Node | None, conditions: Sequence[Node]) -> Form:
        """Columns without the name of their table: the capacity of Pilates; which cities have ….."""
        tables = list(dict.fromkeys(node.ref[0] for node in columns))
        form = Form(tables[0], [column_term(node) for node in columns])
        first = columns[0]
        entity = self._schema.names_row(first.ref) or self._schema.column(first.ref).unique
        term = order.terms[0] if order and order.terms else None
        grouped = [node.condition for node in conditions if node.condition and isinstance(node.condition.term, Aggregate)]
        if len(columns) == 1 and not entity and (isinstance(term, Aggregate) or grouped):
            table = term.table if isinstance(term, Aggregate) else grouped[0].term.table  # type: ignore[union-attr]
            form = Form(table, list(form.select), group=list(form.select))
            self._sorted(form, order)
            return form
        if len(tables) == 1 and not entity and not order:
            form.distinct = True
        self._sorted(form, order)
        return form

    def _extreme(self, order: Node, person: bool) -> Form:
        """The highest salary; who has the highest salary."""
        term = order.terms[0]
        if not isinstance(term, Column):
            raise Misfit("a superlative of nothing")
        if person:
            if not self._schema.has_persons(term.table) and not self._schema.display_columns(term.table):
                raise Misfit("no person")
            form = Form(term.table, self._shown(term.table), plausibility=0.95)
            self._sorted(form, order)
            return form
        if order.meaning[0] != "top" or order.limit is not None:
            raise Misfit("an order of nothing")
        function = "max" if order.descending else "min"
        return Form(term.table, [Aggregate(function, term.table, Column(term.ref), words=order.words)])

    def _sorted(self, form: Form, order: Node | None) -> None:
        if order is None:
            return
        if not order.terms and not form.select:
            raise Misfit("an order of nothing")
        term = order.terms[0] if order.terms else form.select[0]
        if not form.group:
            if isinstance(term, Aggregate):
                if term.table == form.main:
                    raise Misfit("a measure of single rows")
                if isinstance(term.argument, Related):
                    raise Misfit("an order by an average count")
                term = Related(replace(term, words=frozenset()), words=term.words)
            elif isinstance(term, Column) and term.table != form.main and self._fans(form.main, term.table):
                # Top customers by amount are those with the largest sum; the customer with the highest amount has a row with it.
                summed = order.meaning == ("top", "by") and self._schema.column(term.ref).is_measure
                function = "sum" if summed else "max" if order.descending else "min"
                term = Related(Aggregate(function, term.table, term), words=term.words)
                form.plausibility *= 0.85 if summed else 1.0
        form.order = (with_words(term, order.words), order.descending)
        if order.meaning[0] == "top":
            form.limit, form.ties = order.limit or 1, order.limit is None
            if order.limit is not None and form.order[0] not in form.select and not self._explicit:
                form.select.append(form.order[0])
            if isinstance(term, Related) and term.aggregate.function == "count":
                form.plausibility *= 1.0 if order.descending else 0.6
        if form.distinct:
            form.distinct = False

    def _is_added(self, node: Node) -> bool:
        """True for a column that is to be shown too: with their cities, and the price."""
        start = max((one.end for one in self._spans if one.end <= node.start), default=0)
        return bool({token.text.lower() for token in self._sequence.tokens[start : node.start]} & _ADDING)

    def _asked(self, form: Form, node: Node) -> None:
        """When asks for a date and where for a place, which must be among the columns."""
        columns = [self._schema.column(term.ref) for term in form.select if isinstance(term, Column)]
        fits = any(column.kind == "date" if node.kind == "when" else _PLACES & set(column.words) for column in columns)
        if not fits:
            raise Misfit(f"{node.kind} is not answered")
        form.named |= node.words

    # --- parts --------------------------------------------------------------------------------------------------

    def _shown(self, table: int) -> list[Term]:
        return shown_columns(self._schema, table)

    def _mention(self, form: Form, tables: Sequence[Node]) -> None:
        """Tables that are named besides: their rows are related to those that are asked for."""
        for node in tables:
            if node.kind != "table":
                raise Misfit("a column that nothing is done with")
            form.named |= node.words
            if node.ref[0] != form.main:
                form.tables.append(node.ref[0])

    def _attach(self, form: Form, conditions: Sequence[Node], orders: Sequence[Node]) -> None:
        """Each condition restricts the rows of the named table that is nearest to it, by keys and then by words.

        So do tables that are named: papers by authors from a domain.
        """
        counted = {
            term.table: node
            for node in [*conditions, *orders]
            if (term := _aggregate(node)) and term.table != form.main and (node.condition or not form.group)
        }
        places = {node.ref[0]: node.start for node in reversed(self._mentions)}
        places |= {table: node.start for table, node in counted.items()}
        places.pop(form.main, None)
        parts: dict[int, list[Condition]] = {table: [] for table in [form.main, *places]}
        for node in conditions:
            if node.condition is None or _aggregate(node):
                continue
            table = node.condition.term.ref[0] if isinstance(node.condition.term, Column) else form.main
            parts[table if table in parts else self._nearest(form.main, table, node.start, places)].append(node.condition)
        for table, start in sorted(places.items(), key=lambda pair: -pair[1]):
            before = {other: place for other, place in places.items() if place < start}
            parent = self._nearest(form.main, table, start, before)
            if table in counted:
                self._count_related(form, counted[table], table, tuple(parts[table]))
            elif self._fans(parent, table):
                parts[parent].append(Condition("exists", tables=(table,), inner=tuple(parts[table])))
            else:
                parts[parent] += parts[table] or self._referenced(parent, table)
        form.where += parts[form.main]
        form.tables = []
        for node in conditions:
            if node.condition is not None and (term := _aggregate(node)) and term.table == form.main:
                self._on_groups(form, node.condition)

    def _referenced(self, source: int, target: int) -> list[Condition]:
        """Rows that are named with those that they reference do reference one."""
        edge = self._schema.reference_edge(source, target)
        columns = [] if edge is None else [(source, a) for a, _ in edge.columns]
        return [Condition("null", Column(ref), negated=True) for ref in columns if self._schema.column(ref).nullable]

    def _count_related(self, form: Form, node: Node, table: int, parts: tuple[Condition, ...]) -> None:
        """The conditions on rows that are counted or summed restrict which of them are."""
        if node.condition is not None:
            term = Related(self._related(form.main, node.condition).term.aggregate, parts)  # type: ignore[union-attr]
            form.where.append(replace(node.condition, term=term))
        elif form.order and isinstance(form.order[0], Related):
            old = form.order[0]
            new = replace(old, conditions=parts)
            form.order = (new, form.order[1])
            form.select = [new if each == old else each for each in form.select]
            if old.aggregate.function == "count":
                form.where.append(Condition("exists", tables=(table,), inner=parts))

    def _on_groups(self, form: Form, condition: Condition) -> None:
        """A condition on the number of rows of each group."""
        if not form.group:
            raise Misfit("a condition on a measure of single rows")
        form.having.append(condition)

    def _nearest(self, main: int, table: int, start: int, places: dict[int, int]) -> int:
        """The named table with the cheapest join to a table; of several the one named last before it."""
        ranked = []
        for other, place in {main: -1, **places}.items():
            tree = self._schema.join_tree([other, table])
            if tree is not None:
                ranked.append((tree[1], place > start, abs(start - place), other))
        return min(ranked)[3] if ranked else main

    def _fans(self, main: int, table: int) -> bool:
        tree = self._schema.join_tree([main, table])
        if tree is None:
            raise Misfit("not connected")
        return self._schema.fans_out(tree[0], main)

    def _related(self, main: int, condition: Condition) -> Condition:
        if not isinstance(condition.term, Aggregate):
            return condition
        if condition.term.table == main:
            raise Misfit("a measure of single rows")
        if isinstance(condition.term.argument, Related):
            raise Misfit("a condition on an average count")
        return replace(condition, term=Related(condition.term))
