"""Statements that call models less often: after cheaper conditions, or once per row instead of once per pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pg_llm.optimize.host import sql_tree

Rewrite = dict[str, Any]

_MODELS = "llm_"
_CANDIDATES = "candidates"
_SIMILARITY = "llm_similarity"
_EMBED = "llm_embed"


def models_last(text: str) -> Rewrite | None:
    """Everything but the conditions that call models goes into a MATERIALIZED CTE; those see only what it leaves."""
    from pglast import ast

    tree = sql_tree.select(text)
    parts = sql_tree.conjuncts(tree.whereClause)
    late = [part for part in parts if calls(part)]
    early = [part for part in parts if not calls(part)]
    if not late or tree.withClause or tree.op or not (early or _joined(tree)):
        return None
    # What is outside the CTE: all but FROM and the early conditions.
    outside = (
        tree.targetList,
        tuple(late),
        tree.groupClause,
        tree.havingClause,
        tree.sortClause,
        tree.windowClause,
        tree.distinctClause,
    )
    if any(isinstance(node, ast.SubLink) for node in sql_tree.nodes(outside)):
        return None
    given = {target.name for target in tree.targetList if target.name}
    shown = given | {name[-1] for target in tree.targetList if (name := sql_tree.name(target.val))}
    grouped = [sql_tree.name(column) for column in sql_tree.columns(tree.groupClause)]
    if any(len(name) == 1 and name[0] in given for name in grouped):
        return None
    taken: dict[tuple[str, ...], str] = {}

    def change(node: Any) -> Any:
        if not isinstance(node, ast.ColumnRef):
            return node
        key = tuple(sql_tree.name(node))
        return sql_tree.column(taken.setdefault(key, f"column_{len(taken) + 1}"))

    columns = sql_tree.columns(outside)
    if not all(sql_tree.name(column) for column in columns):
        return None
    for target in tree.targetList:
        # The name that the column would have had.
        if target.name is None and (name := sql_tree.name(target.val)):
            target.name = name[-1]
    sort = tuple(
        each
        if len(sql_tree.name(each.node)) == 1 and sql_tree.name(each.node)[0] in shown
        else sql_tree.replaced(each, change)
        for each in tree.sortClause or ()
    )
    for place in ("targetList", "groupClause", "havingClause", "windowClause", "distinctClause"):
        setattr(tree, place, sql_tree.replaced(getattr(tree, place), change))
    tree.sortClause = sort or None
    late = [sql_tree.replaced(part, change) for part in late]
    inner = ast.SelectStmt(
        targetList=tuple(ast.ResTarget(name=name, val=sql_tree.column(*key)) for key, name in taken.items()),
        fromClause=tree.fromClause,
        whereClause=sql_tree.conjunction(early),
    )
    tree.fromClause = (ast.RangeVar(relname=_CANDIDATES, inh=True),)
    tree.whereClause = sql_tree.conjunction(late)
    tree.withClause = _with({_CANDIDATES: inner})
    return {"rule": "models last", "sql": sql_tree.written(tree), "needs": {"stable": _functions(late)}}


def once_per_row(text: str) -> Rewrite | None:
    """Model calls on one table's columns go into a MATERIALIZED CTE of that table; a similarity becomes a distance."""
    from pglast import ast

    tree = sql_tree.select(text)
    found = sql_tree.tables(tree)
    if found is None or found[1] or len(found[0]) < 2 or tree.withClause or tree.op:
        return None
    tables = {sql_tree.alias(table): table for table in found[0]}
    if any(isinstance(node, ast.SubLink) for node in sql_tree.nodes(tree)) or len(tables) != len(found[0]):
        return None
    given = {target.name for target in tree.targetList if target.name}
    # An output column's name, which stays what it is.
    outputs = {
        id(each.node) for each in tree.sortClause or () if sql_tree.name(each.node) in [[name] for name in given]
    }
    names = [sql_tree.name(column) for column in sql_tree.columns(tree) if id(column) not in outputs]
    if not all(len(name) == 2 and name[0] in tables for name in names):
        return None
    wanted: dict[tuple[str, str], tuple[str, Any]] = {}

    def once(call: Any) -> Any | None:
        """The column that holds what the call gives, if it is about one table."""
        about = {sql_tree.name(column)[0] for column in sql_tree.columns(call) if len(sql_tree.name(column)) > 1}
        if len(about) != 1:
            return None
        (owner,) = about
        name, _ = wanted.setdefault((owner, sql_tree.written(call)), (f"model_{len(wanted) + 1}", call))
        return sql_tree.column(owner, name)

    def change(node: Any) -> Any:
        if not _is_call(node):
            return node
        if node.funcname[-1].sval == _SIMILARITY and len(node.args or ()) >= 2 and not _named(node):
            sides = [once(_embedding(node, side)) for side in node.args[:2]]
            return node if None in sides else _distance(*sides)
        return once(node) or node

    shown = [_output(target) for target in tree.targetList]
    for place in ("targetList", "whereClause", "groupClause", "havingClause", "sortClause", "fromClause"):
        setattr(tree, place, sql_tree.replaced(getattr(tree, place), change))
    if not wanted:
        return None
    for target, name in zip(tree.targetList, shown, strict=True):
        target.name = name
    parts = sql_tree.conjuncts(tree.whereClause)
    queries = {}
    for owner in dict.fromkeys(owner for owner, _ in wanted):
        mine = [part for part in parts if _only(part, owner, {name for name, _ in wanted.values()})]
        parts = [part for part in parts if part not in mine]
        table = tables[owner]
        star = ast.ResTarget(val=ast.ColumnRef(fields=(ast.A_Star(),)))
        made = [ast.ResTarget(name=name, val=call) for (whose, _), (name, call) in wanted.items() if whose == owner]
        queries[f"{owner}_once"] = ast.SelectStmt(
            targetList=(star, *made),
            whereClause=sql_tree.conjunction(mine),
            fromClause=(
                ast.RangeVar(
                    schemaname=table.schemaname, relname=table.relname, inh=table.inh, alias=ast.Alias(aliasname=owner)
                ),
            ),
        )
    tree.whereClause = sql_tree.conjunction(parts)

    def renamed(node: Any) -> Any:
        if isinstance(node, ast.RangeVar) and f"{sql_tree.alias(node)}_once" in queries:
            owner = sql_tree.alias(node)
            return ast.RangeVar(relname=f"{owner}_once", inh=True, alias=ast.Alias(aliasname=owner))
        return node

    tree.fromClause = sql_tree.replaced(tree.fromClause, renamed)
    tree.withClause = _with(queries)
    moved = _functions([call for _, call in wanted.values()])
    return {"rule": "once per row", "sql": sql_tree.written(tree), "needs": {"stable": moved}}


