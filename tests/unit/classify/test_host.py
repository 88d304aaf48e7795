"""The host's side of classification: engines that answer as a test says stand for the models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, run, vector
from pg_llm.classify import abstention
from pg_llm.classify.host import bio_tags, classification, entities, label_similarity, zero_shot_reference
from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Window

ONE = {"examples": [], "many": False, "variant": 0}


def classify(model: EchoEngine, texts: Sequence[str], **options: Any) -> list[dict[str, float]]:
    return [json.loads(result) for result in run(classification.prepare(model, texts, {**ONE, **options}), model)]


def trained(forward: Callable[[str], Any], **details: Any) -> EchoEngine:
    return EchoEngine("classification", {"labels": ["a", "b", "c"], **details}, forward, window=10)


def test_a_trained_model_gives_a_softmax_of_the_labels_asked_for() -> None:
    model = trained(lambda text: np.asarray([0.0, 1.0, 100.0]))
    (found,) = classify(model, ["text"], labels=[("b", None), ("a", None)])
    assert list(found) == ["b", "a"]
    assert found["b"] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)
    assert sum(found.values()) == pytest.approx(1)


def test_a_multi_label_model_gives_each_label_its_own_probability() -> None:
    (found,) = classify(trained(lambda text: np.asarray([0.0, 2.0, -2.0]), multi_label=True), ["text"], labels=None)
    assert found == {"a": 0.5, "b": pytest.approx(0.880797), "c": pytest.approx(0.119203)}


def test_windows_of_a_long_text_are_averaged() -> None:
    model = trained(lambda text: np.asarray([4.0 if "x" in text else 0.0, 0.0, 0.0]))
    long, short = classify(model, ["x" * 10 + "y" * 10, "x"], labels=None)
    assert long["a"] == pytest.approx(np.exp(2) / (np.exp(2) + 2), abs=1e-6)
    assert short["a"] > long["a"]


def test_a_trained_model_knows_its_labels_only() -> None:
    model = trained(lambda text: np.zeros(3))
    with pytest.raises(InvalidInput, match='not trained on the label "d"') as caught:
        classify(model, ["text"], labels=[("d", None)])
    assert caught.value.hint == "Its labels are: a, b, c."
    with pytest.raises(InvalidInput, match="takes no examples"):
        classify(model, ["text"], labels=None, examples=[("x", ["a"])])


def test_an_embedding_model_compares_with_labels_and_examples() -> None:
    model = EchoEngine()
    labels = [("sea", "water and ships"), ("land", "fields and hills")]
    (found,) = classify(model, ["ships on water"], labels=labels)
    assert found["sea"] > 0.7
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    (with_example,) = classify(model, ["zebra"], labels=labels, examples=[("zebra", ["land"])])
    (without,) = classify(model, ["zebra"], labels=labels)
    assert with_example["land"] > without["land"]


class OneHot(EchoEngine):
    """Embeds a text by which of some words it holds: what fits has the cosine 1, and nothing else has any."""

    def forward(self, batch: Sequence[Window]) -> Any:
        words = [label for label, _ in zero_shot_reference.PAIRS]
        texts = {text: label for label, text in zero_shot_reference.PAIRS}
        subjects = [texts.get(window.tokens, window.tokens) for window in batch]
        vectors = np.asarray([[float(word in text) for word in words] for text in subjects], dtype=np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)


def test_whether_a_label_applies_depends_on_the_others_and_their_number() -> None:
    def applies(text: str, *names: str) -> dict[str, float]:
        labels = [(name, None) for name in names]
        (found,) = classify(OneHot(), [text], labels=labels, many=True)
        return found

    fits = applies("law", "law", "music")
    # The text's own label is one of the twenty whose mean is 0.
    logit = 4.24 * 0.95 + 3.83 * 0.05 - 0.96 * np.log(2) + 0.35 * 1.52 - 0.45
    assert fits["law"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    assert fits["music"] < 0.02
    both = applies("law and music", "law", "music")
    assert 0.1 < both["law"] == both["music"] < fits["law"]
    # More labels, and none that fits.
    assert applies("law", "law", "music", "cars", "taxes")["law"] < fits["law"]
    assert max(applies("poetry", "law", "music").values()) < 0.5
    assert applies("law", "law")["law"] > 0.9


def test_what_a_text_has_in_common_with_every_label_counts_for_none() -> None:
    class Verbose(OneHot):
        """A part that long texts have in common with all labels, as static embeddings of frequent words are."""

        def forward(self, batch: Sequence[Window]) -> Any:
            words = [[1.0 if "This is" in window.tokens else float("the" in window.tokens)] for window in batch]
            vectors = np.hstack([super().forward(batch), np.asarray(words, dtype=np.float32)])
            return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)

    (short,) = classify(Verbose(), ["law"], labels=[("law", None), ("music", None)], many=True)
    (long,) = classify(Verbose(), ["the law"], labels=[("law", None), ("music", None)], many=True)
    (other,) = classify(Verbose(), ["the end"], labels=[("law", None), ("music", None)], many=True)
    assert long["law"] > 0.5 > long["music"]
    assert short["law"] > 0.5 > max(other.values())
    (nothing,) = classify(Verbose(), ["end"], labels=[("law", None), ("music", None)], many=True)
    assert other == pytest.approx(nothing, abs=1e-4)


def test_a_model_that_finds_all_labels_alike_gives_the_same_probabilities() -> None:
    class Alike(OneHot):
        """The same cosines of texts and labels, and a part in common that labels have with each other only."""

        def forward(self, batch: Sequence[Window]) -> Any:
            vectors = super().forward(batch)
            asked = np.asarray([[float(window.tokens.startswith("This is"))] for window in batch], dtype=np.float32)
            vectors = np.hstack([vectors, np.float32(2) * asked])
            return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)

    labels = [("law", None), ("music", None)]
    for text in ("law", "law and music", "poetry"):
        (plain,), (alike,) = (classify(model(), [text], labels=labels, many=True) for model in (OneHot, Alike))
        assert alike == pytest.approx(plain, abs=0.01)


def test_no_label_of_an_embedding_model_where_none_applies() -> None:
    labels = [("law", None), ("music", None)]
    for text, none in (("law", False), ("poetry", True)):
        (found,) = classify(OneHot(), [text], labels=labels, allow_none=True)
        assert list(found) == ["law", "music", abstention.NONE]
        assert abstention.is_none(found) == none
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    (tags,) = classify(OneHot(), ["law"], labels=labels, allow_none=True, many=True)
    assert list(tags) == ["law", "music"]


def test_a_model_that_tells_nothing_apart_has_no_scale() -> None:
    class Same(EchoEngine):
        def forward(self, batch: Sequence[Window]) -> Any:
            return np.ones((len(batch), 4), dtype=np.float32) / 2

    (found,) = classify(Same(), ["x"], labels=[("a", None), ("b", None)], many=True)
    assert found["a"] == found["b"]
    assert 0 < found["a"] < 1


def test_the_wording_of_the_question_varies() -> None:
    model = EchoEngine()
    labels = [("sea", None), ("land", None)]
    for variant in range(3):
        classify(model, ["text"], labels=labels, variant=variant)
    asked = [text for text in model.read if re.search(r"\bsea\b", text) and "sonnets" not in text]
    assert asked == ["This is an example of sea.", "This text is about sea.", "sea"]


def test_labels_are_embedded_once_for_a_model() -> None:
    model = EchoEngine()
    for _ in range(2):
        classify(model, ["text"], labels=[("one", None), ("two", None)])
    assert sum("one" in text for text in model.read) == 1


def test_an_inference_model_reads_a_text_once_for_each_label() -> None:
    inference = EchoEngine("classification", {"entailment": [0, 2]})
    assert classification.weight(inference, {"labels": [("a", None), ("b", None)]}) == 2
    assert classification.weight(EchoEngine(), {"labels": [("a", None)]}) == 1


def test_likeness_is_the_cosine_with_each_label() -> None:
    model = EchoEngine()
    options = {"labels": [("red rose", None), ("blue", "sky")]}
    (found,) = [json.loads(result) for result in run(label_similarity.prepare(model, ["rose red"], options), model)]
    assert found[0] == pytest.approx(1.0, abs=1e-4)
    expected = float(np.dot(vector("rose red"), vector("blue: sky")))
    assert found[1] == pytest.approx(expected, abs=1e-4)


class Tagger(EchoEngine):
    """Tags words by a dictionary; windows of three words overlap by one."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__("entities", {"labels": ["PER", "LOC"], "tags": bio_tags.tags(["PER", "LOC"])})
        self.words = words

    def encode(self, texts: Sequence[Any], overlap: int = 0) -> list[list[Window]]:
        return [self._windows(text) for text in texts]

    def _windows(self, text: str) -> list[Window]:
        spans, start = [], 0
        for word in text.split():
            start = text.index(word, start)
            # As SentencePiece does: the space before a word belongs to it.
            spans.append((max(start - 1, 0), start + len(word)))
            start += len(word)
        return [
            Window([text[first:last].strip() for first, last in part], len(part), part)
            for part in (spans[at : at + 3] for at in range(0, max(len(spans) - 1, 1), 2))
        ]

    def forward(self, batch: Sequence[Window]) -> Any:
        tags = self.details["tags"]
        return [
            np.asarray([[9.0 * (tag == self.words.get(word, "O")) for tag in tags] for word in w.tokens]) for w in batch
        ]


