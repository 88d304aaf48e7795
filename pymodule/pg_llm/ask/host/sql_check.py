"""An allow-list of SQL by its parse tree: statements, nodes, functions, types and operators not listed are refused.

Option `purpose` says what the text is and what is wanted of it. The result is JSON: `refused` with the reason, or

- for a `query`, and for the definition of a `view` with qualified names: `sql`, the single statement, `relations`, each
  with `schema`, `name` and its offset `at`, and for a view also the `types` of constants that are not on the list;
- for an `expression`: `sql` without comments, and its `columns`, each with its `parts`, offset `at` and `length`;
- for the `layout` of a query: `sql` with a line for each clause;
- for the `columns` of a query: `sql`, its `tables`, each with the `alias` it has there, and those `columns` that name
  one, each with `alias`, `name` and the offset `at` of the alias.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process

_LONGEST = 20_000
_DEEPEST = 200
# What makes a statement of an expression.
_SELECT = "SELECT "
# Immutable and stable functions of PostgreSQL that read only their arguments and cost little.
FUNCTIONS = frozenset(
    """
    count sum avg min max bool_and bool_or every stddev stddev_pop stddev_samp variance var_pop var_samp corr
    covar_pop covar_samp regr_slope regr_intercept regr_r2 mode percentile_cont percentile_disc string_agg array_agg
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value abs ceil
    ceiling floor round trunc sign sqrt cbrt exp ln log power mod div greatest least width_bucket degrees radians
    sin cos tan asin acos atan atan2 pi gcd lcm scale trim_scale lower upper initcap
    length char_length character_length octet_length btrim ltrim rtrim trim substring substr position strpos left
    right reverse replace translate split_part concat
    concat_ws starts_with ascii chr md5 overlay like_escape similar_to_escape regexp_match regexp_replace
    regexp_like regexp_count regexp_substr normalize format to_char to_date to_number to_timestamp date_part extract
    date_trunc age make_date make_time make_timestamp make_interval justify_days justify_hours justify_interval
    isfinite now timezone coalesce nullif num_nulls num_nonnulls array_length cardinality array_position
    array_to_string string_to_array array_remove unnest json_array_length jsonb_array_length jsonb_typeof
    json_typeof jsonb_extract_path_text json_extract_path_text
""".split()
)
TYPES = frozenset(
    """
    int2 int4 int8 smallint integer int bigint float4 float8 real float decimal numeric text varchar bpchar char
    bool boolean date time timetz timestamp timestamptz interval uuid json jsonb money name
""".split()
)
_OPERATORS = frozenset(
    """
    = <> != < > <= >= + - * / % ^ || ~ ~* !~ !~* ~~ ~~* !~~ !~~* -> ->> #> #>> @> <@ && ?
""".split()
) | {"BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"}
_NODES = frozenset(
    """
    SelectStmt ResTarget ColumnRef A_Star A_Const String Integer Float Boolean A_Expr BoolExpr FuncCall TypeCast
    TypeName SubLink CaseExpr CaseWhen CoalesceExpr MinMaxExpr NullTest BooleanTest RangeVar JoinExpr RangeSubselect
    Alias SortBy WindowDef WithClause CommonTableExpr A_ArrayExpr RowExpr GroupingSet SQLValueFunction A_Indices
    A_Indirection List
""".split()
)
_TIME_FUNCTIONS = frozenset(
    f"SVFOP_{name}"
    for time in ("CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP")
    for name in (time, f"{time}_N")
) | {"SVFOP_CURRENT_DATE"}


class _Refused(Exception):
    """The reason, phrased to follow `the SQL`."""


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON text per SQL text."""
    purpose = options.get("purpose", "query")
    return [WorkItem((), lambda _, text=text: worker_process.call("sql_check", text, purpose)) for text in inputs]  # type: ignore[misc]


def run_in_worker(text: str, purpose: str = "query") -> str:
    """Check one text; in a child process, as the parser is PostgreSQL's own and its symbols would clash in a server."""
    try:
        return json.dumps(_PURPOSES[purpose](text))
    except _Refused as refused:
        return json.dumps({"refused": str(refused)})


