"""Tables as a question sees them: columns with their words, keys, and how rows of one lead to rows of another."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from pg_llm.ask.grammar import prefixes, words
from pg_llm.ask.grammar.ways import Edge, Ways

# A column, by its table's place and its own.
Ref = tuple[int, int]

_KEY_ENDS = ("id", "key", "code", "uuid", "number")
_PERSONAL = {"first", "last", "middle", "full", "given", "family", "nick", "display"}
_NO_IDS = ("paid", "said", "void", "grid", "valid")
_PERSONS = {
    "person",
    "user",
    "member",
    "customer",
    "client",
    "employee",
    "staff",
    "worker",
    "teacher",
    "professor",
    "student",
    "author",
    "writer",
    "doctor",
    "patient",
    "player",
    "driver",
    "guest",
    "manager",
    "buyer",
    "owner",
    "actor",
    "singer",
}
_GENERIC = {
    "id",
    "name",
    "title",
    "description",
    "comment",
    "status",
    "type",
    "date",
    "year",
    "month",
    "value",
    "note",
    "url",
    "homepage",
    "key",
    "code",
    "number",
    "uuid",
}
_DISPLAY = ("name", "title", "label", "subject", "word", "description", "code")
_CHINESE_KEYS = ("编号", "学号", "工号", "编码", "代码")
_CHINESE_NAMES = ("名", "名称", "名字", "标题", "题目")
__all__ = ["Column", "Edge", "Ref", "Schema", "Table"]
# What columns are called that lead where something comes from, and where it goes.
_DIRECTIONS = {
    "from": ("source", "src", "origin", "departure", "start", "sender"),
    "to": ("destination", "dest", "arrival", "target", "end", "receiver", "recipient"),
}
# How much less a key costs whose name the question says.
_SAID = 0.3
# What only says of what sort rows are calls none.
_CHINESE_SORTS = ("状态", "类型", "类别", "种类", "性别", "等级", "级别", "方式", *_CHINESE_KEYS)
_SORTS = {"status", "state", "type", "kind", "category", "class", "gender", "sex", "level", "grade", "unit", "currency"}
# What a step costs that joins along a declared key, along one that names tell, and along columns that share a name.
_DECLARED, _TOLD, _SHARED = 1.0, 1.1, 2.6


@dataclass(slots=True)
class Column:
    """One column; `kind` is number, text, date, time, bool or other; `phrases` say in words what it holds.

    `builtin`: its type is one of PostgreSQL's own.
    """

    name: str
    sql: str
    type: str
    kind: str
    phrases: list[str] = field(default_factory=list)
    unique: bool = False
    nullable: bool = True
    builtin: bool = True
    # Its name, and the words of it, which the schema reads without what the names of all columns share.
    bare: str = field(init=False)
    words: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.bare = self.name
        self.words = _words(self.name)

    @property
    def is_measure(self) -> bool:
        """Whether its numbers can be added up or averaged: those that name something cannot."""
        its = self.words
        named = (len(its) > 1 and its[-1] == "number") or its[-1:] in (
            ("year",),
            ("zip",),
            ("phone",),
            ("postcode",),
            ("code",),
        )
        return self.kind == "number" and not self.is_key and not named

    @property
    def is_key(self) -> bool:
        """Whether its name says that it points to a row."""
        last = self.words[-1:] or ("",)
        if self.name.endswith(_CHINESE_KEYS):
            return True
        short = re.fullmatch(r"(?:.*_)?[a-z]{0,4}id", self.name.lower()) and not self.name.lower().endswith(_NO_IDS)
        return last[0] in _KEY_ENDS[:4] or bool(short and self.kind in ("number", "other"))


@dataclass(slots=True)
class Table:
    """One relation; `sql` is how the caller writes it."""

    oid: int
    name: str
    sql: str
    columns: list[Column]
    phrases: list[str] = field(default_factory=list)
    key: list[int] = field(default_factory=list)
    rows: float = 0.0
    # As a column's.
    words: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.words = _words(self.name)

    @property
    def is_link(self) -> bool:
        """Whether it only says which rows of other tables belong together."""
        return len(self.columns) > 1 and all(column.is_key for column in self.columns)


class Schema:
    """The tables and the edges between them, declared ones and those that names tell."""

    def __init__(self, tables: Sequence[Table], declared: Iterable[Edge] = ()) -> None:
        self.tables = list(tables)
        self._prefix = self._read_names()
        self.edges = list(declared)
        for table in self.tables:
            if not table.key:
                table.key = _guessed_key(table)
            if len(table.key) == 1:
                table.columns[table.key[0]].unique = True
        self._read_keys()
        known = {frozenset((edge.one, edge.other)) for edge in self.edges}
        self._keys_called = self._calling()
        for one, other in itertools.permutations(range(len(self.tables)), 2):
            if frozenset((one, other)) not in known:
                self.edges += self._told(one, other)
        self.edges = _without_shortcuts(self.edges)
        self._ways = Ways(self.edges)

    def _read_names(self) -> str:
        """Find the words of all names, without prefixes that all share; that of tables."""
        columns = [[column.name.lower() for column in table.columns] for table in self.tables]
        names = [table.name.lower() for table in self.tables]
        later = {part for name in names for part in name.split("_")[1:]}
        prefix = prefixes.shared(names, later | {part for its in columns for name in its for part in name.split("_")})
        for table, its in zip(self.tables, columns, strict=True):
            own = prefixes.without(table.name, prefix)
            table.words = _words(own)
            shared = prefixes.shared(its, {*own.lower().split("_"), *table.words})
            for column in table.columns:
                column.bare = prefixes.without(column.name, shared)
                column.words = _words(column.bare)
        known = {word for table in self.tables for word in table.words if len(word) > 1}
        known |= {word for table in self.tables for column in table.columns for word in column.words if len(word) > 2}
        for table in self.tables:
            its_names: list[Table | Column] = [table, *table.columns]
            for named in its_names:
                named.words = tuple(part for word in named.words for part in words.compound(word, known))
        return prefix

    def _read_keys(self) -> None:
        """Read `x_tid` as what the key `app_t_id` of a table `app…` calls, with the prefix of its own table."""
        keys: dict[str, tuple[str, ...]] = {}
        for table in self.tables:
            for key in (table.columns[place] for place in table.key if len(table.key) == 1):
                full = prefixes.without(key.name, self._prefix)
                if full != key.bare:
                    keys[_joined(full)] = (*table.words, *key.words[-1:])
        whole = {table.words[0] for table in self.tables if len(table.words) == 1}
        for table in self.tables:
            table.words = _in_full(table.words, (), whole)
            for column in table.columns:
                column.words = _in_full(keys.get(_joined(column.bare), column.words), table.words, whole)

    def column(self, ref: Ref) -> Column:
        """The column at a place."""
        return self.tables[ref[0]].columns[ref[1]]

    def refs(self) -> Iterable[Ref]:
        """All columns."""
        return ((t, c) for t, table in enumerate(self.tables) for c in range(len(table.columns)))

    def display(self, table: int) -> int | None:
        """The column that people call a row by."""
        columns = self.tables[table].columns
        own = set(self.tables[table].words)
        best: tuple[float, int] | None = None
        for place, column in enumerate(columns):
            its = column.words
            if column.kind != "text" or not its or its[-1] in _SORTS or self._leads_away(table, place):
                continue
            if column.name.endswith(_CHINESE_SORTS):
                continue
            rank = next((n for n, word in enumerate(_DISPLAY) if word in its), None)
            rank = 0 if column.name.endswith(_CHINESE_NAMES) else rank
            if rank is None:
                rank = 8 if set(its) & own else 9
            extra = len(set(its) - own - set(_DISPLAY))
            score = rank + 2 * extra + 0.01 * place
            if best is None or score < best[0]:
                best = (score, place)
        return None if best is None or best[0] > 11.5 else best[1]

    def _leads_away(self, table: int, place: int) -> bool:
        """Whether a column calls a row of another table."""
        own = set(self.tables[table].words) & set(self.tables[table].columns[place].words)
        return not own and any(
            edge.one == table and edge.single and (place,) == tuple(a for a, _ in edge.columns) for edge in self.edges
        )

    def has_persons(self, table: int) -> bool:
        """Whether the rows are persons: by what the table is called, or by columns that only persons have."""
        its = self.tables[table]
        columns = {word for column in its.columns for word in column.words}
        return (
            bool(set(its.words[-1:]) & _PERSONS)
            or bool(columns & {"birth", "gender", "sex"})
            or ({"first", "last", "name"} <= columns)
        )

    def calls_rows(self, ref: Ref) -> bool:
        """Whether a column is what rows are called by, and not what others are: the supplier's name of an invoice."""
        its = set(self.column(ref).words)
        return ref[1] in (self.display(ref[0]), *self.shown(ref[0])) and (
            self.column(ref).unique or not its - {*self.tables[ref[0]].words, *_DISPLAY, *_PERSONAL, "number"}
        )

    def shown(self, table: int) -> list[int]:
        """As `display`, with all parts of a person's name."""
        columns = self.tables[table].columns
        first = [n for n, column in enumerate(columns) if column.words[-2:] == ("first", "name")]
        last = [n for n, column in enumerate(columns) if column.words[-2:] == ("last", "name")]
        if first and last:
            return [first[0], last[0]]
        found = self.display(table)
        return [] if found is None else [found]

    def identity(self, table: int) -> list[int]:
        """The columns that tell rows of a table apart: its key, or what people call them by."""
        its = self.tables[table]
        if its.key:
            return its.key
        shown = self.display(table)
        return [] if shown is None else [shown]

    def reference(self, one: int, other: int) -> Edge | None:
        """The edge along which each row of a table belongs to one row of another."""
        found = [edge for edge in self.edges if edge.one == one and edge.other == other and edge.single]
        return min(found, default=None, key=lambda edge: edge.cost)

    def heard(self, said: Collection[str]) -> Schema:
        """As this one, where of several keys between two tables the one that a question's stems name comes first."""
        found = copy.copy(self)
        found.edges = [
            replace(edge, cost=edge.cost - _SAID) if self._beside(edge) and self._is_said(edge, said) else edge
            for edge in self.edges
        ]
        found._ways = Ways(found.edges)
        return found

    def _beside(self, edge: Edge) -> list[Edge]:
        """Other edges between the same tables."""
        return [other for other in self.edges if {other.one, other.other} == {edge.one, edge.other} and other != edge]

    def _is_said(self, edge: Edge, said: Collection[str]) -> bool:
        said = {*said, *(word for stem in said for word in _DIRECTIONS.get(stem, ()))}
        return any(_calls(stem, role) for role in self._roles(edge) for stem in said)

    def _roles(self, edge: Edge) -> set[str]:
        """What a key's name says besides the tables that it connects."""
        known = {*_KEY_ENDS, *self.tables[edge.other].words, *self.tables[edge.one].words}
        return {word for a, _ in edge.columns for word in self.column((edge.one, a)).words} - known

    def choosing(self, edges: Iterable[Edge], stem: str) -> bool:
        """Whether a word tells one of the edges from another between the same tables."""
        return any(_calls(stem, role) for edge in edges if self._beside(edge) for role in self._roles(edge))

    def rivals(self, edges: Iterable[Edge]) -> bool:
        """Whether another edge between the same tables would do as well as one of these."""
        return any(other.cost == edge.cost for edge in edges for other in self._beside(edge))

    def path(self, wanted: Sequence[int]) -> tuple[list[Edge], float] | None:
        """The cheapest edges that connect the tables, and what they cost."""
        return self._ways.tree(wanted)

    def fans_out(self, edges: Sequence[Edge], table: int) -> bool:
        """Whether a row of the table may come more than once when these edges are joined."""
        reached = {table}
        rest = list(edges)
        while rest:
            edge = next((each for each in rest if each.one in reached or each.other in reached), None)
            if edge is None:
                return True
            rest.remove(edge)
            if edge.one not in reached or not edge.single:
                # From the one side to the many.
                if edge.other in reached and edge.one in reached:
                    continue
                if edge.other in reached or not edge.single:
                    return True
            reached |= {edge.one, edge.other}
        return False

    def _calling(self) -> dict[str, Ref | None]:
        """What key a column of a name leads to, as declared for others of that name; None where they differ."""
        found: dict[str, Ref | None] = {}
        for edge in self.edges:
            if len(edge.columns) == 1:
                ((a, b),) = edge.columns
                name = self.column((edge.one, a)).name
                found[name] = (edge.other, b) if found.get(name, (edge.other, b)) == (edge.other, b) else None
        return found

    def _told(self, one: int, other: int) -> Iterable[Edge]:
        """Edges from a table to another that the names of columns tell."""
        left, right = self.tables[one], self.tables[other]
        found: list[Edge] = []
        for a, column in enumerate(left.columns):
            telling = column.is_key or column.words[-1:] in (("name",), ("code",), ("number",))
            for b, its in enumerate(right.columns):
                if column.kind != its.kind or column.kind not in ("number", "text", "other"):
                    continue
                same = column.name.lower() == its.name.lower() or _same_key(column, its)
                if same and set(column.words) & _PERSONAL:
                    continue
                # A name without such an ending joins only where it is the key of one table and not generic.
                if same and not telling and (not its.unique or column.name.lower() in _GENERIC or its.kind != "text"):
                    continue
                # What is unique in a table of keys alone is so by chance.
                if same and column.name.lower() not in _GENERIC:
                    if its.unique and not right.is_link:
                        found.append(Edge(one, other, ((a, b),), _TOLD, True))
                    elif (not column.unique or left.is_link) and one < other:
                        found.append(Edge(one, other, ((a, b),), _SHARED, False))
                elif (
                    its.unique
                    and b in right.key
                    and (_names(column.words, right.words, its) or self._keys_called.get(column.name) == (other, b))
                ):
                    found.append(Edge(one, other, ((a, b),), _TOLD, True))
        singles = [edge for edge in found if edge.single]
        return (singles or found)[:2]


