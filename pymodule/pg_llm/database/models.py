"""Models as topics use them: looked up in the registry, run by the engine that the session chooses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pg_llm import interrupts, settings
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import BudgetExceeded, Error, InvalidInput, ModelFilesMissing, UndefinedModel
from pg_llm.models.spec import REDACTORS
from pg_llm.protocol import Message
from pg_llm.runtime import client
from pg_llm.runtime.client import Cost

_R = TypeVar("_R")
# Answers a task in place of a model: model, task, inputs and options to a result or its Error per input.
Answer = Callable[["Model", str, Sequence[str], Message], list[Any]]

# Recordings that are under way: the digest of each model that was run, by its name.
_recordings: list[dict[str, str | None]] = []
# What answers in place of models, and the client's statement that it does so in.
_stand_in: tuple[int, Answer] | None = None
# The client's statement that asked last, and the number of texts that it has asked for.
_asked = (0, 0)

_MODEL = """
    SELECT wanted.name AS wanted, current_setting('llm.engine', true) AS engine,
           current_setting('llm.max_rows_per_statement', true) AS most,
           m.name, m.task, m.source, m.revision, m.digest, m.options::text AS options, m.base::text AS base,
           m.dimensions, m.labels, session_user::text AS login,
           (SELECT d.oid::int8 FROM pg_database AS d WHERE d.datname = current_database()) AS database,
           (SELECT json_agg(json_build_array(b.per, b.unit, b.amount)) FROM llm.budget AS b
            WHERE b.role IN (session_user::text, 'public'))::text AS budgets
    FROM (SELECT coalesce($1, nullif(current_setting($2, true), ''), $3) AS name) AS wanted
    LEFT JOIN llm.model AS m ON m.name = wanted.name
"""


class Model:
    """A registered model, and the session's choice of engine (host or backend)."""

    def __init__(self, db: Connection, row: Row) -> None:
        self._db = db
        self.name: str = row["name"]
        self.task: str = row["task"]
        self.dimensions: int | None = row["dimensions"]
        self.labels: list[str] | None = row["labels"]
        self.engine = settings.engine(row["engine"])
        self._most = settings.count("llm.max_rows_per_statement", row.get("most"))
        self.wire: Message = {name: row[name] for name in ("name", "task", "source", "revision", "digest")}
        self.wire["options"] = json.loads(row["options"])
        self.wire["base"] = json.loads(row.get("base") or "null")
        self.wire["redactors"] = row.get("redactors") or redactors(db, self.wire["options"])
        # Whoever logged in pays, whatever role they have taken since.
        self._account: Message = {"database": row.get("database"), "role": row.get("login")}
        self._account["budgets"] = json.loads(row.get("budgets") or "[]")
        self._row = row

    def option(self, name: str) -> Any:
        """The value of an option that the model was registered with, or None."""
        return self.wire["options"].get(name)

    def base(self) -> Model | None:
        """The model that a head reads with, as it was when the head was trained; None for another one."""
        wire = self.wire["base"]
        if wire is None:
            return None
        texts = {name: json.dumps(wire[name]) for name in ("options", "base") if wire.get(name) is not None}
        return Model(self._db, {**self._row, **wire, "base": None, "labels": None, "options": "{}", **texts})

    def run(self, task: str, inputs: Sequence[str], **options: Any) -> list[Any]:
        """One result of the task per input, in order. Raises the error of the first input that failed."""
        return _all(self._outcomes(task, inputs, options))

    def run_rows(self, task: str, rows: Sequence[str | None], **options: Any) -> list[Any]:
        """One result of the task per row, in order; None for NULL.

        A row that fails is an error that names it, or None with a warning where `llm.on_error` is `null`.
        """
        texts = [text for text in rows if text is not None]
        outcomes = iter(self._outcomes(task, texts, options) if texts else ())
        results = [None if text is None else next(outcomes) for text in rows]
        failures = {number: each for number, each in enumerate(results, 1) if isinstance(each, Error)}
        if not failures:
            return results
        first, error = next(iter(failures.items()))
        others = f" ({len(failures)} of {len(rows)} rows failed)" if len(failures) > 1 else ""
        message = f"row {first}: {error.message}{others}" if len(rows) > 1 else error.message
        if not settings.is_null_on_error(self._db.setting("llm.on_error")):
            raise type(error)(message, hint=error.hint, detail=error.detail)
        self._db.warning(message, hint="NULL stands for what failed.")
        return [None if isinstance(result, Error) else result for result in results]

    def _outcomes(self, task: str, inputs: Sequence[str], options: Message) -> list[Any]:
        for recorded in _recordings:
            recorded[self.name] = self.wire["digest"]
        if _stand_in is not None and are_stood_in_for(self._db):
            return _stand_in[1](self, task, inputs, options)
        if self._most:
            _count(self._db, len(inputs), self._most)
        poll, account = self._db.poll, self._account
        return with_files(self._db, lambda: client.run(self.engine, task, self.wire, inputs, options, poll, account))

    def measure(self, task: str, inputs: Sequence[str], options: Message) -> tuple[list[Any], Cost]:
        """The results of a task, or their Errors, for a few inputs, and what they cost where nothing is remembered."""
        poll, account = self._db.poll, self._account
        return with_files(
            self._db, lambda: client.measure(self.engine, task, self.wire, inputs, options, poll, account)
        )

    def ask(self, op: str) -> Any:
        """The response to a request about the model itself, such as load or unload."""
        request = {"op": op, "model": self.wire}
        return with_files(self._db, lambda: client.ask(self.engine, [request], self._db.poll)[0])


