"""The boundary between SQL and Python: gives a function its connection, and turns its errors into PostgreSQL's."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, TypeVar, cast

import plpy

from pg_llm import interrupts
from pg_llm.database import relation_names
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.plpy_connection import BACKEND, as_database_error, quotes_all
from pg_llm.errors import ConcurrentChange, Error, InvalidInput, resource_error
from pg_llm.interrupts import Interrupted

_P = ParamSpec("_P")
_R = TypeVar("_R")


# PL/Python puts the class's qualified name before the message; builtins have no module part.
class _PgLlmError(plpy.Error):
    __module__ = "builtins"


_PgLlmError.__name__ = _PgLlmError.__qualname__ = "pg_llm"


def sql_function(function: Callable[Concatenate[Connection, _P], _R]) -> Callable[_P, _R]:
    """Make of a function that takes a connection one that SQL calls with the rest of the arguments.

    Errors reach the client with message, SQLSTATE, detail and hint; cancel and timeout end it wherever it is, and the
    rows of an iterator that it returns too. Names from the catalogs are quoted where they need it, whatever the caller
    has set for the server.
    """
    arrays = _arrays(function)

    @functools.wraps(function)
    def with_notes(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for place, name in arrays:
            _check_dimensions(name, args[place] if place < len(args) else kwargs.get(name))
        with relation_names.fresh(BACKEND):
            return function(BACKEND, *args, **kwargs)

    interruptible = interrupts.interruptible(with_notes, BACKEND.poll)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            result = _with_plain_names(lambda: interruptible(*args, **kwargs))
            # Inside, as an interrupt that came last is raised here where another function of ours called this one.
            return cast(_R, _each(result)) if isinstance(result, Iterator) else result
        except BaseException as error:  # noqa: BLE001 - every one is reported or raised again
            failure = _reported(error)
        raise failure

    return call


def _arrays(function: Callable[..., object]) -> list[tuple[int, str]]:
    """Place and name of each argument that is an array of scalars, by its annotation; the connection comes first."""
    annotations = [(name, str(each)) for name, each in function.__annotations__.items() if name != "return"]
    return [
        (place, name)
        for place, (name, annotation) in enumerate(annotations[1:])
        if annotation.startswith(("list[str", "list[int", "list[float"))
    ]


def _check_dimensions(name: str, given: object) -> None:
    # PL/Python makes nested lists of an array of several dimensions.
    if isinstance(given, list) and given and isinstance(given[0], list):
        raise InvalidInput(f"{name} must have one dimension", hint="unnest() makes one list of an array of arrays.")


def _with_plain_names(work: Callable[[], _R]) -> _R:
    # By hand: a nesting level of settings would not outlast a commit.
    setting = quotes_all()
    before = setting.value
    setting.value = False
    try:
        return work()
    finally:
        setting.value = before


def _each(rows: Iterator[_R]) -> Iterator[_R]:
    step = interrupts.interruptible(rows.__next__, BACKEND.poll)
    while True:
        try:
            row = _with_plain_names(step)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 - every one is reported or raised again
            failure = _reported(error)
        else:
            yield row
            continue
        raise failure


def _reported(error: BaseException) -> BaseException:
    """What the client is shown of an error."""
    if isinstance(error, Interrupted):
        error = error.error
    if isinstance(error, plpy.SPIError):
        error = as_database_error(error)
    if isinstance(error, DatabaseError) and error.is_collision:
        error = ConcurrentChange("another session has made or changed the same thing meanwhile", detail=error.detail)
    if isinstance(error, Error):
        return _failure(error.message, error.sqlstate, error.detail, error.hint)
    if isinstance(error, DatabaseError):
        return _failure(str(error), error.sqlstate, error.detail, error.hint)
    if isinstance(error, plpy.Error) or not isinstance(error, Exception):
        return error
    if isinstance(error, RecursionError):
        return _failure("an argument is nested too deep", InvalidInput.sqlstate, None, "Give JSON of fewer levels.")
    plpy.log(f"pg_llm: {''.join(traceback.format_exception(error))}")
    what = f"{type(error).__name__}: {error}"
    if lack := resource_error(what):
        return _failure(lack.message, lack.sqlstate, None, lack.hint)
    hint = "This is a defect of pg_llm; the server's log has the details."
    return _failure(f"internal error: {what}", Error.sqlstate, None, hint)


def _failure(message: str, sqlstate: str, detail: str | None, hint: str | None) -> _PgLlmError:
    # Once, where one function of ours has called another.
    failure = _PgLlmError(message.removeprefix(f"{_PgLlmError.__name__}: "))
    fields = {"sqlstate": sqlstate, "detail": detail, "hint": hint}
    # PL/Python reads each of these and trips over one that is missing.
    others = ("query", "position", "schema_name", "table_name", "column_name", "datatype_name", "constraint_name")
    for name, value in (fields | dict.fromkeys(others)).items():
        setattr(failure, name, value)
    return failure