def _calls(stem: str, role: str) -> bool:
    return words.likeness(role, stem) >= 0.7 or (len(role) > 2 and stem.startswith(role))


def _without_shortcuts(edges: Sequence[Edge]) -> list[Edge]:
    """Without those between columns that both lead to one key: what they share is its row."""
    leading: dict[Ref, set[Ref]] = {}
    for edge in edges:
        for a, b in edge.columns if edge.single else ():
            leading.setdefault((edge.one, a), set()).add((edge.other, b))
    nothing: set[Ref] = set()
    return [
        edge
        for edge in edges
        if edge.single
        or not any(leading.get((edge.one, a), nothing) & leading.get((edge.other, b), nothing) for a, b in edge.columns)
    ]


def _same_key(one: Column, other: Column) -> bool:
    """Whether two are a key with a name of its own, each with the prefix of its table: `o_custkey`, `c_custkey`."""
    return one.bare.lower() == other.bare.lower() and len(one.words) > 1 and one.is_key


def _in_full(its: tuple[str, ...], own: tuple[str, ...], tables: Collection[str]) -> tuple[str, ...]:
    """A name's words, of those that are short the words of its table, or of the one table that fits."""
    found = []
    for word in its:
        fitting = [full for full in own if words.abbreviates(word, full)]
        if not fitting and len(its) > 1 and word not in tables:
            fitting = [full for full in tables if words.abbreviates(word, full)]
        found.append(fitting[0] if len(fitting) == 1 else word)
    return tuple(found)


