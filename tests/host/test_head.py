from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pg_llm.models.engine import Window
from pg_llm.models.head import HeadModel
from pg_llm.models.spec import ModelSpec
from pg_llm.runtime.training.dataset import Example
from pg_llm.training.host import head

BASE = ModelSpec("base", "embedding", "path:/base")


def rows(labels: list[str], many: bool) -> tuple[np.ndarray, list[Example]]:
    """Vectors that point to their labels, with noise."""
    noise = np.random.default_rng(1)
    vectors, examples = [], []
    for number in range(20 * len(labels)):
        label = labels[number % len(labels)]
        vector = noise.normal(0, 0.2, 6)
        vector[number % len(labels)] += 1
        vectors.append(vector / np.linalg.norm(vector))
        examples.append(Example(str(number), ([label] if number % 5 else []) if many else label))
    return np.asarray(vectors), examples


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"], ["b", "d", "a", "c"]])
@pytest.mark.parametrize("many", [False, True])
def test_what_is_saved_answers_as_what_was_fitted(labels: list[str], many: bool, tmp_path: Path) -> None:
    vectors, examples = rows(labels, many)
    fitted = head.fit(vectors, examples, many, seed=0)
    answers = fitted.predict(vectors)
    right = sum(
        answer == {(label,) for label in (example.truth if many else [example.truth])}
        for answer, example in zip(answers, examples, strict=True)
    )
    assert right > (0.7 if many else 0.9) * len(examples)
    fitted.save(tmp_path)

    base = SimpleNamespace(
        engine="fake", device="none", batch_tokens=1, forward=lambda batch: [b.tokens for b in batch]
    )
    loaded = HeadModel(tmp_path, BASE, lambda spec: base)
    assert loaded.details == {"labels": sorted(labels), "multi_label": many}
    found = loaded.forward([Window(vector, 1) for vector in vectors])
    assert found == pytest.approx(fitted.logits(vectors), abs=1e-4)
