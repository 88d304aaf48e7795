"""Requests for several texts at once: embeddings, and relevance to a query."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import numpy as np

from pg_llm.errors import Error
from pg_llm.models import event_loop
from pg_llm.models.endpoint.engine import TOKEN, Content, Endpoint
from pg_llm.models.endpoint.failure import OtherModel, RequestFailed
from pg_llm.models.endpoint.redaction import Labels
from pg_llm.models.endpoint.replica import Replica, unusable
from pg_llm.models.engine import Text, Window
from pg_llm.models.personal_data import Find
from pg_llm.models.spec import ModelSpec

# Tokens of one request, and texts: as many as a text-embeddings-inference server takes.
_TOKENS, _TEXTS = 65536, 32
# What is asked when a model is loaded, and of a server that comes back.
_SAMPLE = "dimensions"
_SAMPLE_PAIRS = ("What is the capital of France?", ("The capital of France is Paris.", "Cats like to sleep."))
# How near the vectors of replicas are, and how far apart their probabilities, for one text: less is another model.
_MIN_COSINE, _MAX_DIFFERENCE = 0.99, 0.1
# Characters of a passage that a reranker reads together with a query, and of the query; most read 512 tokens.
_PASSAGE, _QUERY = 1600, 400
_PART = re.compile(rf".{{1,{_PASSAGE}}}(?:(?=\s)|\Z)|.{{1,{_PASSAGE}}}", re.DOTALL)
_R = TypeVar("_R")


class _Batches(Endpoint):
    """Texts in batches of `batch_size`; where one is refused, halves are sent until the text is found."""

    batch_tokens = _TOKENS

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        super().__init__(spec, find)
        self.batch_windows = spec.options.get("batch_size", _TEXTS)

    def _ask_now(self, asking: Coroutine[Any, Any, _R]) -> _R:
        """The answer to what is asked while the model is loaded."""
        try:
            return event_loop.start(asking).result()
        except RequestFailed as failure:
            raise self._transport.failed(failure) from failure

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
        (self._sample,) = self._ask_now(self._vectors([_SAMPLE], patient=False))
        self.details = {"dimensions": len(self._sample)}
        self._ask_now(self._transport.verify(self._verify))

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
        tokens = sum(map(len, texts)) / TOKEN
        return await self._transport.post(
            "embeddings", _embedding_body(texts), tokens, lambda answer: self._read(answer, len(texts)), patient=patient
        )

    async def _verify(self, replica: Replica) -> None:
        await replica.post("embeddings", _embedding_body([_SAMPLE]), len(_SAMPLE) / TOKEN, self._compare)

    def _compare(self, answer: Any) -> None:
        """Raises OtherModel where an answer for the sample is not what came for it first."""
        (vector,) = _read_vectors(answer, 1)
        if len(vector) != len(self._sample):
            raise OtherModel(f"its vectors have {len(vector)} dimensions, those of other servers {len(self._sample)}")
        if (cosine := float(vector @ self._sample)) < _MIN_COSINE:
            raise OtherModel(f"its vectors are not those of the other servers (cosine similarity {cosine:.2f})")

    def _read(self, answer: Any, count: int) -> list[Any]:
        vectors = _read_vectors(answer, count)
        if self.details and len(vectors[0]) != self.details["dimensions"]:
            what = f"vectors of {len(vectors[0])} dimensions"
            raise unusable(what, f"the {self.details['dimensions']} that it had")
        return vectors


class EndpointRanking(_Batches):
    """`POST base/rerank`, as of Jina, Cohere, vLLM and llama.cpp: logits of how relevant texts are to a query."""

    task = "ranking"

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        super().__init__(spec, find)
        self._sample = self._ask_now(self._scores(*_SAMPLE_PAIRS, patient=False))
        self._gives_logits = _are_logits(self._sample)
        self._ask_now(self._transport.verify(self._verify))

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

    async def _scores(self, query: str, texts: Sequence[str], *, patient: bool = True) -> list[float]:
        tokens = sum(len(query) + len(text) for text in texts) / TOKEN
        return await self._transport.post(
            "rerank",
            _rerank_body(query, texts),
            tokens,
            lambda answer: _read_scores(answer, len(texts)),
            patient=patient,
        )

    async def _verify(self, replica: Replica) -> None:
        query, texts = _SAMPLE_PAIRS
        await replica.post("rerank", _rerank_body(query, texts), sum(map(len, texts)) / TOKEN, self._compare)

    def _compare(self, answer: Any) -> None:
        """Raises OtherModel where an answer for the sample is not what came for it first."""
        scores = _read_scores(answer, len(self._sample))
        if _are_logits(scores) != self._gives_logits:
            raise OtherModel("it scores relevance by logits where other servers give probabilities, or the reverse")
        probabilities = [[_sigmoid(float(self._logit(score))) for score in each] for each in (scores, self._sample)]
        if any(abs(one - other) > _MAX_DIFFERENCE for one, other in zip(*probabilities, strict=True)):
            raise OtherModel("its scores are not those of the other servers")

    def _logit(self, score: float) -> Any:
        if self._gives_logits:
            return np.float32(score)
        probability = min(max(score, 1e-6), 1 - 1e-6)
        return np.float32(math.log(probability / (1 - probability)))


def _embedding_body(texts: Sequence[str]) -> dict[str, Any]:
    return {"input": list(texts), "encoding_format": "float"}


def _read_vectors(answer: Any, count: int) -> list[Any]:
    """The unit vectors in the JSON that came for so many texts. Raises RequestFailed."""
    try:
        rows = sorted(answer["data"], key=lambda row: row["index"])
        vectors = np.asarray([row["embedding"] for row in rows], dtype=np.float32)
        indexes = [row["index"] for row in rows]
    except (ValueError, KeyError, TypeError, OverflowError):
        raise unusable("JSON of another kind", "embeddings") from None
    if vectors.ndim != 2 or indexes != list(range(count)) or not vectors.size:
        raise unusable(f"vectors of shape {vectors.shape} for {count} texts", "one for each")
    if not np.isfinite(vectors).all():
        raise unusable("a number that is not finite", "vectors")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return list(vectors / np.where(lengths == 0, 1, lengths))


def _rerank_body(query: str, texts: Sequence[str]) -> dict[str, Any]:
    return {"query": query, "documents": list(texts), "top_n": len(texts)}


def _read_scores(answer: Any, count: int) -> list[float]:
    """The scores in the JSON that came for so many texts. Raises RequestFailed."""
    try:
        rows = sorted(answer["results"], key=lambda row: row["index"])
        scores = [float(row["relevance_score"]) for row in rows]
        indexes = [row["index"] for row in rows]
    except (ValueError, KeyError, TypeError):
        raise unusable("JSON of another kind", "scores") from None
    if indexes != list(range(count)) or not all(map(math.isfinite, scores)):
        raise unusable(f"{len(scores)} scores for {count} texts", "one number for each")
    return scores


def _are_logits(scores: Sequence[float]) -> bool:
    """Some give probabilities, some what is before the sigmoid; scores of two texts tell which."""
    return not all(0 <= score <= 1 for score in scores)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))


def _parts(text: str) -> list[str]:
    """Parts of a text that are short enough, which end at white space where there is some."""
    return _PART.findall(text) or [""]