def _joined(name: str) -> str:
    return name.lower().replace("_", "")


def _words(name: str) -> tuple[str, ...]:
    """The words of a name; one that is all signs is its own word."""
    return words.split(name) or (name.lower(),)


def _names(column: tuple[str, ...], table: tuple[str, ...], key: Column) -> bool:
    """Whether a column's name is a table's with its key's: customer_id for customer.id, buyer_customer_id as well."""
    # The uid of users is what others call user_id.
    ends = {key.words[-1], "id"} if re.fullmatch("[a-z]{0,2}id", key.bare.lower()) else {key.words[-1]}
    if len(column) < 2:
        return column == table and "id" in ends
    named = column[:-1]
    return column[-1] in ends and (named[-len(table) :] == table or (len(table) > 1 and named == table[-1:]))


def _guessed_key(table: Table) -> list[int]:
    """The column that looks as if it told rows apart, among those found to be unique where that is known."""
    first = "".join(word[0] for word in table.words if word)
    joined = "".join(table.words)
    for place, column in enumerate(table.columns):
        name = column.name.lower().replace("_", "")
        if column.unique and (
            name in ("id", "uuid", f"{joined}id", f"{first}id", f"{joined}code", f"{joined}key") or column.is_key
        ):
            return [place]
    for place, column in enumerate(table.columns):
        if column.unique and place == 0 and column.kind in ("number", "text", "other"):
            return [place]
    for place, column in enumerate(table.columns):
        if column.unique and column.kind == "text" and set(column.words) & {"name", "code", "title"}:
            return [place]
    return []