def check(text: str, view: bool = False) -> dict[str, Any]:
    """The statement and its relations. Raises _Refused."""
    statement = _parsed(text)
    reader = _AstValidator(view)
    tables = list(reader.relations(statement.stmt, frozenset(), 0))
    start = statement.stmt_location or 0
    body = text[start : start + statement.stmt_len if statement.stmt_len else None]
    relations = [
        {"schema": table.schemaname, "name": table.relname, "at": table.location - start}
        for table in tables
        if not table.catalogname
    ]
    if len(relations) != len(tables):
        raise _Refused("names another database")
    return {"sql": body, "relations": relations, "types": sorted(reader.types)}


def _expression(text: str) -> dict[str, Any]:
    """An expression over the columns of tables, as a column of a SELECT, and where its columns are."""
    from pglast.stream import RawStream

    value = _single_value(text)
    # Once more, as the text without comments has other offsets.
    written = RawStream()(value)
    columns = []
    for node in _nodes(_single_value(written)):
        name = type(node).__name__
        if name in ("SubLink", "WindowDef"):
            raise _Refused("holds a query or a window of its own")
        if name == "FuncCall" and node.funcname[-1].sval == "unnest":
            raise _Refused("gives several rows")
        if name == "ColumnRef":
            parts = [getattr(field, "sval", None) for field in node.fields]
            if None in parts:
                raise _Refused("names all columns at once")
            columns.append({"parts": parts, "at": node.location - len(_SELECT), "length": len(RawStream()(node))})
    return {"sql": written, "columns": columns}


def _single_value(text: str) -> Any:
    statement = _parsed(_SELECT + text).stmt
    list(_AstValidator(False).relations(statement, frozenset(), 0))
    used = {slot for slot in statement if getattr(statement, slot)} - {"limitOption", "op"}
    if used != {"targetList"} or len(statement.targetList) != 1 or statement.targetList[0].name:
        raise _Refused("is no single expression")
    return statement.targetList[0].val


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple | list):
        for item in node:
            yield from _nodes(item)
    elif type(node).__module__ == "pglast.ast":
        yield node
        for slot in node:
            yield from _nodes(getattr(node, slot))


def _layout(text: str) -> dict[str, Any]:
    """The statement with a line for each clause."""
    from pglast.stream import IndentedStream

    check(text)
    return {"sql": IndentedStream(comma_at_eoln=True)(_parsed(text).stmt)}


def _columns(text: str) -> dict[str, Any]:
    """The tables of a statement by their aliases, and its columns that name one."""
    sql = check(text)["sql"]
    nodes = list(_nodes(_parsed(sql).stmt))
    tables = [node for node in nodes if type(node).__name__ == "RangeVar"]
    fields = [
        (node.location, [getattr(field, "sval", None) for field in node.fields])
        for node in nodes
        if type(node).__name__ == "ColumnRef"
    ]
    return {
        "sql": sql,
        "tables": [{"alias": one.alias.aliasname if one.alias else one.relname, "name": one.relname} for one in tables],
        "columns": [{"alias": said[0], "name": said[1], "at": at} for at, said in fields if len(said) == 2 and said[1]],
    }


def _parsed(text: str) -> Any:
    """The single statement of a text, which is a SELECT. Raises _Refused."""
    import pglast
    import pglast.parser

    if len(text) > _LONGEST:
        raise _Refused(f"is longer than {_LONGEST} characters")
    if "\0" in text:
        raise _Refused("holds a NUL character")
    try:
        statements = pglast.parse_sql(text)
    except (pglast.parser.ParseError, RecursionError, UnicodeError) as error:
        raise _Refused(f"cannot be parsed: {str(error).split(', at')[0]}") from error
    if len(statements) != 1:
        raise _Refused(f"holds {len(statements)} statements, and one SELECT is allowed")
    statement = statements[0]
    if type(statement.stmt).__name__ != "SelectStmt":
        raise _Refused("is no SELECT")
    return statement


