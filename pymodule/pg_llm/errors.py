"""Every error that a caller can see: one class per cause, with SQLSTATE and a hint that says what to do.

Error                      XX000  a defect in pg_llm itself
├── InvalidInput           22023  an argument that cannot be used
├── InsufficientPrivilege  42501  the caller lacks a right
├── UndefinedModel         42704  a model name that is not registered
├── DuplicateModel         42710  a name that is taken
├── InvalidModel           22023  a source that is missing, unsafe or of the wrong kind
├── ModelChanged           55000  files differ from those that were registered
├── ModelFilesMissing      58P01  a trained model whose files are not in the database
├── ModelInUse             2BP01  a semantic index still needs the model
├── UndefinedKey           42704  a key of pseudonyms that is not registered
├── DuplicateKey           42710  the name of a key that is taken
├── UndefinedRun           42704  a cleaning run that is not the caller's
├── UndefinedRecommender   42704  a recommender that nobody made
├── DuplicateRecommender   42710  a recommender, or a table of its name, that is in the way
├── UndefinedGraph         42704  a knowledge graph, or an entity of one, that is not there for the caller
├── DuplicateGraph         42710  a knowledge graph, or a source of one, that differs from what was asked for
├── UndefinedStream        42704  a stream, window or alert that is not there for the caller
├── DuplicateStream        42710  a stream, window or alert of that name, or a table that is in the way
├── UndefinedObject        42704  a table or column that the caller cannot ask about
├── DuplicateObject        42710  a name that something else has already
├── UndefinedQuestion      42704  a question that is not in the caller's log
├── NoAnswer               P0002  a question that no query answers surely enough
├── UndefinedIndex         42704  a table without the semantic index that was asked for, or one that has lost a column
├── DuplicateIndex         42710  a relation or semantic index that is in the way
├── UndefinedColumn        42703  a table without the AI column that was asked for
├── DuplicateColumn        42701  a column, or a table of its companion's name, that is in the way
├── MemoryLimitExceeded    53200  a model or a text larger than the host may hold
├── OutOfMemory            53200  the machine has no memory left
├── DiskFull               53100  the disk has no room left
├── FileFailed             58030  a file of the extension that cannot be read or written
├── MissingPackage         0A000  a Python package that the set-up left out
├── NotSupported           0A000  what cannot be done in this database
├── ConcurrentChange       40001  what another session renamed, replaced or made meanwhile
├── BudgetExceeded         53400  a role that has spent its budget, or a statement that asks models for too many texts
├── EndpointFailed         58030  a remote endpoint that did not answer as it should
├── TextUnfinished         22000  a text that a language model did not come to an end with
├── TextRefused            22000  a text that an endpoint refused, or answered with nothing that can be used
├── HostUnavailable        58000  the model host cannot be started or reached
├── HostLost               58H01  the model host ended while it was answering, and those after it
└── AnalysisLost           58000  the process that analysed a table ended twice while it did
"""

from __future__ import annotations

import re
from typing import Any


class Error(Exception):
    """Base of all errors; `hint` and `detail` travel to the client beside the message."""

    sqlstate = "XX000"
    default_hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.detail = detail


class InvalidInput(Error):
    sqlstate = "22023"


class InsufficientPrivilege(Error):
    sqlstate = "42501"


class UndefinedModel(Error):
    sqlstate = "42704"
    default_hint = "SELECT name, task FROM llm_models shows the models; llm_register_model() adds one."


class DuplicateModel(Error):
    sqlstate = "42710"
    default_hint = "Choose another name, or call llm_drop_model() first."


class InvalidModel(Error):
    sqlstate = "22023"


class ModelChanged(Error):
    sqlstate = "55000"
    default_hint = "If the change is wanted, call llm_drop_model() and llm_register_model() again."


class ModelFilesMissing(Error):
    """The detail is the digest of the model."""

    sqlstate = "58P01"
    default_hint = "Restore llm.model_file from a dump, or drop the model and train it again."


class ModelInUse(Error):
    sqlstate = "2BP01"
    default_hint = "CALL semantic_drop() for those tables first."


class UndefinedKey(Error):
    sqlstate = "42704"
    default_hint = "SELECT name FROM llm.redaction_key shows the keys; llm_register_key() adds one."


class DuplicateKey(Error):
    sqlstate = "42710"
    default_hint = "Choose another name, or call llm_drop_key() first."


class UndefinedRun(Error):
    sqlstate = "42704"
    default_hint = "llm_find_errors() returns a run; SELECT id, target FROM llm.cleaning shows yours."


class UndefinedRecommender(Error):
    sqlstate = "42704"
    default_hint = "SELECT name FROM llm.recommender shows the recommenders; llm_fit_recommender() makes one."


class DuplicateRecommender(Error):
    sqlstate = "42710"
    default_hint = "Choose another name, or call llm_drop_recommender() first."


class UndefinedGraph(Error):
    sqlstate = "42704"
    default_hint = "SELECT name FROM llm.graph shows the graphs; graph_create() makes one."


class DuplicateGraph(Error):
    sqlstate = "42710"


class UndefinedStream(Error):
    sqlstate = "42704"
    default_hint = "SELECT DISTINCT name FROM stream_stats shows yours."


class DuplicateStream(Error):
    sqlstate = "42710"
    default_hint = "Choose another name, or call stream_drop() first."


class UndefinedObject(Error):
    sqlstate = "42704"
    default_hint = "Write table, schema.table, table.column or schema.table.column."


