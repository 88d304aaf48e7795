"""The schema graph that questions are linked to: tables, columns with the words of their names, keys and join edges."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Sequence

from pg_llm.ask import name_prefixes, words
from pg_llm.ask.join_graph import Edge, JoinGraph
from pg_llm.ask.schema_elements import (
    CHINESE_KEY_ENDINGS,
    Metric,
    Ref,
    SchemaColumn,
    SchemaTable,
    name_words,
)

_PERSONAL_NAME_WORDS = {"first", "last", "middle", "full", "given", "family", "nick", "display"}
_GENERIC_NAMES = frozenset(
    """
    id name title description comment status type date year month value note url homepage key code number uuid
""".split()
)
_NAME_WORDS = ("name", "title", "label", "subject", "word", "description", "code")
_CHINESE_NAME_ENDINGS = ("名", "名称", "名字", "标题", "题目")
__all__ = ["DECLARED_COST", "Edge", "Metric", "Ref", "Schema", "SchemaColumn", "SchemaTable"]
_LONGEST_COMMENT = 3
# Columns of categories do not name rows.
_CHINESE_CATEGORY_ENDINGS = ("状态", "类型", "类别", "种类", "性别", "等级", "级别", "方式", *CHINESE_KEY_ENDINGS)
_CATEGORY_WORDS = frozenset(
    """
    status state type kind category class gender sex level grade unit currency
