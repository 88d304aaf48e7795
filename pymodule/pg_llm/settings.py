"""Every setting `llm.*`, listed once: name, default, who may set it, what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pg_llm import processor
from pg_llm.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; scope `session` may be SET by anyone, scope `server` is read from the configuration file only."""

    name: str
    default: str
    scope: Literal["session", "server"]
    meaning: str


ENCODER = "all-minilm-l6-v2"
# The same in int8, a model of its own, so that what is stored keeps its vectors on any machine and after any update.
_ENCODER_INT8 = "all-minilm-l6-v2-int8"

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "llm.engine", "shared", "session", "where models run: `shared` (the model host) or `backend` (this session)"
        ),
        Setting("llm.embedding_model", ENCODER, "session", "the embedding model used when none is named"),
        Setting("llm.entities_model", "en-core-web-sm", "session", "the model that finds entities when none is named"),
        Setting("llm.personal_model", "rampart", "session", "the model that finds names and addresses of persons"),
        Setting(
            "llm.classification_model",
            ENCODER,
            "session",
            "the model that classifies and tags when none is named",
        ),
        Setting("llm.generation_model", "smollm2-135m-instruct", "session", "the model that writes when none is named"),
        Setting("llm.ranking_model", ENCODER, "session", "the model that says how relevant a text is to a query"),
        Setting(
            "llm.answer_model",
            ENCODER,
            "session",
            "the model that answers from passages: an embedding model chooses sentences, a generation model writes",
        ),
        Setting(
            "llm.ask_timeout",
            "5s",
            "session",
            "how long one query that answers a question may run: `500ms`, `5s`, `1min`",
        ),
        Setting(
            "llm.ask_cost_limit",
            "10000000",
            "session",
            "what the planner may estimate such a query to cost; dearer ones are not run",
        ),
        Setting("llm.ask_row_limit", "1000", "session", "rows that such a query returns at most"),
        Setting(
            "llm.ask_threshold",
            "0.6",
            "session",
            "how sure an answer must be, from 0 to 1; `ask` says nothing below it",
        ),
        Setting(
            "llm.ask_samples",
            "3",
            "session",
            "how often a model writes the query that answers a question; results that agree make it surer",
        ),
        Setting(
            "llm.ask_sample_rows",
            "3",
            "session",
            "rows of each table that a model which writes queries sees; 0 for none",
        ),
        Setting("llm.ask_log", "off", "session", "`on` keeps your questions with their SQL in `llm.ask_log`"),
        Setting("llm.guard", "on", "session", "whether guards of tables clean what this session writes"),
        Setting(
            "llm.on_error",
            "error",
            "session",
            "what a row that a model failed on becomes: `error`, which names the row, or `null`, with a warning",
        ),
        Setting(
            "llm.max_rows_per_statement",
            "0",
            "session",
            "texts that one statement may ask models for, repeated ones too; 0 means any number",
        ),
        Setting(
            "llm.memory_limit", "4GB", "server", "model weights the host holds at most; least recently used go first"
        ),
        Setting(
            "llm.host_memory_limit",
            "",
            "server",
            "size of the whole host over which large texts are refused; empty for 2GB more than `llm.memory_limit`",
        ),
        Setting(
            "llm.process_memory_limit",
            "4GB",
            "server",
            "memory of each process beside the host that analyses tables, reads documents or draws",
        ),
        Setting(
            "llm.host_timeout",
            "60s",
            "server",
            "time without a heartbeat after which who waits for the host ends it and starts another",
        ),
        Setting("llm.memo_limit", "128MB", "server", "results the host remembers at most; 0 turns it off"),
        Setting(
            "llm.tensorboard_directory",
            "",
            "server",
            "where the model host writes TensorBoard logs of trainings, a folder each; empty for none",
        ),
        Setting(
            "llm.model_file_key",
            "",
            "server",
            "the key that files of trained models are encrypted under: `file:NAME` or `env:NAME`; empty for none",
        ),
        Setting("llm.threads", "0", "server", "CPU threads of one model; 0 means one per core"),
    )
}

