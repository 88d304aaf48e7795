"""What a metadata filter tests: a column with one value, an array, or a JSON value; each makes SQL of a test.

Every value becomes a parameter. Operators count on a pinned search path.
"""

from __future__ import annotations

import abc
import datetime
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput

EXAMPLE = """Write filter => '{"lang": "en", "year": {">=": 1990, "<": 2000}, "state": ["new", "open"]}'."""

# Adds a value of a type to the statement's parameters, and gives the parameter's name.
Parameter = Callable[[Any, str], str]

_ORDER = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_EQUALITY = {"=": "", "!=": "NOT ", "<>": "NOT "}
_PATTERNS = {"like": "LIKE", "not like": "NOT LIKE", "ilike": "ILIKE", "not ilike": "NOT ILIKE"}
_MEMBERSHIP = ("in", "not in")
_RANGES = {"between": "BETWEEN", "not between": "NOT BETWEEN"}
_NULLNESS = {"is null": True, "is not null": False}
_CONTAINMENT = ("contains", "@>")
_ON_ARRAYS = ("any", "all")

TEXT = ColumnType("text", builtin=True, composite=False, jsonable=True)
_JSONB = replace(TEXT, name="jsonb")
_NUMERIC = replace(TEXT, name="numeric")
_TEXT_TYPES = ("text", "character varying", "character", "name")
_INTEGER_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,1000}(\.\d{1,1000})?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Number(str):
    """The digits of a JSON number: the column's type reads them."""

    __slots__ = ()


