"""Embedding models behind an OpenAI-compatible API (vLLM, TEI, Ollama and others)."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.errors import EndpointFailed, InvalidModel
from pg_llm.models.engine import Encoded, Text
from pg_llm.models.spec import ModelSpec


class EndpointEmbedding:
    """`POST base/embeddings`, as described in OpenAI's API reference."""

    engine = "endpoint"
    task = "embedding"
    device = "remote"
    bytes = 0
    batch_tokens = 65536

    def __init__(self, spec: ModelSpec) -> None:
        base, _, self._model = spec.source.partition("#")
        if not self._model:
            raise InvalidModel(f'the endpoint "{base}" names no model', hint="Write https://host/v1#model.")
        self._url = f"{base.rstrip('/')}/embeddings"
        self._timeout = int(spec.options.get("timeout", 60))
        self._key_variable = spec.options.get("api_key_env")
        self.prompts: dict[str, str] = {}
        self.details = {"dimensions": int(self.forward([Encoded("dimensions", 1)]).shape[1])}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Encoded]]:
        """The texts themselves; cost is a rough count of tokens, four characters each."""
        return [[Encoded(text, len(text) // 4 + 1)] for text in texts]

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """Unit vectors, float32, shape (len(batch), dimensions). Raises EndpointFailed."""
        body = json.dumps({"model": self._model, "input": [item.tokens for item in batch], "encoding_format": "float"})
        headers = {"Content-Type": "application/json"}
        if self._key_variable:
            headers["Authorization"] = f"Bearer {os.environ.get(self._key_variable, '')}"
        try:
            # http or https only: source.is_endpoint
            request = urllib.request.Request(self._url, body.encode(), headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                rows = sorted(json.load(response)["data"], key=lambda row: row["index"])
            found = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
        except urllib.error.HTTPError as error:
            raise self._failed(f"HTTP {error.code}: {error.read(300).decode(errors='replace')}") from error
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise self._failed(str(error)) from error
        if found.ndim != 2 or len(found) != len(batch):
            raise self._failed(f"{len(batch)} texts were sent, vectors of shape {found.shape} came back")
        if not np.isfinite(found).all():
            raise self._failed("a vector holds a number that is not finite")
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return found / np.where(lengths == 0, 1, lengths)

    def _failed(self, what: str) -> EndpointFailed:
        key = f" The key is read from ${self._key_variable} in the server's environment." if self._key_variable else ""
        return EndpointFailed(
            f"the endpoint {self._url} failed: {what}", hint=f"Check that it runs and serves this model.{key}"
        )
