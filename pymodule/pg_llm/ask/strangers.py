"""Tables of strangers: what they call their tables and write on them draws no question away from tables one trusts.

A stranger is an owner who is neither the caller, nor a role that the caller is a member of, nor a superuser, nor the
database's owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pg_llm.ask import words
from pg_llm.ask.schema_elements import SchemaColumn, SchemaTable, name_words

_R = TypeVar("_R", bound=Mapping[str, Any])
# Whether the caller trusts the owner of relation `c`. Superusers are members of every role, which is no sign of trust.
TRUSTED = """
    (SELECT o.rolsuper OR o.rolname = CURRENT_USER OR o.oid = d.datdba
            OR pg_has_role(o.oid, 'MEMBER') AND NOT u.rolsuper
     FROM pg_roles AS o, pg_database AS d, pg_roles AS u
     WHERE o.oid = c.relowner AND d.datname = current_database() AND u.rolname = CURRENT_USER)
"""


def without_imitations(rows: Sequence[_R]) -> list[_R]:
    """The rows of tables (`name`, `trusted`) without those of strangers that have the name of a trusted table."""
    trusted = {_singular(row["name"]) for row in rows if row["trusted"]}
    return [row for row in rows if row["trusted"] or _singular(row["name"]) not in trusted]


def _singular(name: str) -> tuple[str, ...]:
    return tuple(words.stem(word) for word in name_words(name))


def silence(tables: Sequence[SchemaTable]) -> None:
    """Take from tables of strangers the comments that hold a word of a trusted table's names or comments."""
    own = {word for table in tables if table.trusted for element in _elements(table) for word in _words(element)}
    for table in tables:
        for element in () if table.trusted else _elements(table):
            element.phrases[:] = [phrase for phrase in element.phrases if not own & _stems(phrase)]


def _elements(table: SchemaTable) -> Iterable[SchemaTable | SchemaColumn]:
    return (table, *table.columns)


def _words(element: SchemaTable | SchemaColumn) -> set[str]:
    return set(_singular(element.name)).union(*map(_stems, element.phrases))


def _stems(phrase: str) -> set[str]:
    """The words of a comment; of a Chinese one each pair of characters."""
    pairs = {phrase[start : start + 2] for start in range(len(phrase) - 1) if not phrase[start : start + 2].isascii()}
    return {word for word in _singular(phrase) if len(word) > 2 and word.isascii()} | pairs
