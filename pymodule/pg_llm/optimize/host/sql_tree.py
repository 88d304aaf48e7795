"""Syntax trees of SELECT statements: parsed, traversed, transformed, and written as SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pg_llm.errors import InvalidInput

# The tree of a longer text could exceed the stack.
_LONGEST = 20_000
_HINT = "Give one SELECT, as it would be run, with values in place of parameters."


def select(text: str) -> Any:
    """Parse a single SELECT. Raises InvalidInput with the position, from 1, of a mistake."""
    from pglast import ast, parse_sql
    from pglast.parser import ParseError

    if len(text) > _LONGEST:
        raise InvalidInput(f"sql has {len(text)} characters, and {_LONGEST} are read", hint="Ask about a part of it.")
    if "\0" in text:
        raise InvalidInput("sql holds a NUL character", hint=_HINT)
    try:
        statements = parse_sql(text)
    except ParseError as error:
        message, index = (*error.args, 0)[:2]
        # The parser counts characters, which pglast takes for bytes.
        index = len(text[:index].encode("utf-8", "surrogatepass")) + 1
        raise InvalidInput(f"sql cannot be read: {message}, at character {index}", hint=_HINT) from error
    if not statements:
        raise InvalidInput("sql is empty", hint=_HINT)
    if len(statements) > 1:
        second = _statement_start(text, statements[1].stmt_location)
        raise InvalidInput(f"sql holds {len(statements)} statements, the second at character {second}", hint=_HINT)
    tree = statements[0].stmt
    if not isinstance(tree, ast.SelectStmt):
        raise InvalidInput(f"sql is no SELECT, but a {type(tree).__name__.removesuffix('Stmt').upper()}", hint=_HINT)
    for node in nodes(tree):
        if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt | ast.IntoClause):
            raise InvalidInput("sql writes, and only what reads is looked at", hint=_HINT)
        if isinstance(node, ast.LockingClause):
            raise InvalidInput("sql locks rows, and only what reads is looked at", hint="Leave out FOR UPDATE.")
        if isinstance(node, ast.ParamRef):
            raise InvalidInput(f"sql has the parameter ${node.number}", hint=_HINT)
    return tree


def statement(text: str) -> str:
    """The single statement in a text that `select` takes, without the semicolon and what follows."""
    from pglast import parse_sql

    (parsed,) = parse_sql(text)
    start = parsed.stmt_location
    return text[start : start + parsed.stmt_len] if parsed.stmt_len else text[start:]


def _statement_start(text: str, byte: int) -> int:
    """The character, from 1, at which the statement at this byte offset begins."""
    encoded = text.encode("utf-8", "surrogatepass")
    rest = encoded[byte:].decode("utf-8", "replace")
    return len(text) - len(rest.lstrip()) + 1


def nodes(tree: Any) -> Iterator[Any]:
    """All nodes of a tree, itself included."""
    from pglast import ast

    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Node):
            yield node
            pending += [getattr(node, name) for name in node]
        elif isinstance(node, tuple | list):
            pending += node


def transform(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Apply `change` to every node, bottom up; modifies the tree."""
    from pglast import ast

    if isinstance(tree, tuple):
        return tuple(transform(item, change) for item in tree)
    if not isinstance(tree, ast.Node):
        return tree
    for name in tree:
        value = getattr(tree, name)
        if isinstance(value, ast.Node | tuple):
            setattr(tree, name, transform(value, change))
    return change(tree)


def to_sql(tree: Any) -> str:
    """The statement as SQL."""
    from pglast.stream import RawStream

    return str(RawStream()(tree))


def column_name(node: Any) -> list[str]:
    """The parts of a column's name; empty for stars and for other nodes."""
    from pglast import ast

    if not isinstance(node, ast.ColumnRef) or not all(isinstance(field, ast.String) for field in node.fields):
        return []
    return [field.sval for field in node.fields]


def columns(tree: Any) -> list[Any]:
    """The column references in a tree, stars included."""
    from pglast import ast

    return [node for node in nodes(tree) if isinstance(node, ast.ColumnRef)]


def conjuncts(condition: Any) -> list[Any]:
    """The conjuncts of a condition."""
    from pglast import ast
    from pglast.enums import BoolExprType

    if condition is None:
        return []
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        return [part for argument in condition.args for part in conjuncts(argument)]
    return [condition]


def conjunction(parts: list[Any]) -> Any:
    """The conjunction of conditions; None if there are none."""
    from pglast import ast
    from pglast.enums import BoolExprType

    if len(parts) < 2:
        return parts[0] if parts else None
    return ast.BoolExpr(boolop=BoolExprType.AND_EXPR, args=tuple(parts))


def column(*parts: str) -> Any:
    """A column reference."""
    from pglast import ast

    return ast.ColumnRef(fields=tuple(ast.String(sval=part) for part in parts))


def relation(table: Any) -> str:
    """The qualified name of a table in FROM, as SQL."""
    from pglast import ast

    return to_sql(ast.RangeVar(schemaname=table.schemaname, relname=table.relname, inh=True))


def from_tables(tree: Any) -> tuple[list[Any], bool] | None:
    """The tables in FROM, and whether any join is an outer join; None if there is anything but tables."""
    from pglast import ast
    from pglast.enums import JoinType

    sources: list[Any] = []
    outer = False
    pending = list(tree.fromClause or ())
    while pending:
        item = pending.pop(0)
        if isinstance(item, ast.JoinExpr):
            outer |= item.jointype != JoinType.JOIN_INNER
            pending[:0] = [item.larg, item.rarg]
        elif isinstance(item, ast.RangeVar):
            sources.append(item)
        else:
            return None
    return sources, outer


def alias(table: Any) -> str:
    """The alias of a table in FROM, or its name."""
    return str(table.alias.aliasname if table.alias else table.relname)