def redactors(db: Connection, options: Message) -> dict[str, Message] | None:
    """The models that find what a model with these options must not get, as requests name them; None if it may get all.

    They are those of the registry: no setting of a session names others. Raises UndefinedModel where one is missing.
    """
    if not options.get("redact_before"):
        return None
    query = (
        "SELECT m.name, m.task, m.source, m.revision, m.digest, m.options::text AS options FROM llm.model AS m"
        " WHERE m.name = ANY ($1)"
    )
    rows = db.rows(query, ("text[]",), (list(REDACTORS),))
    if missing := set(REDACTORS) - {row["name"] for row in rows}:
        raise UndefinedModel(f'model "{min(missing)}", which finds personal data, is not registered')
    return {row["name"]: {**row, "options": json.loads(row["options"])} for row in rows}


@contextlib.contextmanager
def answered_by(db: Connection, answer: Answer) -> Iterator[None]:
    """While the block runs, `answer` takes the place of all models; never beyond the client's statement."""
    global _stand_in
    _stand_in = (_statement(db), answer)
    try:
        yield
    finally:
        with interrupts.deferred():
            _stand_in = None


def are_stood_in_for(db: Connection) -> bool:
    """Whether something else answers in the place of models: what it says is not to be relied on."""
    return _stand_in is not None and _stand_in[0] == _statement(db)


def _statement(db: Connection) -> int:
    """The client's statement: when it began, or a number of its own where that is not known."""
    transaction, statement, _ = db.moment()
    return statement or transaction


def _count(db: Connection, texts: int, most: int) -> None:
    """Count the texts that the client's statement asks for. Raises BudgetExceeded for more than it may."""
    global _asked
    statement = _statement(db)
    total = texts + (_asked[1] if _asked[0] == statement else 0)
    if total > most:
        raise BudgetExceeded(
            f"the statement asks models for more than {most} texts, which llm.max_rows_per_statement allows",
            hint="llm_estimate() says what a query costs; SET llm.max_rows_per_statement = 0 takes the limit away.",
        )
    _asked = (statement, total)


@contextlib.contextmanager
def recording() -> Iterator[dict[str, str | None]]:
    """The models that run while the block does, whoever calls them: their digests by name, None for an endpoint."""
    recorded: dict[str, str | None] = {}
    _recordings.append(recorded)
    try:
        yield recorded
    finally:
        _recordings.pop()


def run_without_model(db: Connection, task: str, inputs: Sequence[str], **options: Any) -> list[Any]:
    """One result per input, in order, of a task that needs no model."""
    return _all(client.run(engine(db), task, None, inputs, options, db.poll))


def _all(outcomes: list[Any]) -> list[Any]:
    for outcome in outcomes:
        if isinstance(outcome, Error):
            raise outcome
    return outcomes


def engine(db: Connection) -> str:
    """The engine that the session's setting chooses."""
    return settings.engine(db.setting("llm.engine"))


def with_files(db: Connection, call: Callable[[], _R]) -> _R:
    """The result of a call, repeated after restoring the files of trained models that are missing on this server."""
    restored: set[str] = set()
    while True:
        try:
            return call()
        except ModelFilesMissing as error:
            if error.detail is None or error.detail in restored:
                raise
            # Rarely needed, and it would make every session start later.
            from pg_llm.database import model_files

            model_files.restore(db, error.detail)
            restored.add(error.detail)


def find(db: Connection, name: str | None, task: str | None = None, tasks: Sequence[str] = ()) -> Model:
    """The model of that name, or the task's default for None, if it was registered for one of the tasks.

    `tasks` defaults to the task itself.

    Raises UndefinedModel and InvalidInput.
    """
    setting = f"llm.{task}_model" if task else ""
    default = settings.default(setting) if setting else None
    row = db.rows(_MODEL, ("text",) * 3, (name, setting, default))[0]
    if row["name"] is None:
        raise UndefinedModel(f'model "{row["wanted"]}" is not registered')
    model = Model(db, row)
    allowed = tasks or ((task,) if task else ())
    if allowed and model.task not in allowed:
        raise InvalidInput(
            f'model "{model.name}" does {model.task}, and {" or ".join(allowed)} is needed',
            hint=f"SELECT name FROM llm_models WHERE task IN ({', '.join(map(repr, allowed))}) shows what there is.",
        )
    return model


def find_chosen(db: Connection, name: str | None, task: str) -> Model | None:
    """The named model, or that of the task's setting where somebody set it to another than the small default one."""
    setting = f"llm.{task}_model"
    if name is None and db.setting(setting) in (None, "", settings.default(setting)):
        return None
    return find(db, name, task)
