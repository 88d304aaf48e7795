"""Elements of a schema: tables and columns with the words of their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pg_llm.ask import words

# A column as the indexes of its table and of itself.
Ref = tuple[int, int]

KEY_WORDS = ("id", "key", "code", "uuid", "number")
_LABEL_WORDS = {"year", "zip", "phone", "postcode", "code"}
_NOT_ID_SUFFIXES = ("paid", "said", "void", "grid", "valid")
CHINESE_KEY_ENDINGS = ("编号", "学号", "工号", "编码", "代码")


@dataclass(slots=True)
class SchemaColumn:
    """One column; `kind` is number, text, date, time, bool or other; `phrases` are its comment and description.

    `builtin` is true if its type is one of PostgreSQL's own.
    """

    name: str
    sql: str
    type: str
    kind: str
    phrases: list[str] = field(default_factory=list)
    unique: bool = False
    nullable: bool = True
    builtin: bool = True
    # The name without the prefix that all columns of the table share, and its words.
    base_name: str = field(init=False)
    words: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.base_name = self.name
        self.words = name_words(self.name)

    @property
    def is_measure(self) -> bool:
        """True if sums and averages of its numbers make sense; numbers that identify something have none."""
        name = self.words
        is_label = (len(name) > 1 and name[-1] == "number") or bool(_LABEL_WORDS & set(name[-1:]))
        return self.kind == "number" and not self.is_key and not is_label

    @property
    def is_key(self) -> bool:
        """True if the name says that the column references a row."""
        last = self.words[-1:] or ("",)
        if self.name.endswith(CHINESE_KEY_ENDINGS):
            return True
        short = re.fullmatch(r"(?:.*_)?[a-z]{0,4}id", self.name.lower()) and not self.name.lower().endswith(
            _NOT_ID_SUFFIXES
        )
        return last[0] in KEY_WORDS[:4] or bool(short and self.kind in ("number", "other"))


@dataclass(slots=True)
class SchemaTable:
    """One relation; `sql` is its name as the caller writes it."""

    oid: int
    name: str
    sql: str
    columns: list[SchemaColumn]
    phrases: list[str] = field(default_factory=list)
    key: list[int] = field(default_factory=list)
    row_count: float = 0.0
    # The owner, and whether the caller trusts what this role writes on its tables.
    owner: str = ""
    trusted: bool = True
    # The words of the name without the prefix that all tables share.
    words: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.words = name_words(self.name)

    @property
    def is_link(self) -> bool:
        """True for a link table, which only relates rows of other tables."""
        return len(self.columns) > 1 and all(column.is_key for column in self.columns)


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure that has a name: `phrases` are the name and its synonyms, `table` is what it sums up the rows of.

    `sql` is an aggregate that writes each column with its table. Of `refs`, the columns that it reads, some may lie in
    other tables, which are joined along foreign keys.
    """

    name: str
    phrases: Sequence[str]
    table: int
    sql: str
    refs: Sequence[Ref] = ()


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name; a name without letters is a word itself."""
    return words.split_name(name) or (name.lower(),)