class DuplicateObject(Error):
    sqlstate = "42710"


class UndefinedQuestion(Error):
    sqlstate = "42704"
    default_hint = "SELECT id, question FROM llm.ask_log shows yours; SET llm.ask_log = on keeps them."


class NoAnswer(Error):
    sqlstate = "P0002"
    default_hint = "Name tables and columns as the database does, llm_describe() them, or llm_teach() the question."


class UndefinedIndex(Error):
    sqlstate = "42704"


class DuplicateIndex(Error):
    sqlstate = "42710"


class UndefinedColumn(Error):
    sqlstate = "42703"


class DuplicateColumn(Error):
    sqlstate = "42701"


class MemoryLimitExceeded(Error):
    sqlstate = "53200"
    default_hint = "Raise llm.memory_limit in postgresql.conf and restart the model host, or use a smaller model."


class OutOfMemory(Error):
    sqlstate = "53200"
    default_hint = (
        "Lower llm.memory_limit, choose a smaller model or send shorter texts, or give the server more memory."
    )


class DiskFull(Error):
    sqlstate = "53100"
    default_hint = "Make room in the data directory and in the folder of exported models, and call again."


class FileFailed(Error):
    sqlstate = "58030"
    default_hint = "The folder pg_llm in the data directory must be writable for the server's user."


class MissingPackage(Error):
    sqlstate = "0A000"
    default_hint = (
        "./run setup --training adds what trains models and runs them by PyTorch: about 1.2 GB on disk, or 3 GB more "
        "with TORCH=general, where there is no build of PyTorch for the CPU."
    )


class NotSupported(Error):
    sqlstate = "0A000"


class ConcurrentChange(Error):
    sqlstate = "40001"
    default_hint = "Call it again."


class BudgetExceeded(Error):
    sqlstate = "53400"


class EndpointFailed(Error):
    """`to_others` is the message without the endpoint's words, which may repeat the texts that it was sent."""

    sqlstate = "58030"

    def __init__(
        self, message: str, *, hint: str | None = None, detail: str | None = None, to_others: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.to_others = message if to_others is None else to_others


class TextUnfinished(Error):
    """A language model did not come to an end with a text."""

    sqlstate = "22000"


class TextRefused(Error):
    sqlstate = "22000"
    default_hint = "SET llm.on_error = 'null' gives NULL for such rows, with a warning."


class HostUnavailable(Error):
    sqlstate = "58000"
    default_hint = "The file pg_llm/host.log in the data directory says more."


class HostLost(Error):
    sqlstate = "58H01"
    default_hint = "The file pg_llm/host.log in the data directory says more."


class AnalysisLost(Error):
    sqlstate = "58000"
    default_hint = "Call the function again. If memory ran out, give it fewer columns."


# The words of Python, torch, onnxruntime, C++ and the C library.
_NO_MEMORY = re.compile(
    r"MemoryError|out of memory|failed to allocate|not enough memory|cannot allocate memory|bad_alloc", re.I
)
_NO_ROOM = re.compile(r"no space left on device|disk quota exceeded|database or disk is full", re.I)
_NO_FILE = re.compile(
    r"read-only file system|readonly database|unable to open database file|disk I/O error|input/output error", re.I
)
_NO_PACKAGE = re.compile(
    r"No module named '(torch|transformers|sentence_transformers|peft|pykeen|accelerate|sklearn|scipy|cleanlab)\b"
)


def resource_error(message: str) -> Error | None:
    """The error for a lack of disk space, memory, a file or a package, if the message of an exception says so."""
    if _NO_ROOM.search(message):
        return DiskFull(f"no room is left on the disk: {message}")
    if _NO_FILE.search(message):
        return FileFailed(f"a file cannot be read or written: {message}")
    if package := _NO_PACKAGE.search(message):
        return MissingPackage(f'this needs the Python package "{package[1]}", which is not installed here')
    return OutOfMemory(f"memory is exhausted: {message}") if _NO_MEMORY.search(message) else None


def of_file(what: str, error: Exception, hint: str) -> Error:
    """The error for a file that `error` says cannot be read or written."""
    lack = resource_error(str(error))
    kind = type(lack) if lack else FileFailed
    return kind(f"{what}: {error}", hint=f"{kind.default_hint} {hint}")


def from_exception(error: BaseException, *, hint: str | None = None) -> Error:
    """The error that the caller sees for an unexpected exception; `hint` is for a defect."""
    message = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    return resource_error(message) or Error(message, hint=hint)


def to_others(error: Exception) -> Error:
    """What is told of an error to sessions whose texts it may not be about: nothing that may repeat a text."""
    if isinstance(error, EndpointFailed):
        return EndpointFailed(error.to_others, hint=error.hint)
    if isinstance(error, Error):
        return error
    hint = "See pg_llm/host.log in the data directory."
    return resource_error(f"{type(error).__name__}: {error}") or Error(
        f"the model failed with {type(error).__name__} for texts of several sessions at once", hint=hint
    )


def to_wire(error: Error) -> dict[str, Any]:
    """The error as a JSON object for the socket."""
    return {"class": type(error).__name__, "message": error.message, "hint": error.hint, "detail": error.detail}


def from_wire(wire: dict[str, Any]) -> Error:
    """The error that `to_wire` made the JSON object of."""
    kind = globals().get(str(wire["class"]))
    known = kind if isinstance(kind, type) and issubclass(kind, Error) else Error
    return known(str(wire["message"]), hint=wire.get("hint"), detail=wire.get("detail"))
