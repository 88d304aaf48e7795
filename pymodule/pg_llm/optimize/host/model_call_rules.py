"""Rewrites that call models less often: after cheaper conditions, or once per row instead of once per pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pg_llm.optimize.host import sql_tree

Rewrite = dict[str, Any]

_MODEL_PREFIX = "llm_"
_CANDIDATES = "candidates"
_SIMILARITY = "llm_similarity"
_EMBED = "llm_embed"


def models_last(text: str) -> Rewrite | None:
    """Evaluate all conditions without model calls in a MATERIALIZED CTE first."""
    from pglast import ast

    tree = sql_tree.select(text)
    parts = sql_tree.conjuncts(tree.whereClause)
    with_models = [part for part in parts if calls_model(part)]
    without_models = [part for part in parts if not calls_model(part)]
    if not with_models or tree.withClause or tree.op or not (without_models or _has_join(tree)):
        return None
    # The clauses that stay outside the CTE.
    outside = (
        tree.targetList,
        tuple(with_models),
        tree.groupClause,
        tree.havingClause,
        tree.sortClause,
        tree.windowClause,
        tree.distinctClause,
    )
    if any(isinstance(node, ast.SubLink) for node in sql_tree.nodes(outside)):
        return None
    aliases = {target.name for target in tree.targetList if target.name}
    shown = aliases | {name[-1] for target in tree.targetList if (name := sql_tree.column_name(target.val))}
    grouped = [sql_tree.column_name(column) for column in sql_tree.columns(tree.groupClause)]
    if any(len(name) == 1 and name[0] in aliases for name in grouped):
        return None
    moved: dict[tuple[str, ...], str] = {}

    def change(node: Any) -> Any:
        if not isinstance(node, ast.ColumnRef):
            return node
        key = tuple(sql_tree.column_name(node))
        return sql_tree.column(moved.setdefault(key, f"column_{len(moved) + 1}"))

    columns = sql_tree.columns(outside)
    if not all(sql_tree.column_name(column) for column in columns):
        return None
    for target in tree.targetList:
        # Keep the name that the output column would have had.
        if target.name is None and (name := sql_tree.column_name(target.val)):
            target.name = name[-1]
    sort = tuple(
        sort_key
        if len(sql_tree.column_name(sort_key.node)) == 1 and sql_tree.column_name(sort_key.node)[0] in shown
        else sql_tree.transform(sort_key, change)
        for sort_key in tree.sortClause or ()
    )
    for clause in ("targetList", "groupClause", "havingClause", "windowClause", "distinctClause"):
        setattr(tree, clause, sql_tree.transform(getattr(tree, clause), change))
    tree.sortClause = sort or None
    with_models = [sql_tree.transform(part, change) for part in with_models]
    inner = ast.SelectStmt(
        targetList=tuple(ast.ResTarget(name=name, val=sql_tree.column(*key)) for key, name in moved.items()),
        fromClause=tree.fromClause,
        whereClause=sql_tree.conjunction(without_models),
    )
    tree.fromClause = (ast.RangeVar(relname=_CANDIDATES, inh=True),)
    tree.whereClause = sql_tree.conjunction(with_models)
    tree.withClause = _with({_CANDIDATES: inner})
    return {"rule": "models last", "sql": sql_tree.to_sql(tree), "needs": {"stable": _function_names(with_models)}}


def once_per_row(text: str) -> Rewrite | None:
    """Compute model calls on one table's columns in a MATERIALIZED CTE of that table; similarities become distances."""
    from pglast import ast

    tree = sql_tree.select(text)
    sources = sql_tree.from_tables(tree)
    if sources is None or sources[1] or len(sources[0]) < 2 or tree.withClause or tree.op:
        return None
    tables = {sql_tree.alias(table): table for table in sources[0]}
    if any(isinstance(node, ast.SubLink) for node in sql_tree.nodes(tree)) or len(tables) != len(sources[0]):
        return None
    aliases = {target.name for target in tree.targetList if target.name}
    # References to output columns stay as they are.
    outputs = {
        id(sort_key.node)
        for sort_key in tree.sortClause or ()
        if sql_tree.column_name(sort_key.node) in [[name] for name in aliases]
    }
    names = [sql_tree.column_name(column) for column in sql_tree.columns(tree) if id(column) not in outputs]
    if not all(len(name) == 2 and name[0] in tables for name in names):
        return None
    moved_calls: dict[tuple[str, str], tuple[str, Any]] = {}

    def moved_column(call: Any) -> Any | None:
        """The CTE column that replaces a call, if the call concerns one table only."""
        about = {
            sql_tree.column_name(column)[0]
            for column in sql_tree.columns(call)
            if len(sql_tree.column_name(column)) > 1
        }
        if len(about) != 1:
            return None
        (owner,) = about
        name, _ = moved_calls.setdefault((owner, sql_tree.to_sql(call)), (f"model_{len(moved_calls) + 1}", call))
        return sql_tree.column(owner, name)

    def change(node: Any) -> Any:
        if not _is_call(node):
            return node
        if node.funcname[-1].sval == _SIMILARITY and len(node.args or ()) >= 2 and not _has_named_arguments(node):
            sides = [moved_column(_embedding(node, side)) for side in node.args[:2]]
            return node if None in sides else _distance(*sides)
        return moved_column(node) or node

    shown = [_output_name(target) for target in tree.targetList]
    for clause in ("targetList", "whereClause", "groupClause", "havingClause", "sortClause", "fromClause"):
        setattr(tree, clause, sql_tree.transform(getattr(tree, clause), change))
    if not moved_calls:
        return None
    for target, name in zip(tree.targetList, shown, strict=True):
        target.name = name
    parts = sql_tree.conjuncts(tree.whereClause)
    queries = {}
    for owner in dict.fromkeys(owner for owner, _ in moved_calls):
        own_conditions = [
            part for part in parts if _concerns_only(part, owner, {name for name, _ in moved_calls.values()})
        ]
        parts = [part for part in parts if part not in own_conditions]
        table = tables[owner]
        star = ast.ResTarget(val=ast.ColumnRef(fields=(ast.A_Star(),)))
        call_columns = [
            ast.ResTarget(name=name, val=call) for (whose, _), (name, call) in moved_calls.items() if whose == owner
        ]
        queries[f"{owner}_once"] = ast.SelectStmt(
            targetList=(star, *call_columns),
            whereClause=sql_tree.conjunction(own_conditions),
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

    tree.fromClause = sql_tree.transform(tree.fromClause, renamed)
    tree.withClause = _with(queries)
    functions = _function_names([call for _, call in moved_calls.values()])
    return {"rule": "once per row", "sql": sql_tree.to_sql(tree), "needs": {"stable": functions}}


def _is_call(node: Any) -> bool:
    from pglast import ast

    return isinstance(node, ast.FuncCall) and node.funcname[-1].sval.startswith(_MODEL_PREFIX)


def calls_model(tree: Any) -> bool:
    """True if a model is called anywhere in the tree."""
    return any(_is_call(node) for node in sql_tree.nodes(tree))


def _function_names(trees: list[Any]) -> list[str]:
    """The names of all called functions."""
    from pglast import ast

    called = (node for tree in trees for node in sql_tree.nodes(tree) if isinstance(node, ast.FuncCall))
    return sorted({node.funcname[-1].sval for node in called})


def _has_named_arguments(call: Any) -> bool:
    from pglast import ast

    return any(isinstance(argument, ast.NamedArgExpr) for argument in call.args[:2])


def _has_join(tree: Any) -> bool:
    from pglast import ast

    sources = tree.fromClause or ()
    return len(sources) > 1 or any(isinstance(source, ast.JoinExpr) for source in sources)


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


def _output_name(target: Any) -> str | None:
    """The output column's name as PostgreSQL derives it."""
    from pglast import ast

    if target.name:
        return str(target.name)
    if name := sql_tree.column_name(target.val):
        return name[-1]
    return str(target.val.funcname[-1].sval) if isinstance(target.val, ast.FuncCall) else None


def _concerns_only(part: Any, owner: str, model_columns: set[str]) -> bool:
    """True if a condition concerns this table alone, and no column computed by a model."""
    names = [sql_tree.column_name(column) for column in sql_tree.columns(part)]
    return (
        bool(names)
        and not calls_model(part)
        and all(name[0] == owner and name[1] not in model_columns for name in names)
    )


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
