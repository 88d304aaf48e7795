"""Metadata filters: a JSON object of conditions on columns becomes SQL with the values as parameters.

    filter   {name: test, …}             every condition holds; {} lets all rows pass
             {"or": [filter, …]}         one of them holds; "and": all of them; "not": none of them
    test     value | null | [value, …]   equal; IS NULL; one of these
             {operator: value, …}        every test holds
    name     a column, or a path into a JSON column: meta.author.name, meta->author->name, meta.authors.0

A list of objects under "or", "and" and "not" is logic even where the table has a column of that name, which
{"or": {"in": […]}} reaches. "not" takes one filter without a list as well, unless there is a column "not".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput
from pg_llm.search.filter_operands import EXAMPLE, TEXT, Array, Json, Number, Operand, Parameter, Scalar, Values

_LOGIC = ("and", "or", "not")
# More than people write, and less than the server's stack bears.
_MAX_DEPTH = 50
_MAX_TESTS = 1000
_JSON_TYPES = ("json", "jsonb")


def condition(filter: str | None, columns: dict[str, ColumnType], parameter: Parameter) -> str:
    """SQL on a row called `t`; `true` without a filter. Raises InvalidInput."""
    return "true" if filter is None else _Filter(filter, columns, Values(parameter)).sql


def check(db: Connection, filter: str | None, columns: dict[str, ColumnType]) -> None:
    """Raise InvalidInput where the server does not take a value of the filter for its column, whatever rows there are.

    It is asked about none that is certain, such as numbers and texts; it is asked with the rights of the caller.
    """
    if filter is None:
        return
    parameters: list[tuple[Any, str]] = []

    def add(value: Any, type_: str) -> str:
        parameters.append((value, type_))
        return f"${len(parameters)}"

    compiled = _Filter(filter, columns, Values(add))
    unsure = compiled.values.unsure
    if not unsure:
        return
    row = ", ".join(f"NULL::{columns[name].name} AS {quote_ident(name)}" for name in compiled.names)
    query = f"SELECT {', '.join(unsure)}, {compiled.sql} FROM (SELECT {row}) AS t"
    try:
        with db.savepoint():
            db.query_unprepared(query, [type_ for _, type_ in parameters], [value for value, _ in parameters])
    except DatabaseError as error:
        # Data exceptions, and operators that a type does not have.
        if error.sqlstate[:2] != "22" and error.sqlstate not in ("42883", "42725", "42804"):
            raise
        types = ", ".join(f"{name} is {columns[name].name}" for name in compiled.names)
        raise InvalidInput(f"filter: {error}", hint=f"Of the columns that it names, {types}.") from None


class _Filter:
    """`sql` is the condition, `values` what it compares with, `names` the columns that it reads."""

    def __init__(self, filter: str, columns: dict[str, ColumnType], values: Values) -> None:
        self._columns = columns
        self.values = values
        self.names: dict[str, None] = {}
        self._tests = 0
        try:
            # Numbers keep their digits: the column's type reads them.
            parsed = json.loads(filter, parse_float=Number, parse_int=Number)
        except RecursionError:
            raise _too_deep() from None
        self.sql = self._all_of(parsed, 0)

    def _all_of(self, filter: Any, depth: int) -> str:
        if not isinstance(filter, dict):
            raise InvalidInput("filter must be a JSON object", hint=EXAMPLE)
        if depth > _MAX_DEPTH:
            raise _too_deep()
        conditions = [
            self._logic(name, test, depth) if self._is_logic(name, test) else self._tests_of(name, test)
            for name, test in filter.items()
        ]
        return _joined("AND", conditions)

    def _is_logic(self, name: str, test: Any) -> bool:
        if name not in _LOGIC:
            return False
        return name not in self._columns or (
            isinstance(test, list) and bool(test) and all(isinstance(member, dict) for member in test)
        )

    def _logic(self, name: str, test: Any, depth: int) -> str:
        if name == "not" and isinstance(test, dict):
            test = [test]
        if not isinstance(test, list) or not all(isinstance(member, dict) for member in test):
            raise InvalidInput(
                f'filter: "{name}" takes a list of filters',
                hint=f"""Write filter => '{{"{name}": [{{"lang": "en"}}, {{"year": {{">": 1990}}}}]}}'.""",
            )
        parts = [self._all_of(member, depth + 1) for member in test]
        if name == "not":
            # Whatever the filters do not let pass, also where a value is NULL.
            return f"(({_joined('OR', parts)}) IS NOT TRUE)"
        return f"({_joined(name.upper(), parts)})"

    def _tests_of(self, name: str, test: Any) -> str:
        operand = self._operand(name)
        tests = test if isinstance(test, dict) else {"in" if isinstance(test, list) else "=": test}
        self._tests += len(tests)
        if self._tests > _MAX_TESTS:
            raise InvalidInput(
                f"a filter has at most {_MAX_TESTS} tests",
                hint='Test for one of many values by {"column": [value, …]}.',
            )
        return _joined(
            "AND", [operand.test(" ".join(word.lower().split()), value, self.values) for word, value in tests.items()]
        )

    def _operand(self, label: str) -> Operand:
        column, path = self._resolve(label)
        type_ = self._columns[column]
        self.names[column] = None
        cell = f"t.{quote_ident(column)}"
        if type_.name in _JSON_TYPES:
            return Json.at(label, cell, type_, path, self.values)
        if type_.name.endswith("[]"):
            if type_.builtin:
                element = ColumnType(type_.name.removesuffix("[]"), builtin=True, composite=False, jsonable=True)
                return Array(label, cell, element)
            # Elements of other types are compared as texts: reading one could run the checks of a domain.
            return Array(label, f"{type_.text(cell)}::text[]", TEXT)
        if type_.composite:
            # As for such elements.
            return Scalar(label, type_.text(cell), TEXT)
        return Scalar(label, type_.plain(cell), type_)

    def _resolve(self, label: str) -> tuple[str, list[str]]:
        """The column that a name means, with the path into it: the longest name of a column, a whole one at best."""
        if label in self._columns:
            return label, []
        for separator in reversed(list(re.finditer(r"->>?|\.", label))):
            column = label[: separator.start()].strip()
            if column in self._columns:
                break
        else:
            raise InvalidInput(
                f'filter: there is no column "{label}"', hint=f"Columns are: {', '.join(self._columns)}."
            )
        if self._columns[column].name not in _JSON_TYPES:
            raise InvalidInput(
                f'filter: there is no column "{label}", nor a path into "{column}"',
                hint=f"A path leads into a column of type json or jsonb, and this one is {self._columns[column].name}.",
            )
        steps = re.split(r"\." if separator[0] == "." else r"->>?", label[separator.end() :])
        return column, [step if separator[0] == "." else step.strip().strip("'") for step in steps]


def _joined(operator: str, conditions: Iterable[str]) -> str:
    return f" {operator} ".join(conditions) or ("false" if operator == "OR" else "true")


def _too_deep() -> InvalidInput:
    return InvalidInput(f"a filter is nested at most {_MAX_DEPTH} deep", hint=EXAMPLE)
