"""The filter of a search: a JSON object of conditions on columns, turned into SQL with the values as parameters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pg_llm.database.column_types import ColumnType
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

_COMPARISONS = {"=": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_PATTERNS = {"like": "LIKE", "not like": "NOT LIKE", "ilike": "ILIKE", "not ilike": "NOT ILIKE"}
_OPERATORS = [*_COMPARISONS, *_PATTERNS, "in", "not in", "@>"]
_TEXT = ColumnType("text", True, False, True)
_EXAMPLE = """Write filter => '{"lang": "en", "year": {">=": 1990, "<": 2000}, "state": ["new", "open"]}'."""

Parameter = Callable[[Any, str], str]


def condition(filter: str | None, columns: dict[str, ColumnType], parameter: Parameter) -> str:
    """SQL for a row called `t`; true where there is no filter. Raises InvalidInput."""
    if filter is None:
        return "true"
    # Numbers stay as they are written: the column's type reads them.
    wanted = json.loads(filter, parse_float=str, parse_int=str)
    if not isinstance(wanted, dict):
        raise InvalidInput("filter must be a JSON object", hint=_EXAMPLE)
    parts = []
    for column, test in wanted.items():
        if column not in columns:
            raise InvalidInput(f'filter: there is no column "{column}"', hint=f"Columns are: {', '.join(columns)}.")
        tests = test if isinstance(test, dict) else {"in" if isinstance(test, list) else "=": test}
        for operator, value in tests.items():
            name, kind = f"t.{quote_ident(column)}", columns[column]
            if operator == "@>" and kind.name == "jsonb" and value is not None:
                # Taken from the filter itself, where numbers are numbers.
                path = parameter([column, operator], "text[]")
                parts.append(f"{name} @> ({parameter(filter, 'text')}::jsonb #> {path})")
            else:
                parts.append(_test(name, kind, operator.lower(), value, parameter))
    return " AND ".join(parts) or "true"


def _test(column: str, its: ColumnType, operator: str, value: Any, parameter: Parameter) -> str:
    if its.composite:
        # To read one from a text would run the checks of the domains in it.
        column, its = its.text(column), _TEXT
    column = its.plain(column)
    if operator not in _OPERATORS:
        raise InvalidInput(
            f'filter: there is no operator "{operator}"', hint=f"Operators are: {', '.join(_OPERATORS)}."
        )
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise InvalidInput(f'filter: "{operator}" takes a list', hint=_EXAMPLE)
        members = its.parameter(parameter, [_text(member) for member in value if member is not None], array=True)
        # As in Python and unlike SQL, a list with null in it holds null.
        test = f"{column} = ANY({members})" + (f" OR {column} IS NULL" if None in value else "")
        return f"({test})" if operator == "in" else f"(({test}) IS NOT TRUE)"
    if value is None and operator in ("=", "!=", "<>"):
        return f"{column} IS {'' if operator == '=' else 'NOT '}NULL"
    if value is None or (isinstance(value, list | dict) and operator != "@>"):
        raise InvalidInput(f'filter: "{operator}" takes a single value', hint=_EXAMPLE)
    if isinstance(value, list) and its.name.endswith("[]"):
        member = replace(its, name=its.name.removesuffix("[]"))
        members = member.parameter(parameter, [None if each is None else _text(each) for each in value], array=True)
        return f"{column} @> {members}"
    if operator in _PATTERNS:
        return f"{its.text(column)} {_PATTERNS[operator]} {parameter(_text(value), 'text')}"
    return f"{column} {_COMPARISONS.get(operator, operator)} {its.parameter(parameter, _text(value))}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