def test_words_are_tagged_across_windows() -> None:
    model = Tagger({"Ada": "B-PER", "Lovelace": "I-PER", "London": "B-LOC"})
    text = "We met Ada Lovelace in London"
    (result,) = run(entities.prepare(model, [text], {"labels": None}), model)
    assert [(label, text[start:end]) for label, start, end, _ in json.loads(result)] == [
        ("PER", "Ada Lovelace"),
        ("LOC", "London"),
    ]
    (result,) = run(entities.prepare(model, [text], {"labels": [("LOC", None)]}), model)
    ((label, start, end, score),) = json.loads(result)
    assert (label, text[start:end]) == ("LOC", "London")
    assert 0.99 < score <= 1


@pytest.mark.parametrize(("scheme", "entity"), [(None, "Lovelace"), ("IOB2", "Ada Lovelace")])
def test_no_entity_of_a_model_that_was_trained_here_begins_in_its_middle(scheme: str | None, entity: str) -> None:
    model = Tagger({"Lovelace": "I-PER"})
    model.details["tag_scheme"] = scheme
    # The first word is hardly more probable to be none than to begin a name.
    scores = np.asarray([[2.0, 1.9, 0.0, 0.0, 0.0], [0.0, 0.0, 9.0, 0.0, 0.0]])
    model.forward = lambda batch: [scores]
    (result,) = run(entities.prepare(model, ["Ada Lovelace"], {"labels": None}), model)
    assert [[label, "Ada Lovelace"[start:end]] for label, start, end, _ in json.loads(result)] == [["PER", entity]]


def test_a_model_that_gives_entities_itself_is_believed() -> None:
    model = EchoEngine("entities", {"labels": ["PER"]}, lambda text: [("PER", 0, 3, 0.5), ("ORG", 4, 7, 0.9)])
    (result,) = run(entities.prepare(model, ["Ada ACM"], {"labels": None}), model)
    assert json.loads(result) == [["PER", 0, 3, 0.5]]