""".split()
)
# Costs of joining along a declared foreign key, one inferred from names, and columns that only share a name.
DECLARED_COST, _INFERRED_COST, _SHARED_COLUMN_COST = 1.0, 1.1, 2.6


class Schema:
    """Tables and the edges along which they can be joined: declared foreign keys and keys inferred from names."""

    def __init__(self, tables: Sequence[SchemaTable], declared: Iterable[Edge] = ()) -> None:
        self.tables = list(tables)
        # What the caller defined over these tables.
        self.metrics: Sequence[Metric] = ()
        self._prefix = self._split_names()
        self.edges = list(declared)
        for table in self.tables:
            if not table.key:
                table.key = _inferred_key(table)
            if len(table.key) == 1:
                table.columns[table.key[0]].unique = True
        self._expand_key_names()
        connected = {frozenset((edge.source, edge.target)) for edge in self.edges}
        self._targets_by_name = self._declared_targets()
        for one, other in itertools.permutations(range(len(self.tables)), 2):
            if frozenset((one, other)) not in connected:
                self.edges += self._inferred_foreign_keys(one, other)
        self.edges = _without_shortcuts(self.edges)
        self._join_graph = JoinGraph(self.edges)

    def _split_names(self) -> str:
        """Set the words of all names without shared prefixes; returns the prefix that tables share."""
        columns = [[column.name.lower() for column in table.columns] for table in self.tables]
        names = [table.name.lower() for table in self.tables]
        later = {part for name in names for part in name.split("_")[1:]}
        prefix = name_prefixes.shared_prefix(
            names, later | {part for column_names in columns for name in column_names for part in name.split("_")}
        )
        for table, column_names in zip(self.tables, columns, strict=True):
            own = name_prefixes.strip_prefix(table.name, prefix)
            table.words = name_words(own)
            shared = name_prefixes.shared_prefix(column_names, {*own.lower().split("_"), *table.words})
            for column in table.columns:
                column.base_name = name_prefixes.strip_prefix(column.name, shared)
                column.words = name_words(column.base_name)
        known_words = {word for table in self.tables for word in table.words if len(word) > 1}
        known_words |= {
            word for table in self.tables for column in table.columns for word in column.words if len(word) > 2
        }
        for table in self.tables:
            elements: list[SchemaTable | SchemaColumn] = [table, *table.columns]
            for element in elements:
                parts = (words.split_compound(word, known_words) for word in element.words)
                element.words = tuple(itertools.chain.from_iterable(parts))
        return prefix

    def _expand_key_names(self) -> None:
        """Expand abbreviated tables in keys: read `x_tid` as the key `app_t_id` of a table with the prefix `app`."""
        keys: dict[str, tuple[str, ...]] = {}
        for table in self.tables:
            for key in (table.columns[index] for index in table.key if len(table.key) == 1):
                full = name_prefixes.strip_prefix(key.name, self._prefix)
                if full != key.base_name:
                    keys[_without_underscores(full)] = (*table.words, *key.words[-1:])
        whole = {table.words[0] for table in self.tables if len(table.words) == 1}
        for table in self.tables:
            table.words = _expand_abbreviations(table.words, (), whole)
            for column in table.columns:
                column.words = _expand_abbreviations(
                    keys.get(_without_underscores(column.base_name), column.words), table.words, whole
                )

    def column(self, ref: Ref) -> SchemaColumn:
        """The column with these indexes."""
        return self.tables[ref[0]].columns[ref[1]]

    def display_column(self, table: int) -> int | None:
        """The column that names a row, as a person would: name, title, label; None if there is none."""
        columns = self.tables[table].columns
        own = set(self.tables[table].words)
        best: tuple[float, int] | None = None
        for index, column in enumerate(columns):
            name = _naming_words(column)
            if column.kind != "text" or not name or name[-1] in _CATEGORY_WORDS or self._is_reference(table, index):
                continue
            if column.name.endswith(_CHINESE_CATEGORY_ENDINGS):
                continue
            rank = next((n for n, word in enumerate(_NAME_WORDS) if word in name), None)
            rank = 0 if column.name.endswith(_CHINESE_NAME_ENDINGS) else rank
            if rank is None:
                rank = 8 if set(name) & own else 9
            extra = len(set(name) - own - set(_NAME_WORDS))
            score = rank + 2 * extra + 0.01 * index
            if best is None or score < best[0]:
                best = (score, index)
        return None if best is None or best[0] > 11.5 else best[1]

    def _is_reference(self, table: int, index: int) -> bool:
        """True if the column references a row of another table."""
        own = set(self.tables[table].words) & set(self.tables[table].columns[index].words)
        return not own and any(
            edge.source == table and edge.many_to_one and (index,) == tuple(a for a, _ in edge.columns)
            for edge in self.edges
        )

    def names_row(self, ref: Ref) -> bool:
        """True if the column names the row itself (invoice.number), not a related entity (invoice.supplier_name).

        The table's own words may be cut short: airline.al_name.
        """
        own = self.tables[ref[0]].words
        rest = set(_naming_words(self.column(ref))) - {*own, *_NAME_WORDS, *_PERSONAL_NAME_WORDS, "number"}
        return ref[1] in (self.display_column(ref[0]), *self.display_columns(ref[0])) and (
            self.column(ref).unique
            or all(any(full.startswith(part) or words.abbreviation_score(part, full) for full in own) for part in rest)
        )

    def display_columns(self, table: int) -> list[int]:
        """Like `display_column`, but with first and last name of a person."""
        columns = self.tables[table].columns
        first = [n for n, column in enumerate(columns) if _naming_words(column)[-2:] == ("first", "name")]
        last = [n for n, column in enumerate(columns) if _naming_words(column)[-2:] == ("last", "name")]
        if first and last:
            return [first[0], last[0]]
        name_column = self.display_column(table)
        return [] if name_column is None else [name_column]

    def identity_columns(self, table: int) -> list[int]:
        """The columns that identify a row: the key, else the columns that name it."""
        schema_table = self.tables[table]
        if schema_table.key:
            return schema_table.key
        column = self.display_column(table)
        return [] if column is None else [column]

    def reference_edge(self, source: int, target: int) -> Edge | None:
        """The cheapest foreign key from one table to another."""
        edges = [edge for edge in self.edges if edge.source == source and edge.target == target and edge.many_to_one]
        return min(edges, default=None, key=lambda edge: edge.cost)

    def _parallel_edges(self, edge: Edge) -> list[Edge]:
        """Other edges between the same two tables."""
        return [
            other
            for other in self.edges
            if {other.source, other.target} == {edge.source, edge.target} and other != edge
        ]

    def has_parallel_edge(self, edges: Iterable[Edge]) -> bool:
        """True if a parallel edge would cost the same as one of these."""
        return any(other.cost == edge.cost for edge in edges for other in self._parallel_edges(edge))

    def join_tree(self, wanted: Sequence[int]) -> tuple[list[Edge], float] | None:
        """The cheapest tree of edges that connects the tables, and its cost."""
        return self._join_graph.steiner_tree(wanted)

    def fans_out(self, edges: Sequence[Edge], table: int) -> bool:
        """True if joining along these edges may repeat a row of the table."""
        reached = {table}
        rest = list(edges)
        while rest:
            edge = next(
                (candidate for candidate in rest if candidate.source in reached or candidate.target in reached), None
            )
            if edge is None:
                return True
            rest.remove(edge)
            if edge.source not in reached or not edge.many_to_one:
                # The join leads from the unique side to the many side.
                if edge.target in reached and edge.source in reached:
                    continue
                if edge.target in reached or not edge.many_to_one:
                    return True
            reached |= {edge.source, edge.target}
        return False

    def _declared_targets(self) -> dict[str, Ref | None]:
        """For each name of a foreign key column the key that it references; None where declarations differ."""
        targets: dict[str, Ref | None] = {}
        for edge in self.edges:
            if len(edge.columns) == 1:
                ((a, b),) = edge.columns
                name = self.column((edge.source, a)).name
                targets[name] = (edge.target, b) if targets.get(name, (edge.target, b)) == (edge.target, b) else None
        return targets

    def _inferred_foreign_keys(self, source: int, target: int) -> Iterable[Edge]:
        """Foreign keys from one table to another that are inferred from the names of columns."""
        left, right = self.tables[source], self.tables[target]
        edges: list[Edge] = []
        for a, column in enumerate(left.columns):
            is_key_like = column.is_key or column.words[-1:] in (("name",), ("code",), ("number",))
            for b, other_column in enumerate(right.columns):
                if column.kind != other_column.kind or column.kind not in ("number", "text", "other"):
                    continue
                same = column.name.lower() == other_column.name.lower() or _same_key(column, other_column)
                if same and set(column.words) & _PERSONAL_NAME_WORDS:
                    continue
                # Other columns of the same name join only where one is a unique text key with a specific name.
                if (
                    same
                    and not is_key_like
                    and (
                        not other_column.unique or column.name.lower() in _GENERIC_NAMES or other_column.kind != "text"
                    )
                ):
                    continue
                # In a link table uniqueness of one column is accidental; do not infer a key from it.
                if same and column.name.lower() not in _GENERIC_NAMES:
                    if other_column.unique and not right.is_link:
                        edges.append(Edge(source, target, ((a, b),), _INFERRED_COST, True))
                    elif (not column.unique or left.is_link) and source < target:
                        edges.append(Edge(source, target, ((a, b),), _SHARED_COLUMN_COST, False))
                elif (
                    other_column.unique
                    and b in right.key
                    and (
                        _names_key(column.words, right.words, other_column)
                        or self._targets_by_name.get(column.name) == (target, b)
                    )
                ):
                    edges.append(Edge(source, target, ((a, b),), _INFERRED_COST, True))
        singles = [edge for edge in edges if edge.many_to_one]
        return (singles or edges)[:2]


def _naming_words(column: SchemaColumn) -> tuple[str, ...]:
    """The words of a column's name, or of a short comment that says better that it names rows."""
    own = set(column.words) & set(_NAME_WORDS)
    for phrase in column.phrases:
        said = tuple(words.stem(word) for word in re.findall(r"[a-z]+", re.split(r"[,;:(.]", phrase.lower())[0]))
        head = said[: said.index("of")] if "of" in said else said
        if set(head[-1:]) & {"name", "title"} and len(head) <= _LONGEST_COMMENT and (len(head) > 1 or not own):
            return head
    return column.words


