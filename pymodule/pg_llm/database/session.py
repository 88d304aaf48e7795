"""What every topic shares inside a backend: plans, interrupts, errors, and the model that a name stands for.

The only module beside the topics that imports plpy.
"""

from __future__ import annotations

import contextlib
import functools
import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar, cast

import plpy

from pg_llm import interrupts, settings
from pg_llm.errors import Error, InvalidInput, ModelFilesMissing, UndefinedModel, lacking
from pg_llm.interrupts import Interrupted
from pg_llm.protocol import Message
from pg_llm.runtime import client

_P = ParamSpec("_P")
_R = TypeVar("_R")
Row = dict[str, Any]
# Nothing that a caller made is found by name.
PINNED = "pg_catalog, pg_temp"
_FETCHED = 5000


# PL/Python puts the class's qualified name before the message; builtins have no module part.
class pg_llm(plpy.Error):  # noqa: N801
    __module__ = "builtins"


def sql_function(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Errors reach the client with message, SQLSTATE, detail and hint; cancel and timeout end it wherever it is.

    So it is with the rows of an iterator that it returns.
    """
    heeding = interrupts.heeding(function, poll)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            found = heeding(*args, **kwargs)
            # Inside, as an interrupt that came last is raised here where another function of ours called this one.
            return cast(_R, _each(found)) if isinstance(found, Iterator) else found
        except BaseException as error:  # noqa: BLE001 - every one is told or raised again
            failure = _told(error)
        raise failure

    return call


def _each(found: Iterator[_R]) -> Iterator[_R]:
    step = interrupts.heeding(found.__next__, poll)
    while True:
        try:
            row = step()
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 - every one is told or raised again
            failure = _told(error)
        else:
            yield row
            continue
        raise failure


def _told(error: BaseException) -> BaseException:
    """What the client is told of an error."""
    if isinstance(error, Interrupted):
        error = error.error
    if isinstance(error, Error):
        return _failure(error.message, error.sqlstate, error.detail, error.hint)
    if isinstance(error, plpy.SPIError):
        # spidata: SQLSTATE, detail, hint and position, as the server gave them.
        about = getattr(error, "spidata", None) or (None, None, None)
        return _failure(str(error), error.sqlstate, about[1], about[2])
    if isinstance(error, plpy.Error) or not isinstance(error, Exception):
        return error
    plpy.log(f"pg_llm: {''.join(traceback.format_exception(error))}")
    said = f"{type(error).__name__}: {error}"
    if lack := lacking(said):
        return _failure(lack.message, lack.sqlstate, None, lack.hint)
    hint = "This is a defect of pg_llm; the server's log has the details."
    return _failure(f"internal error: {said}", Error.sqlstate, None, hint)


def _failure(message: str, sqlstate: str, detail: str | None, hint: str | None) -> pg_llm:
    failure = pg_llm(message)
    fields = {"sqlstate": sqlstate, "detail": detail, "hint": hint}
    # PL/Python reads each of these and trips over one that is missing.
    others = ("query", "position", "schema_name", "table_name", "column_name", "datatype_name", "constraint_name")
    for name, value in (fields | dict.fromkeys(others)).items():
        setattr(failure, name, value)
    return failure


@functools.cache
def plan(query: str, types: tuple[str, ...] = ()) -> Any:
    """The prepared statement, kept for the life of the backend; for texts that do not vary."""
    return plpy.prepare(query, list(types))


def rows(query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a fixed query."""
    return list(plpy.execute(plan(query, tuple(types)), list(values)))


def rows_once(query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a query that is made for one table: prepared, run and forgotten."""
    return list(plpy.execute(plpy.prepare(query, list(types)), list(values)))


def stream(query: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Iterator[Row]:
    """The rows of a query that gives as many as a table has, some at a time: PL/Python makes each batch in one go."""
    cursor = plpy.cursor(plpy.prepare(query, list(types)), list(values))
    while found := list(cursor.fetch(_FETCHED)):
        yield from found


def poll() -> None:
    """Let the server act on cancel, timeout or termination. Raises Interrupted when the query has been cancelled.

    Python code that computes is polled by itself; this is for waiting.
    """
    try:
        plpy.execute(plan("SELECT 1"))
    except plpy.SPIError as error:
        raise Interrupted(error) from error


_MODEL = """
    SELECT wanted.name AS wanted, current_setting('llm.engine', true) AS engine,
           m.name, m.task, m.source, m.revision, m.digest, m.options::text AS options, m.base::text AS base,
           m.dimensions, m.labels
    FROM (SELECT coalesce($1, nullif(current_setting($2, true), ''), $3) AS name) AS wanted
    LEFT JOIN llm.model AS m ON m.name = wanted.name
"""


class Model:
    """A registered model and the engine that this session wants it run by."""

    def __init__(self, row: Row) -> None:
        self.name: str = row["name"]
        self.task: str = row["task"]
        self.dimensions: int | None = row["dimensions"]
        self.labels: list[str] | None = row["labels"]
        self.engine = settings.engine(row["engine"])
        self.wire: Message = {name: row[name] for name in ("name", "task", "source", "revision", "digest")}
        self.wire["options"] = json.loads(row["options"])
        self.wire["base"] = json.loads(row.get("base") or "null")

    def option(self, name: str) -> Any:
        """What the model was registered with for an option, or None."""
        return self.wire["options"].get(name)

    def run(self, task: str, inputs: Sequence[str], **options: Any) -> list[Any]:
        """One result of the task per input, in order."""
        return with_files(lambda: client.run(self.engine, task, self.wire, inputs, options, poll))

    def ask(self, op: str) -> Any:
        """The answer to a request about the model itself."""
        return with_files(lambda: client.ask(self.engine, [{"op": op, "model": self.wire}], poll)[0])


def run_without_model(task: str, inputs: Sequence[str], **options: Any) -> list[Any]:
    """One result per input, in order, of a task that needs no model."""
    return client.run(engine(), task, None, inputs, options, poll)


def engine() -> str:
    """The engine that this session wants."""
    return settings.engine(rows("SELECT current_setting('llm.engine', true) AS engine")[0]["engine"])


def with_files(call: Callable[[], _R]) -> _R:
    """The result of a call; the files of trained models that it lacks on this server are written there first."""
    from pg_llm.database import model_files

    restored: set[str] = set()
    while True:
        try:
            return call()
        except ModelFilesMissing as error:
            if error.detail is None or error.detail in restored:
                raise
            model_files.restore(error.detail)
            restored.add(error.detail)


def model(name: str | None, task: str | None = None, kinds: Sequence[str] = ()) -> Model:
    """The model of that name, or the task's default for None; of one of the kinds, by default one made for the task.

    Raises UndefinedModel and InvalidInput.
    """
    setting = f"llm.{task}_model" if task else ""
    default = settings.default(setting) if setting else None
    row = rows(_MODEL, ("text",) * 3, (name, setting, default))[0]
    if row["name"] is None:
        raise UndefinedModel(f'model "{row["wanted"]}" is not registered')
    found = Model(row)
    able = kinds or ((task,) if task else ())
    if able and found.task not in able:
        raise InvalidInput(
            f'model "{found.name}" does {found.task}, and {" or ".join(able)} is needed',
            hint=f"SELECT name FROM llm_models WHERE task IN ({', '.join(map(repr, able))}) shows what there is.",
        )
    return found


@contextlib.contextmanager
def pinned_path() -> Iterator[None]:
    """Pin the search path while the block runs, in functions that begin with the caller's own."""
    before = rows("SELECT pg_catalog.current_setting('search_path') AS path")[0]["path"]
    if before == PINNED:
        yield
        return
    set_path(PINNED)
    yield
    # Not after an error: the subtransaction or transaction that ends takes the setting along.
    set_path(before)


def set_path(path: str) -> None:
    """Set the search path until the transaction ends."""
    rows("SELECT pg_catalog.set_config('search_path', $1, true)", ("text",), (path,))


def required(name: str, value: _R | None) -> _R:
    """The value of an argument that must not be NULL."""
    if value is None:
        raise InvalidInput(f"{name} must not be NULL")
    return value
