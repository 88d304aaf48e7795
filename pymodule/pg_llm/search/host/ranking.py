"""The task `ranking`: how relevant each text is to a query.

Options: `query`. A cross-encoder reads query and text together (Nogueira and Cho 2019), and a language model chooses
whether the text answers the query, yes or no (Zhuang and others 2023); of a long text the part that is most relevant
counts. An embedding model compares the vectors of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from pg_llm.models.engine import ChoiceEngine, EmbeddingEngine, Engine, Message
from pg_llm.tasks import Steps, WorkItem, batching, passages, probability, stepwise
from pg_llm.tasks.model_scoped_cache import ModelScopedCache

_QUESTION = "Does the text answer the query? Answer Yes or No."
_ANSWERS = ("Yes", "No")
# Characters of a query that a language model is shown.
_QUERY_CHARACTERS = 2_000

_queries = ModelScopedCache()


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The result is a number: a probability, or for an embedding model the cosine similarity."""
    method = {"embedding": _by_vectors, "generation": _by_choice}.get(model.task, _by_pairs)
    return method(model, inputs, options["query"])


def _by_pairs(model: Engine, inputs: Sequence[str], query: str) -> list[WorkItem]:
    return [stepwise(_most_relevant_window(model, query, text)) for text in inputs]


def _most_relevant_window(model: Engine, query: str, text: str) -> Steps:
    best = -np.inf
    for start, end in passages.ranges(text):
        logits = yield model.encode([(query, text[start:end])])[0]
        best = max(best, float(np.max(logits)))
    return str(float(probability.sigmoid(best)))


def _by_choice(model: Engine, inputs: Sequence[str], query: str) -> list[WorkItem]:
    return [stepwise(_most_relevant_part(cast(ChoiceEngine, model), query, text)) for text in inputs]


def _most_relevant_part(model: ChoiceEngine, query: str, text: str) -> Steps:
    best = 0.0
    for parts in passages.prompt_parts(model, text):
        answers = yield [model.question(_question(query, text[start:end]), _ANSWERS) for start, end in parts]
        best = max(best, *(float(probability.sigmoid(yes - no)) for yes, no in answers))
    return str(best)


def _question(query: str, text: str) -> list[Message]:
    return [{"role": "user", "content": f"Text: {text}\nQuery: {query[:_QUERY_CHARACTERS]}\n{_QUESTION}"}]


def _by_vectors(model: Engine, inputs: Sequence[str], query: str) -> list[WorkItem]:
    prompts = cast(EmbeddingEngine, model).prompts
    vector = _queries.get(model, query, lambda: batching.embed(model, [prompts.get("query", "") + query])[0])
    documents = [prompts.get("document", "") + text for text in inputs]
    return [WorkItem([window], _cosine(vector)) for window in passages.first_windows(model, documents)]


def _cosine(vector: Any) -> Callable[[Sequence[Any]], str]:
    return lambda outputs: str(float(outputs[0] @ vector))
