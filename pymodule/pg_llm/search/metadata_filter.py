"""Metadata filters: a JSON object of conditions on columns becomes SQL with the values as parameters."""

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
_TEXT = ColumnType("text", builtin=True, composite=False, jsonable=True)
_EXAMPLE = """Write filter => '{"lang": "en", "year": {">=": 1990, "<": 2000}, "state": ["new", "open"]}'."""

# Adds a value of a type to the statement's parameters, and gives the parameter's name.
Parameter = Callable[[Any, str], str]


def condition(filter: str | None, columns: dict[str, ColumnType], parameter: Parameter) -> str:
    """SQL on a row called `t`; `true` without a filter. Raises InvalidInput."""
    if filter is None:
        return "true"
    # Numbers keep their digits: the column's type reads them.
    tests_by_column = json.loads(filter, parse_float=str, parse_int=str)
    if not isinstance(tests_by_column, dict):
        raise InvalidInput("filter must be a JSON object", hint=_EXAMPLE)
    conditions = []
    for column, test in tests_by_column.items():
        if column not in columns:
            raise InvalidInput(f'filter: there is no column "{column}"', hint=f"Columns are: {', '.join(columns)}.")
        tests = test if isinstance(test, dict) else {"in" if isinstance(test, list) else "=": test}
        for operator, value in tests.items():
            name, column_type = f"t.{quote_ident(column)}", columns[column]
            if operator == "@>" and column_type.name == "jsonb" and value is not None:
                # From the filter itself, as `value` has lost which of its strings were numbers.
                path = parameter([column, operator], "text[]")
                conditions.append(f"{name} @> ({parameter(filter, 'text')}::jsonb #> {path})")
            else:
                conditions.append(_test(name, column_type, operator.lower(), value, parameter))
    return " AND ".join(conditions) or "true"


def _test(column: str, column_type: ColumnType, operator: str, value: Any, parameter: Parameter) -> str:
    if column_type.composite:
        # Reading a composite value from a text would run the checks of its domains.
        column, column_type = column_type.text(column), _TEXT
    column = column_type.plain(column)
    if operator not in _OPERATORS:
        raise InvalidInput(
            f'filter: there is no operator "{operator}"', hint=f"Operators are: {', '.join(_OPERATORS)}."
        )
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise InvalidInput(f'filter: "{operator}" takes a list', hint=_EXAMPLE)
        values = [_text(member) for member in value if member is not None]
        members = column_type.parameter(parameter, values, array=True)
        # As in Python and unlike SQL, a list with null in it contains null.
        test = f"{column} = ANY({members})" + (f" OR {column} IS NULL" if None in value else "")
        return f"({test})" if operator == "in" else f"(({test}) IS NOT TRUE)"
    if value is None and operator in ("=", "!=", "<>"):
        return f"{column} IS {'' if operator == '=' else 'NOT '}NULL"
    if value is None or (isinstance(value, list | dict) and operator != "@>"):
        raise InvalidInput(f'filter: "{operator}" takes a single value', hint=_EXAMPLE)
    if isinstance(value, list) and column_type.name.endswith("[]"):
        element_type = replace(column_type, name=column_type.name.removesuffix("[]"))
        elements = [None if element is None else _text(element) for element in value]
        return f"{column} @> {element_type.parameter(parameter, elements, array=True)}"
    if operator in _PATTERNS:
        return f"{column_type.text(column)} {_PATTERNS[operator]} {parameter(_text(value), 'text')}"
    return f"{column} {_COMPARISONS.get(operator, operator)} {column_type.parameter(parameter, _text(value))}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