class Values:
    """The values of a filter as SQL; `unsure` are those that only the server can say whether their type takes them."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.unsure: list[str] = []

    def add(self, type_: ColumnType, value: str) -> str:
        """SQL for a value of the type."""
        sql = type_.parameter(self.parameter, value)
        if not _fits(type_, value):
            self.unsure.append(sql)
        return sql

    def add_array(self, element: ColumnType, values: Sequence[str | None]) -> str:
        """SQL for an array of values of the type."""
        sql = element.parameter(self.parameter, list(values), array=True)
        # Without a value nothing says that the type has the operator.
        if not values or not all(value is None or _fits(element, value) for value in values):
            self.unsure.append(sql)
        return sql


@dataclass(frozen=True, slots=True)
class Operand(abc.ABC):
    """`label` is how the filter names it, `sql` the value in SQL, of the type `type`."""

    label: str
    sql: str
    type: ColumnType

    def test(self, operator: str, value: Any, values: Values) -> str:
        """The test as SQL. Raises InvalidInput for an operator that is none, and for a value that it does not take."""
        if operator in _NULLNESS:
            if not isinstance(value, bool):
                raise self._refusal(operator, "true or false")
            return self._is_null(value is _NULLNESS[operator])
        if operator in _EQUALITY:
            if value is None:
                return self._is_null(operator == "=")
            return f"{_EQUALITY[operator]}{self._equal(operator, value, values)}"
        if operator in _MEMBERSHIP or (operator == "any" and operator in self._operators):
            members = self._list(operator, value)
            test = self._any_of(operator, [member for member in members if member is not None], values)
            # As in Python and unlike SQL, a list with null in it contains null.
            test = f"({test} OR {self._is_null(True)})" if None in members else f"({test})"
            return f"({test} IS NOT TRUE)" if operator == "not in" else test
        if operator in _PATTERNS:
            pattern = values.parameter(text_of(self._single(operator, value)), "text")
            return f"{self._text} {_PATTERNS[operator]} {pattern}"
        if operator not in self._operators:
            raise InvalidInput(
                f'filter: {self._what} "{self.label}" takes no operator "{operator}"',
                hint=f"Operators for it are: {', '.join(self._operators)}.",
            )
        if operator in _ORDER:
            return self._ordered(operator, self._single(operator, value), values)
        if operator in _RANGES:
            bounds = self._list(operator, value)
            if len(bounds) != 2:
                raise self._refusal(operator, "a list of two values")
            return self._between(operator, [self._single(operator, bound) for bound in bounds], values)
        if value is None:
            raise self._refusal(operator, "a value that is not null")
        return self._contains(operator, value, values)

    @property
    @abc.abstractmethod
    def _operators(self) -> Sequence[str]: ...

    @property
    def _what(self) -> str:
        return "column"

    @property
    def _text(self) -> str:
        return self.type.text(self.sql)

    def _is_null(self, wanted: bool) -> str:
        return f"{self.sql} IS {'' if wanted else 'NOT '}NULL"

    @abc.abstractmethod
    def _equal(self, operator: str, value: Any, values: Values) -> str: ...

    @abc.abstractmethod
    def _any_of(self, operator: str, members: list[Any], values: Values) -> str: ...

    @abc.abstractmethod
    def _ordered(self, operator: str, value: Any, values: Values) -> str: ...

    @abc.abstractmethod
    def _between(self, operator: str, bounds: list[Any], values: Values) -> str: ...

    @abc.abstractmethod
    def _contains(self, operator: str, value: Any, values: Values) -> str: ...

    def _single(self, operator: str, value: Any) -> Any:
        if value is None or isinstance(value, list | dict):
            raise self._refusal(operator, "a single value")
        return value

    def _list(self, operator: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._refusal(operator, "a list")
        return value

    def _refusal(self, operator: str, what: str) -> InvalidInput:
        return InvalidInput(f'filter: "{operator}" takes {what} (for "{self.label}")', hint=EXAMPLE)


class Scalar(Operand):
    """A column with one value, compared as its type compares."""

    __slots__ = ()

    @property
    def _operators(self) -> Sequence[str]:
        return (*_EQUALITY, *_ORDER, *_MEMBERSHIP, *_RANGES, *_PATTERNS, *_NULLNESS, *_CONTAINMENT)

    def _equal(self, operator: str, value: Any, values: Values) -> str:
        return f"({self.sql} = {self._value(self._single(operator, value), values)})"

    def _any_of(self, operator: str, members: list[Any], values: Values) -> str:
        singles = [self._single(operator, member) for member in members]
        # A number that no integer is makes all of them numeric.
        type_ = next((wider for wider in map(self._type_for, singles) if wider is not self.type), self.type)
        return f"{self.sql} = ANY({values.add_array(type_, [text_of(member) for member in singles])})"

    def _ordered(self, operator: str, value: Any, values: Values) -> str:
        return f"{self.sql} {_ORDER[operator]} {self._value(value, values)}"

    def _between(self, operator: str, bounds: list[Any], values: Values) -> str:
        low, high = (self._value(bound, values) for bound in bounds)
        return f"({self.sql} {_RANGES[operator]} {low} AND {high})"

    def _contains(self, operator: str, value: Any, values: Values) -> str:
        value = self._single(operator, value)
        if self.type.name in _TEXT_TYPES:
            return f"strpos({self._text}, {values.parameter(text_of(value), 'text')}) > 0"
        sql = self._value(value, values)
        # Not every type has this operator.
        values.unsure.append(sql)
        return f"{self.sql} @> {sql}"

    def _value(self, value: Any, values: Values) -> str:
        return values.add(self._type_for(value), text_of(value))

    def _type_for(self, value: Any) -> ColumnType:
        """The column's type, or numeric for a number that an integer column cannot hold but compares with."""
        is_integer = self.type.name in _INTEGER_BITS
        return _NUMERIC if is_integer and isinstance(value, Number) and not _fits(self.type, value) else self.type


class Array(Operand):
    """An array column: `type` is that of its elements, `sql` an array of these. A single value means an element."""

    __slots__ = ()

    @property
    def _operators(self) -> Sequence[str]:
        return (*_EQUALITY, *_MEMBERSHIP, *_ON_ARRAYS, *_CONTAINMENT, *_PATTERNS, *_NULLNESS)

    @property
    def _what(self) -> str:
        return "array column"

    @property
    def _text(self) -> str:
        return f"{self.sql}::text"

    def _equal(self, operator: str, value: Any, values: Values) -> str:
        comparison = "=" if isinstance(value, list) else "@>"
        return f"({self.sql} {comparison} {self._array(operator, value, values)})"

    def _any_of(self, operator: str, members: list[Any], values: Values) -> str:
        return f"{self.sql} && {self._array(operator, members, values)}"

    def _ordered(self, operator: str, value: Any, values: Values) -> str:
        raise NotImplementedError

    def _between(self, operator: str, bounds: list[Any], values: Values) -> str:
        raise NotImplementedError

    def _contains(self, operator: str, value: Any, values: Values) -> str:
        if operator == "all":
            value = self._list(operator, value)
        return f"{self.sql} @> {self._array(operator, value, values)}"

    def _array(self, operator: str, value: Any, values: Values) -> str:
        elements = value if isinstance(value, list) else [value]
        return values.add_array(
            self.type, [None if one is None else text_of(self._single(operator, one)) for one in elements]
        )


