"""One SELECT as a tree: read, walked, changed, and written again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pg_llm.errors import InvalidInput

# The tree of a longer text could be deeper than the stack.
_LONGEST = 20_000
_HINT = "Give one SELECT, as it would be run, with values in place of parameters."


def select(text: str) -> Any:
    """The tree of the one SELECT in the text. Raises InvalidInput, with the position from 1 of what is wrong."""
    from pglast import ast, parse_sql
    from pglast.parser import ParseError

    if len(text) > _LONGEST:
        raise InvalidInput(f"sql has {len(text)} characters, and {_LONGEST} are read", hint="Ask about a part of it.")
    if "\0" in text:
        raise InvalidInput("sql holds a NUL character", hint=_HINT)
    try:
        found = parse_sql(text)
    except ParseError as error:
        message, place = (*error.args, 0)[:2]
        # The parser counts characters, and pglast takes that for bytes.
        place = len(text[:place].encode("utf-8", "surrogatepass")) + 1
        raise InvalidInput(f"sql cannot be read: {message}, at character {place}", hint=_HINT) from error
    if not found:
        raise InvalidInput("sql is empty", hint=_HINT)
    if len(found) > 1:
        raise InvalidInput(
            f"sql holds {len(found)} statements, the second at character {_begin(text, found[1].stmt_location)}",
            hint=_HINT,
        )
    tree = found[0].stmt
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


def _begin(text: str, byte: int) -> int:
    """The character from 1 at which what begins at that byte begins, without space before it."""
    encoded = text.encode("utf-8", "surrogatepass")
    rest = encoded[byte:].decode("utf-8", "replace")
    return len(text) - len(rest.lstrip()) + 1


def nodes(tree: Any) -> Iterator[Any]:
    """Every node of a tree, itself first."""
    from pglast import ast

    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Node):
            yield each
            waiting += [getattr(each, name) for name in each]
        elif isinstance(each, tuple | list):
            waiting += each


def replaced(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The tree with what `change` makes of each node, from the leaves up. Changes the tree itself."""
    from pglast import ast

    if isinstance(tree, tuple):
        return tuple(replaced(each, change) for each in tree)
    if not isinstance(tree, ast.Node):
        return tree
    for name in tree:
        value = getattr(tree, name)
        if isinstance(value, ast.Node | tuple):
            setattr(tree, name, replaced(value, change))
    return change(tree)


def written(tree: Any) -> str:
    """The statement as SQL."""
    from pglast.stream import RawStream

    return str(RawStream()(tree))


def name(node: Any) -> list[str]:
    """The parts of a column's name; empty for one with a star, and for what is no column."""
    from pglast import ast

    if not isinstance(node, ast.ColumnRef) or not all(isinstance(field, ast.String) for field in node.fields):
        return []
    return [field.sval for field in node.fields]


def columns(tree: Any) -> list[Any]:
    """The columns that a tree names, stars included."""
    from pglast import ast

    return [node for node in nodes(tree) if isinstance(node, ast.ColumnRef)]


def conjuncts(condition: Any) -> list[Any]:
    """The parts of a condition that must all hold."""
    from pglast import ast
    from pglast.enums import BoolExprType

    if condition is None:
        return []
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        return [part for each in condition.args for part in conjuncts(each)]
    return [condition]


def conjunction(parts: list[Any]) -> Any:
    """The condition that all the parts hold; None for no part."""
    from pglast import ast
    from pglast.enums import BoolExprType

    if len(parts) < 2:
        return parts[0] if parts else None
    return ast.BoolExpr(boolop=BoolExprType.AND_EXPR, args=tuple(parts))


def column(*parts: str) -> Any:
    """A column of that name."""
    from pglast import ast

    return ast.ColumnRef(fields=tuple(ast.String(sval=part) for part in parts))


def relation(table: Any) -> str:
    """The name of a table in FROM, as SQL."""
    from pglast import ast

    return written(ast.RangeVar(schemaname=table.schemaname, relname=table.relname, inh=True))


def tables(tree: Any) -> tuple[list[Any], bool] | None:
    """The tables of a FROM clause, and whether one is joined by an outer join; None where anything else is in it."""
    from pglast import ast
    from pglast.enums import JoinType

    found: list[Any] = []
    outer = False
    waiting = list(tree.fromClause or ())
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, ast.JoinExpr):
            outer |= each.jointype != JoinType.JOIN_INNER
            waiting[:0] = [each.larg, each.rarg]
        elif isinstance(each, ast.RangeVar):
            found.append(each)
        else:
            return None
    return found, outer


def alias(table: Any) -> str:
    """The name that columns of a table in FROM are called by."""
    return str(table.alias.aliasname if table.alias else table.relname)