ENGINES = ("shared", "backend")
# A file in pg_llm/keys of the data directory, or a variable of the server's environment.
KEY_PLACE = re.compile(r"(?:file:[A-Za-z0-9_][A-Za-z0-9._-]{0,99}|env:[A-Z_][A-Z0-9_]{0,99})")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, None: 0.001}
_MAX_SECONDS = 86400
_SWITCH = dict.fromkeys(["on", "true", "yes", "1"], True) | dict.fromkeys(["off", "false", "no", "0"], False)
_UNITS = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}


def default(name: str) -> str:
    """The default of a setting, as text; of an encoder the one that suits the processor."""
    value = SETTINGS[name].default
    return _ENCODER_INT8 if value == ENCODER and processor.has_vnni() else value


def engine(value: str | None) -> str:
    """The engine named by `llm.engine`; unset and empty mean the default."""
    chosen = value or default("llm.engine")
    if chosen not in ENGINES:
        raise InvalidInput(f'invalid value for llm.engine: "{chosen}"', hint=f"Use one of: {', '.join(ENGINES)}.")
    return chosen


def is_null_on_error(value: str | None) -> bool:
    """Whether a row that failed becomes NULL, as `llm.on_error` says."""
    chosen = value or default("llm.on_error")
    if chosen not in ("error", "null"):
        raise InvalidInput(f'invalid value for llm.on_error: "{chosen}"', hint="Use error or null.")
    return chosen == "null"


def size(name: str, value: str | None) -> int:
    """A memory size in bytes, from PostgreSQL's notation ('512MB', '4GB', plain bytes)."""
    text = value or default(name)
    match = re.fullmatch(r"\s*+(\d++)\s*+([a-zA-Z]*+)\s*+", text)
    if match is None or match[2].lower() not in _UNITS:
        raise InvalidInput(f'invalid value for {name}: "{text}"', hint="Write a size such as '512MB' or '4GB'.")
    return int(match[1]) * _UNITS[match[2].lower()]


def seconds(name: str, value: str | None) -> float:
    """A time in seconds, from PostgreSQL's notation ('500ms', '5s', '1min', plain milliseconds)."""
    text = value or default(name)
    match = re.fullmatch(r"\s*+(\d++)\s*+(ms|s|min)?\s*+", text)
    duration = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < duration <= _MAX_SECONDS:
        raise InvalidInput(
            f'invalid value for {name}: "{text}"', hint="Write a time such as '500ms' or '5s', up to a day."
        )
    return duration


def share(name: str, value: str | None) -> float:
    """A number from 0 to 1."""
    text = value or default(name)
    if not re.fullmatch(r"\d++(?:\.\d++)?|\.\d++", text) or float(text) > 1:
        raise InvalidInput(f'invalid value for {name}: "{text}"', hint="Write a number from 0 to 1.")
    return float(text)


def switch(name: str, value: str | None) -> bool:
    """On or off, in PostgreSQL's words."""
    text = (value or default(name)).strip().lower()
    if text not in _SWITCH:
        raise InvalidInput(f'invalid value for {name}: "{text}"', hint="Write on or off.")
    return _SWITCH[text]


def folder(name: str, value: str | None) -> str | None:
    """An absolute path, or None where it is empty."""
    text = (value or default(name)).strip()
    if text and not text.startswith("/"):
        raise InvalidInput(f'invalid value for {name}: "{text}"', hint="Write an absolute path, or leave it empty.")
    return text or None


def key_place(name: str, value: str | None) -> str | None:
    """The place of a key, or None where it is empty."""
    text = (value or default(name)).strip()
    if text and not KEY_PLACE.fullmatch(text):
        raise InvalidInput(
            f'invalid value for {name}: "{text}"',
            hint="Write file:NAME for a file in pg_llm/keys of the data directory, or env:NAME for the server's"
            " environment.",
        )
    return text or None


def count(name: str, value: str | None) -> int:
    """A whole number that is not negative."""
    text = value or default(name)
    if not re.fullmatch(r"\d+", text):
        raise InvalidInput(f'invalid value for {name}: "{text}"', hint="Write a whole number, 0 or more.")
    return int(text)