class _AstValidator:
    def __init__(self, view: bool) -> None:
        self._view = view
        self.types: set[str] = set()

    def relations(self, node: Any, cte_names: frozenset[str], depth: int) -> Iterator[Any]:
        """The tables that a node reads, without the CTE names in `known`. Raises _Refused."""
        if isinstance(node, tuple | list):
            for item in node:
                yield from self.relations(item, cte_names, depth)
            return
        if type(node).__module__ != "pglast.ast":
            return
        if depth > _DEEPEST:
            raise _Refused("is nested too deeply")
        name = type(node).__name__
        if name not in _NODES:
            raise _Refused(f"has a part that is not allowed ({name})")
        getattr(self, f"_check_{name}", _accept)(node)
        if name == "TypeCast" and self._view and type(node.arg).__name__ == "A_Const" and len(node.typeName.names) == 2:
            schema, type_name = [part.sval for part in node.typeName.names]
            if schema != "pg_catalog":
                self.types.add(f"{schema}.{type_name}")
                return
        if name == "RangeVar":
            if node.schemaname or node.relname not in cte_names:
                yield node
            return
        if name == "SelectStmt" and node.withClause:
            inner = cte_names
            names = {query.ctename for query in node.withClause.ctes}
            if node.withClause.recursive:
                inner = cte_names | names
            for query in node.withClause.ctes:
                yield from self.relations(query, inner, depth + 1)
                inner |= {query.ctename}
            cte_names |= names
        for slot in node:
            if not (slot == "withClause" and name == "SelectStmt"):
                yield from self.relations(getattr(node, slot), cte_names, depth + 1)

    def _check_SelectStmt(self, node: Any) -> None:  # noqa: N802 - after the node
        if node.intoClause:
            raise _Refused("would create a table (SELECT INTO)")
        if node.lockingClause:
            raise _Refused("would lock rows (FOR UPDATE, FOR SHARE)")

    def _check_CommonTableExpr(self, node: Any) -> None:  # noqa: N802
        if type(node.ctequery).__name__ != "SelectStmt":
            raise _Refused("changes data inside WITH")

    def _check_FuncCall(self, node: Any) -> None:  # noqa: N802
        *schema, name = [part.sval for part in node.funcname]
        if schema not in ([], ["pg_catalog"]) or name not in FUNCTIONS:
            raise _Refused(f"calls {'.'.join([*schema, name])}(), which is not among the functions allowed")

    def _check_TypeName(self, node: Any) -> None:  # noqa: N802
        *schema, name = [part.sval for part in node.names]
        if schema in ([], ["pg_catalog"]):
            if name not in TYPES:
                raise _Refused(f"names the type {name}, which is not among those allowed")
        else:
            raise _Refused(f"names a type of somebody's own ({'.'.join([*schema, name])})")

    def _check_A_Expr(self, node: Any) -> None:  # noqa: N802
        *schema, name = [part.sval for part in node.name]
        if schema not in ([], ["pg_catalog"]) or name not in _OPERATORS:
            raise _Refused(f"uses the operator {'.'.join([*schema, name])}, which is not among those allowed")

    def _check_SortBy(self, node: Any) -> None:  # noqa: N802
        if node.useOp:
            raise _Refused("sorts by an operator of its own")

    def _check_SubLink(self, node: Any) -> None:  # noqa: N802
        if node.operName:
            self._check_A_Expr(_OperatorNode(node.operName))

    def _check_SQLValueFunction(self, node: Any) -> None:  # noqa: N802
        if node.op.name not in _TIME_FUNCTIONS:
            raise _Refused("asks who is asking or where")


class _OperatorNode:
    def __init__(self, name: Any) -> None:
        self.name = name


def _accept(node: Any) -> None:
    """Nodes without a check of their own need none."""


_PURPOSES: dict[str, Callable[[str], dict[str, Any]]] = {
    "query": check,
    "view": functools.partial(check, view=True),
    "expression": _expression,
    "layout": _layout,
    "columns": _columns,
}
