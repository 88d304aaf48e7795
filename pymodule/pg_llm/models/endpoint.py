"""Client of OpenAI-compatible APIs (vLLM, TEI, Ollama and others), after OpenAI's API reference."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np

from pg_llm.errors import EndpointFailed, InvalidModel
from pg_llm.models.engine import Message, Sampling, Text, Window
from pg_llm.models.spec import ModelSpec

# Parallel requests to one endpoint.
_MAX_REQUESTS = 8
# Characters of a text that go into a prompt; some 2,000 tokens of English.
_MAX_TEXT_LENGTH = 8000


class _Endpoint:
    """An API's address, model name, timeout and key; `path` is the resource below the address."""

    path = ""
    engine = "endpoint"
    device = "remote"
    bytes = 0
    batch_tokens = 65536

    def __init__(self, spec: ModelSpec) -> None:
        base, _, self._model = spec.source.partition("#")
        if not self._model:
            raise InvalidModel(f'the endpoint "{base}" names no model', hint="Write https://host/v1#model.")
        self._url = f"{base.rstrip('/')}/{self.path}"
        self._timeout = int(spec.options.get("timeout", 60))
        self._key_variable = spec.options.get("api_key_env")
        self.details: dict[str, Any] = {}

    def _post(self, body: dict[str, Any]) -> Any:
        """The JSON of the endpoint's response. Raises EndpointFailed."""
        headers = {"Content-Type": "application/json"}
        if self._key_variable:
            headers["Authorization"] = f"Bearer {os.environ.get(self._key_variable, '')}"
        text = json.dumps({"model": self._model, **body})
        try:
            # http or https only: source.is_endpoint
            request = urllib.request.Request(self._url, text.encode(), headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise self._failed(f"HTTP {error.code}: {error.read(300).decode(errors='replace')}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(str(error)) from error

    def _failed(self, what: str) -> EndpointFailed:
        key = f" The key is read from ${self._key_variable} in the server's environment." if self._key_variable else ""
        return EndpointFailed(
            f"the endpoint {self._url} failed: {what}", hint=f"Check that it runs and serves this model.{key}"
        )


class EndpointEmbedding(_Endpoint):
    """`POST base/embeddings`."""

    task = "embedding"
    path = "embeddings"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.prompts: dict[str, str] = {}
        self.details = {"dimensions": int(self.forward([Window("dimensions", 1)]).shape[1])}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The texts themselves; cost is a rough count of tokens, four characters each."""
        return [[Window(text, len(text) // 4 + 1)] for text in texts]

    def forward(self, batch: Sequence[Window]) -> Any:
        """Unit vectors, float32, shape (len(batch), dimensions). Raises EndpointFailed."""
        answer = self._post({"input": [item.tokens for item in batch], "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise self._failed(str(error)) from error
        if vectors.ndim != 2 or len(vectors) != len(batch):
            raise self._failed(f"{len(batch)} texts were sent, vectors of shape {vectors.shape} came back")
        if not np.isfinite(vectors).all():
            raise self._failed("a vector holds a number that is not finite")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths == 0, 1, lengths)


class EndpointGeneration(_Endpoint):
    """`POST base/chat/completions`: generates texts, and gives no likelihoods."""

    task = "generation"
    path = "chat/completions"
    # Every request has cost 1.
    batch_tokens = _MAX_REQUESTS

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Prompts whose answers have one token."""
        return [[self.prompt([{"role": "user", "content": str(text)}], Sampling(1))] for text in texts]

    def truncate(self, text: str) -> str:
        """The first characters of the text."""
        return text[:_MAX_TEXT_LENGTH]

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Window:
        """Raises InvalidModel."""
        raise InvalidModel(
            "an endpoint writes texts, but cannot classify them",
            hint="Classify with an embedding model, or with a generation model whose files are on the server.",
        )

    def likelihood(self, before: str, continuations: Sequence[str]) -> Window:
        """Raises InvalidModel."""
        raise InvalidModel(
            "an endpoint writes texts, but cannot judge spelling",
            hint="Name a generation model whose files are on the server, or use llm_clean(value, 'damage only').",
        )

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """One request."""
        body: dict[str, Any] = {
            "messages": list(messages),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
        }
        if sampling.schema is not None:
            answer = {"name": "answer", "schema": sampling.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": answer}
        return Window(body, 1)

    def forward(self, batch: Sequence[Window]) -> list[str | None]:
        """The text of each response, None for JSON that was cut off. Raises EndpointFailed."""
        with ThreadPoolExecutor(len(batch)) as threads:
            return list(threads.map(self._complete, [item.tokens for item in batch]))

    def _complete(self, body: dict[str, Any]) -> str | None:
        answer = self._post(body)
        try:
            choice = answer["choices"][0]
            text = str(choice["message"]["content"] or "").strip()
        except (LookupError, TypeError) as error:
            raise self._failed(f"an answer without a text: {json.dumps(answer)[:300]}") from error
        if "response_format" not in body:
            return text
        try:
            json.loads(text, parse_int=Decimal)
        except ValueError as error:
            if choice.get("finish_reason") == "length":
                return None
            raise self._failed(f"JSON was asked for, and this came: {text[:300]}") from error
        return text
