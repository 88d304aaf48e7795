"""Requests for several texts at once: embeddings, and relevance to a query."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np

from pg_llm.errors import Error
from pg_llm.models import event_loop
from pg_llm.models.endpoint.engine import TOKEN, Content, Endpoint
from pg_llm.models.endpoint.redaction import Labels
from pg_llm.models.endpoint.transport import RequestFailed
from pg_llm.models.engine import Text, Window
from pg_llm.models.personal_data import Find
from pg_llm.models.spec import ModelSpec

# Tokens of one request, and texts: as many as a text-embeddings-inference server takes.
_TOKENS, _TEXTS = 65536, 32
# Characters of a passage that a reranker reads together with a query, and of the query; most read 512 tokens.
_PASSAGE, _QUERY = 1600, 400
_PART = re.compile(rf".{{1,{_PASSAGE}}}(?:(?=\s)|\Z)|.{{1,{_PASSAGE}}}", re.DOTALL)


class _Batches(Endpoint):
    """Texts in batches of `batch_size`; where one is refused, halves are sent until the text is found."""

    batch_tokens = _TOKENS

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        super().__init__(spec, find)
        self.batch_windows = spec.options.get("batch_size", _TEXTS)

    async def _halving(
        self, contents: Sequence[Any], send: Callable[[Sequence[Any]], Awaitable[list[Any]]]
    ) -> list[Any]:
        try:
            return await send(contents)
        except RequestFailed as failure:
            if failure.of_all or len(contents) == 1:
                return [self._failure(failure)] * len(contents)
        middle = len(contents) // 2
        return [*await self._halving(contents[:middle], send), *await self._halving(contents[middle:], send)]


class EndpointEmbedding(_Batches):
    """`POST base/embeddings`."""

    task = "embedding"

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        super().__init__(spec, find)
        self.prompts: dict[str, str] = {}
        try:
            (vector,) = event_loop.start(self._vectors(["dimensions"], patient=False)).result()
        except RequestFailed as failure:
            raise self._transport.failed(failure) from failure
        self.details = {"dimensions": len(vector)}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The texts themselves."""
        return [[Window(Content(text), len(text) // TOKEN + 1)] for text in texts]

    async def _outputs(self, contents: Sequence[Any]) -> Sequence[Any]:
        """Unit vectors, float32."""
        return await self._halving(contents, self._vectors)

    def _texts(self, content: str) -> list[str]:
        return [content]

    def _redacted(self, content: str, labels: Labels) -> str:
        """With kinds alone, so that a value has the same label in every text."""
        return labels.redact(content, is_numbered=False)

    async def _vectors(self, texts: Sequence[str], *, patient: bool = True) -> list[Any]:
        body = {"input": list(texts), "encoding_format": "float"}
        answer = await self._transport.post("embeddings", body, sum(map(len, texts)) / TOKEN, patient=patient)
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
            indexes = [row["index"] for row in rows]
        except (ValueError, KeyError, TypeError, OverflowError):
            raise self._transport.unusable("JSON of another kind", "embeddings") from None
        if vectors.ndim != 2 or indexes != list(range(len(texts))) or not vectors.size:
            what = f"vectors of shape {vectors.shape} for {len(texts)} texts"
            raise self._transport.unusable(what, "one for each")
        if self.details and vectors.shape[1] != self.details["dimensions"]:
            what = f"vectors of {vectors.shape[1]} dimensions"
            raise self._transport.unusable(what, f"the {self.details['dimensions']} that it had")
        if not np.isfinite(vectors).all():
            raise self._transport.unusable("a number that is not finite", "vectors")
        self._transport.worked()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return list(vectors / np.where(lengths == 0, 1, lengths))


class EndpointRanking(_Batches):
    """`POST base/rerank`, as of Jina, Cohere, vLLM and llama.cpp: logits of how relevant texts are to a query."""

    task = "ranking"

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        super().__init__(spec, find)
        self._gives_logits = False
        probe = ("What is the capital of France?", ("The capital of France is Paris.", "Cats like to sleep."))
        try:
            scores = event_loop.start(self._scores(*probe, patient=False)).result()
        except RequestFailed as failure:
            raise self._transport.failed(failure) from failure
        # Some give probabilities, some what is before the sigmoid; scores of the two texts tell which.
        self._gives_logits = not all(0 <= score <= 1 for score in scores)

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Pairs of a query and a part of the text."""
        return [
            [
                Window(Content((query[:_QUERY], part)), (len(query[:_QUERY]) + len(part)) // TOKEN + 1)
                for part in _parts(text)
            ]
            for query, text in (pair if isinstance(pair, tuple) else ("", pair) for pair in texts)
        ]

    def _texts(self, content: tuple[str, str]) -> list[str]:
        """The query first, so that its labels are the same beside every passage."""
        return [*content]

    def _redacted(self, content: tuple[str, str], labels: Labels) -> tuple[str, str]:
        return labels.redact(content[0]), labels.redact(content[1])

    async def _outputs(self, contents: Sequence[Any]) -> Sequence[Any]:
        outputs: list[Any] = [None] * len(contents)
        places: dict[str, list[int]] = {}
        for place, (query, _) in enumerate(contents):
            places.setdefault(query, []).append(place)
        for query, of_query in places.items():

            async def send(parts: Sequence[str], query: str = query) -> list[Any]:
                return await self._scores(query, parts)

            found = await self._halving([contents[place][1] for place in of_query], send)
            for place, score in zip(of_query, found, strict=True):
                outputs[place] = score if isinstance(score, Error) else self._logit(score)
        return outputs

    async def _scores(self, query: str, texts: Sequence[str], *, patient: bool = True) -> list[Any]:
        tokens = sum(len(query) + len(text) for text in texts) / TOKEN
        body = {"query": query, "documents": list(texts), "top_n": len(texts)}
        answer = await self._transport.post("rerank", body, tokens, patient=patient)
        try:
            rows = sorted(answer["results"], key=lambda row: row["index"])
            scores = [float(row["relevance_score"]) for row in rows]
            indexes = [row["index"] for row in rows]
        except (ValueError, KeyError, TypeError):
            raise self._transport.unusable("JSON of another kind", "scores") from None
        if indexes != list(range(len(texts))) or not all(map(math.isfinite, scores)):
            raise self._transport.unusable(f"{len(scores)} scores for {len(texts)} texts", "one number for each")
        self._transport.worked()
        return scores

    def _logit(self, score: float) -> Any:
        if self._gives_logits:
            return np.float32(score)
        probability = min(max(score, 1e-6), 1 - 1e-6)
        return np.float32(math.log(probability / (1 - probability)))


def _parts(text: str) -> list[str]:
    """Parts of a text that are short enough, which end at white space where there is some."""
    return _PART.findall(text) or [""]