def _without_shortcuts(edges: Sequence[Edge]) -> list[Edge]:
    """Drop edges between two columns that reference the same key: the path leads through its table."""
    leading: dict[Ref, set[Ref]] = {}
    for edge in edges:
        for a, b in edge.columns if edge.many_to_one else ():
            leading.setdefault((edge.source, a), set()).add((edge.target, b))
    nothing: set[Ref] = set()
    return [
        edge
        for edge in edges
        if edge.many_to_one
        or not any(
            leading.get((edge.source, a), nothing) & leading.get((edge.target, b), nothing) for a, b in edge.columns
        )
    ]


def _same_key(one: SchemaColumn, other: SchemaColumn) -> bool:
    """True if both are one key with the prefixes of their tables: `o_custkey` and `c_custkey`."""
    return one.base_name.lower() == other.base_name.lower() and len(one.words) > 1 and one.is_key


def _expand_abbreviations(
    name: tuple[str, ...], table_words: tuple[str, ...], tables: Collection[str]
) -> tuple[str, ...]:
    """The words of a name with abbreviations expanded to words of its own table, or to the only table that fits."""
    expanded = []
    for word in name:
        fitting = [full for full in table_words if words.abbreviation_score(word, full)]
        if not fitting and len(name) > 1 and word not in tables:
            fitting = [full for full in tables if words.abbreviation_score(word, full)]
        expanded.append(fitting[0] if len(fitting) == 1 else word)
    return tuple(expanded)


def _without_underscores(name: str) -> str:
    return name.lower().replace("_", "")


def _names_key(column: tuple[str, ...], table: tuple[str, ...], key: SchemaColumn) -> bool:
    """True for names of the form table + key: customer_id or buyer_customer_id for customer.id."""
    # Other tables write user_id for the column uid of users.
    ends = {key.words[-1], "id"} if re.fullmatch("[a-z]{0,2}id", key.base_name.lower()) else {key.words[-1]}
    if len(column) < 2:
        return column == table and "id" in ends
    named = column[:-1]
    return column[-1] in ends and (named[-len(table) :] == table or (len(table) > 1 and named == table[-1:]))


def _inferred_key(table: SchemaTable) -> list[int]:
    """The column that is most likely the primary key, judged by names among the columns known to be unique."""
    first = "".join(word[0] for word in table.words if word)
    joined = "".join(table.words)
    for index, column in enumerate(table.columns):
        name = column.name.lower().replace("_", "")
        if column.unique and (
            name in ("id", "uuid", f"{joined}id", f"{first}id", f"{joined}code", f"{joined}key") or column.is_key
        ):
            return [index]
    for index, column in enumerate(table.columns):
        if column.unique and index == 0 and column.kind in ("number", "text", "other"):
            return [index]
    for index, column in enumerate(table.columns):
        if column.unique and column.kind == "text" and set(column.words) & {"name", "code", "title"}:
            return [index]
    return []