def _is_call(node: Any) -> bool:
    from pglast import ast

    return isinstance(node, ast.FuncCall) and node.funcname[-1].sval.startswith(_MODELS)


def calls(tree: Any) -> bool:
    """Whether a model is called anywhere in a tree."""
    return any(_is_call(node) for node in sql_tree.nodes(tree))


def _functions(trees: list[Any]) -> list[str]:
    """The names of all functions that are called."""
    from pglast import ast

    called = (node for tree in trees for node in sql_tree.nodes(tree) if isinstance(node, ast.FuncCall))
    return sorted({node.funcname[-1].sval for node in called})


def _named(call: Any) -> bool:
    from pglast import ast

    return any(isinstance(each, ast.NamedArgExpr) for each in call.args[:2])


def _joined(tree: Any) -> bool:
    from pglast import ast

    sources = tree.fromClause or ()
    return len(sources) > 1 or any(isinstance(each, ast.JoinExpr) for each in sources)


def _with(queries: dict[str, Any]) -> Any:
    from pglast import ast
    from pglast.enums import CTEMaterialize

    always = CTEMaterialize.CTEMaterializeAlways
    return ast.WithClause(
        ctes=tuple(
            ast.CommonTableExpr(ctename=name, ctematerialized=always, ctequery=query) for name, query in queries.items()
        ),
        recursive=False,
    )


def _output(target: Any) -> str | None:
    """The name of an output column, as PostgreSQL gives it."""
    from pglast import ast

    if target.name:
        return str(target.name)
    if name := sql_tree.name(target.val):
        return name[-1]
    return str(target.val.funcname[-1].sval) if isinstance(target.val, ast.FuncCall) else None


def _only(part: Any, owner: str, made: set[str]) -> bool:
    """Whether a condition is about one table alone, and about none of the columns that models fill."""
    names = [sql_tree.name(column) for column in sql_tree.columns(part)]
    return bool(names) and not calls(part) and all(name[0] == owner and name[1] not in made for name in names)


def _embedding(similarity: Any, side: Any) -> Any:
    from pglast import ast

    name = (*similarity.funcname[:-1], ast.String(sval=_EMBED))
    return ast.FuncCall(funcname=name, args=(side, *similarity.args[2:]))


def _distance(left: Any, right: Any) -> Any:
    """One minus the cosine distance of two embeddings, as real."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind

    def operation(name: str, one: Any, other: Any) -> Any:
        return ast.A_Expr(kind=A_Expr_Kind.AEXPR_OP, name=(ast.String(sval=name),), lexpr=one, rexpr=other)

    similarity = operation("-", ast.A_Const(val=ast.Integer(ival=1)), operation("<=>", left, right))
    real = ast.TypeName(names=(ast.String(sval="pg_catalog"), ast.String(sval="float4")), typemod=-1)
    return ast.TypeCast(arg=similarity, typeName=real)


RULES: tuple[Callable[[str], Rewrite | None], ...] = (models_last, once_per_row)
