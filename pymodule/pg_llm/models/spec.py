"""Model specifications: a row of the registry, with everything that distinguishes two models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pg_llm.errors import InvalidInput

# What a model can be registered for.
TASKS = ("classification", "embedding", "entities", "generation", "ranking", "recommendation", "relations")
# The class of a pair of entities without a relation.
NO_RELATION = "none"
OPTIONS = {
    "device": (str, "`cpu` or `cuda`; by default whichever is there"),
    "engine": (str, "`onnx` or `torch`; by default onnx on a CPU and torch on CUDA"),
    "precision": (
        str,
        "`fp32` or `int8`, for the onnx engine; by default `int8` for an embedding model where the CPU has VNNI and the"
        " vectors agree, and else `fp32`",
    ),
    "query_prompt": (str, "text put before every query of a semantic search"),
    "document_prompt": (str, "text put before every indexed document"),
    "api_key_env": (str, "name of the server's environment variable that holds an endpoint's key"),
    "entities_model": (
        str,
        "name of the model that finds the entities between which a relations model finds relations",
    ),
    "timeout": (int, "seconds to wait for an endpoint, 60 by default"),
}
_CHOICES = {"device": ("cpu", "cuda"), "engine": ("onnx", "torch"), "precision": ("fp32", "int8")}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One row of the registry; the digest is that of the files' content, SHA-256 in hex.

    `base` is the spec of the model under a trained head; only the registry names it, never a file.
    """

    name: str
    task: str
    source: str
    revision: str | None = None
    digest: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] | None = None

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
        }

    @property
    def key(self) -> str:
        """Equal for two specs exactly when they give the same results; the name is not part of it."""
        return json.dumps([self.task, self.source, self.revision, self.digest, self.options, self.base], sort_keys=True)


def check_options(options: dict[str, Any]) -> None:
    """Raise InvalidInput for an option that does not exist or has a value it cannot have."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise InvalidInput(f'unknown model option "{name}"', hint=f"Options are: {', '.join(OPTIONS)}.")
        kind = OPTIONS[name][0]
        choices = _CHOICES.get(name)
        if isinstance(value, bool) or not isinstance(value, kind) or (choices and value not in choices):
            wanted = " or ".join(choices) if choices else f"a {'number' if kind is int else 'text'}"
            raise InvalidInput(f'invalid value for model option "{name}": {json.dumps(value)}', hint=f"Use {wanted}.")
