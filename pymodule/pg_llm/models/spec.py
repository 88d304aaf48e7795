"""Model specifications: a row of the registry, with everything that distinguishes two models."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pg_llm import settings
from pg_llm.errors import InvalidInput

# What a model can be registered for.
TASKS = ("classification", "embedding", "entities", "generation", "ranking", "recommendation", "relations")
# The class of a pair of entities without a relation.
NO_RELATION = "none"
# How entity models that are trained here tag words: B- begins every entity. Of other models it is not known.
IOB2 = "IOB2"
OPTIONS: dict[str, tuple[type[Any], str]] = {
    "device": (str, "`cpu` or `cuda`; by default whichever is there"),
    "engine": (str, "`onnx` or `torch`; by default onnx on a CPU and torch on CUDA"),
    "precision": (
        str,
        "`fp32`, `int8` or `int4`, for the onnx engine; by default `int8` for an embedding model where the CPU has"
        " VNNI and the vectors agree, and else `fp32`",
    ),
    "query_prompt": (str, "text put before every query of a semantic search"),
    "document_prompt": (str, "text put before every indexed document"),
    "entities_model": (
        str,
        "name of the model that finds the entities between which a relations model finds relations",
    ),
    "context": (
        int,
        "tokens of a prompt with its answer that a GGUF model reads at most, 4096 by default; of a text that one for"
        " embeddings reads, 512",
    ),
    "api_key_env": (str, "name of the server's environment variable that holds an endpoint's key"),
    "api_key_file": (str, "name of the file that holds it, in the folder `pg_llm/keys` of the data directory"),
    "replicas": (
        list,
        "addresses of further servers of an endpoint's model, as texts or as"
        ' `{"source": "https://host/v1", "api_key_file": "name"}` with keys of their own',
    ),
    "allow_http": (bool, "`true` lets texts and key go in the clear to an `http://` address on another machine"),
    "timeout": (int, "seconds that a whole answer of an endpoint may take, 60 by default"),
    "retries": (int, "tries after the first one, 5 by default"),
    "concurrency": (int, "requests at a time to each server, of all sessions together, 16 by default"),
    "rate_limit": (
        dict,
        'what may be sent to each server in a minute: `{"requests": 60, "tokens": 100000}`, or one of them',
    ),
    "batch_size": (int, "texts of one request for embeddings or relevance, 32 by default"),
    "max_response": (str, "size of an answer at most, `8MB` by default"),
    "max_completion_tokens": (bool, "`true` limits an answer by the field of this name instead of `max_tokens`"),
    "extra_body": (dict, "fields for the body of each request; null leaves out one that is sent otherwise"),
    "price_in": (float, "money for a million tokens of prompts"),
    "price_out": (float, "money for a million tokens of answers"),
    "headers": (dict, "header fields of each request, and no secret: everybody can read the registry"),
    "redact_before": (
        object,
        "kinds of personal data that an endpoint never gets, as in `llm_find_personal`, or `true` for all that tell who"
        " somebody is",
    ),
}
# The models that find personal data in what an endpoint is sent: of names and addresses, of Chinese, of places.
REDACTORS = ("rampart", "lac", "en-core-web-sm")
_CHOICES = {"device": ("cpu", "cuda"), "engine": ("onnx", "torch"), "precision": ("fp32", "int8", "int4")}
_RANGES = {"timeout": (1, 3600), "retries": (0, 20), "concurrency": (1, 256), "batch_size": (1, 2048)}
_MAX_PRICE = 1_000_000
_MAX_REPLICAS = 64
_KINDS = {str: "a text", int: "a whole number", bool: "true or false", dict: "a JSON object", list: "a JSON array"}
# What a request has anyway, or what its answer would be read wrongly with.
_OWN_FIELDS = {"model", "messages", "input", "query", "documents", "stream", "n"}
_OWN_HEADERS = {"accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
_SECRET = re.compile(r"auth|cookie|key|password|secret|token", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One row of the registry; the digest is that of the files' content, SHA-256 in hex.

    `base` is the spec of the model under a trained head; only the registry names it, never a file. `redactors` are the
    specs of `REDACTORS` by name, for an endpoint that personal data is kept from.
    """

    name: str
    task: str
    source: str
    revision: str | None = None
    digest: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] | None = None
    redactors: dict[str, Any] | None = None

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> ModelSpec:
        """The spec in a request."""
        return cls(**wire)

    def to_wire(self) -> dict[str, Any]:
        """The spec as a JSON object."""
        return {
            "name": self.name,
            "task": self.task,
            "source": self.source,
            "revision": self.revision,
            "digest": self.digest,
            "options": self.options,
            "base": self.base,
            "redactors": self.redactors,
        }

    @property
    def key(self) -> str:
        """Equal for two specs exactly when they give the same results; the name is not part of it."""
        parts = [self.task, self.source, self.revision, self.digest, self.options, self.base, self.redactors]
        return json.dumps(parts, sort_keys=True)


def check_options(options: dict[str, Any]) -> None:
    """Raise InvalidInput for an option that does not exist or has a value it cannot have."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise InvalidInput(f'unknown model option "{name}"', hint=f"Options are: {', '.join(OPTIONS)}.")
        if wanted := _wanted(name, value):
            raise InvalidInput(f'invalid value for model option "{name}": {json.dumps(value)}', hint=f"Use {wanted}.")


def _wanted(name: str, value: Any) -> str | None:
    """What an option takes, in words; None for a value that it takes."""
    kind = OPTIONS[name][0]
    if kind is float:
        is_price = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MAX_PRICE
        return None if is_price else f"a number from 0 to {_MAX_PRICE}"
    if name == "redact_before":
        is_list = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
        return None if value is True or is_list else "true, or a list of kinds of personal data"
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return _KINDS[kind]
    if name in _CHOICES:
        return None if value in _CHOICES[name] else " or ".join(_CHOICES[name])
    if name in _RANGES:
        least, most = _RANGES[name]
        return None if least <= value <= most else f"a number from {least} to {most}"
    if name == "max_response":
        settings.size(name, value)
    if name == "rate_limit":
        limits = value.values()
        is_right = value.keys() <= {"requests", "tokens"} and all(type(limit) is int and limit > 0 for limit in limits)
        return None if is_right else "requests, tokens or both, each a number over 0"
    if name == "replicas":
        is_right = 0 < len(value) <= _MAX_REPLICAS and all(map(_is_replica, value))
        return None if is_right else f"1 to {_MAX_REPLICAS} addresses, or objects with source and the place of a key"
    if name == "extra_body":
        return f"other fields than {', '.join(sorted(_OWN_FIELDS))}" if value.keys() & _OWN_FIELDS else None
    if name == "headers":
        is_right = all(_is_header(field, text) for field, text in value.items())
        return None if is_right else "names and texts in ASCII; a key is named by api_key_env"
    return None


def _is_replica(value: Any) -> bool:
    if isinstance(value, dict):
        are_texts = all(isinstance(each, str) for each in value.values())
        return are_texts and "source" in value and value.keys() <= {"source", "api_key_env", "api_key_file"}
    return isinstance(value, str)


def _is_header(name: str, value: Any) -> bool:
    is_text = isinstance(value, str) and value.isascii() and value.isprintable()
    is_free = name.lower() not in _OWN_HEADERS and not _SECRET.search(name)
    return bool(is_text and is_free and _HEADER.fullmatch(name))