class Json(Operand):
    """A JSON value, of type jsonb: numbers, strings and booleans equal and follow only their like.

    A single value means also an element of an array; a missing value and JSON's null are NULL.
    """

    __slots__ = ()

    @classmethod
    def at(cls, label: str, column: str, type_: ColumnType, path: Sequence[str], values: Values) -> Json:
        """The value at a path within a column of type json or jsonb."""
        value = f"({column} #> {values.parameter(list(path), 'text[]')})" if path else column
        return cls(label, value if type_.name == "jsonb" else f"{value}::jsonb", _JSONB)

    @property
    def _operators(self) -> Sequence[str]:
        return (
            *_EQUALITY, *_ORDER, *_MEMBERSHIP, *_ON_ARRAYS, *_RANGES, *_CONTAINMENT, *_PATTERNS, *_NULLNESS
        )  # fmt: skip

    @property
    def _what(self) -> str:
        return "JSON value"

    @property
    def _text(self) -> str:
        return f"({self.sql} #>> '{{}}')"

    def _equal(self, operator: str, value: Any, values: Values) -> str:
        # An array contains a single value that is one of its elements, and a value contains itself.
        comparison = "=" if isinstance(value, list | dict) else "@>"
        sql = self.sql if operator == "=" else f"nullif({self.sql}, 'null')"
        return f"({sql} {comparison} {self._json(value, values)})"

    def _any_of(self, operator: str, members: list[Any], values: Values) -> str:
        literals = [_json_text(member) for member in members]
        whole = f"{self.sql} = ANY({values.parameter(literals, 'text[]')}::jsonb[])"
        singles = [_json_text(member) for member in members if not isinstance(member, list | dict)]
        return f"{whole} OR {self.sql} @> ANY({values.parameter(singles, 'text[]')}::jsonb[])" if singles else whole

    def _is_null(self, wanted: bool) -> str:
        # The text of JSON's null is NULL.
        return f"{self._text} IS {'' if wanted else 'NOT '}NULL"

    def _ordered(self, operator: str, value: Any, values: Values) -> str:
        return self._among(_kind(value), f"{_ORDER[operator]} {self._json(value, values)}")

    def _between(self, operator: str, bounds: list[Any], values: Values) -> str:
        if _kind(bounds[0]) != _kind(bounds[1]):
            raise self._refusal(operator, "two values of one kind")
        low, high = (self._json(bound, values) for bound in bounds)
        return self._among(_kind(bounds[0]), f"{_RANGES[operator]} {low} AND {high}")

    def _among(self, kind: str, comparison: str) -> str:
        return f"(jsonb_typeof({self.sql}) = '{kind}' AND {self.sql} {comparison})"

    def _contains(self, operator: str, value: Any, values: Values) -> str:
        if operator == "all":
            value = self._list(operator, value)
        return f"{self.sql} @> {self._json(value, values)}"

    def _json(self, value: Any, values: Values) -> str:
        return f"{values.parameter(_json_text(value), 'text')}::jsonb"


def text_of(value: Any) -> str:
    """A single value as the text that an input function reads."""
    return value if isinstance(value, str) else json.dumps(value)


def _json_text(value: Any) -> str:
    """JSON whose numbers keep their digits."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(_json_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{_json_text(member)}' for key, member in value.items())}}}"
    return json.dumps(value)


def _kind(value: Any) -> str:
    """The type that JSON gives a single value."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, Number) else "string"


def _fits(type_: ColumnType, value: str) -> bool:
    """Whether a text is certainly a value of the type, as most are."""
    name = type_.name
    if name in _TEXT_TYPES:
        return True
    if name in _INTEGER_BITS:
        half = 1 << (_INTEGER_BITS[name] - 1)
        return _INTEGER.fullmatch(value) is not None and -half <= int(value) < half
    if name == "numeric":
        return _DECIMAL.fullmatch(value) is not None
    if name in ("real", "double precision"):
        return _DECIMAL.fullmatch(value) is not None and (float(value) == 0 or 1e-37 < abs(float(value)) < 1e37)
    if name == "boolean":
        return value in ("true", "false")
    if name == "uuid":
        return _UUID.fullmatch(value) is not None
    return name == "date" and _is_date(value)


def _is_date(value: str) -> bool:
    try:
        return _DATE.fullmatch(value) is not None and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False
