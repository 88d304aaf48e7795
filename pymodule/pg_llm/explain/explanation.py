"""Feature attribution: how much each word of a text adds to a model's score, so that the sum is the score's change.

Exact contributions where the score is a linear function of the words' vectors, integrated gradients (Sundararajan,
Taly and Yan 2017) of transformers, and leave-one-out occlusion (Zeiler and Fergus 2014) of any other model.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pg_llm.arguments import Label
from pg_llm.classify import entities, scoring
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.explain import occlusion, words
from pg_llm.explain.words import Span

AUTO, LINEAR, GRADIENTS, OCCLUSION = "auto", "linear", "integrated_gradients", "occlusion"
METHODS = (AUTO, LINEAR, GRADIENTS, OCCLUSION)
# Occlusion holds a copy of the text for each word, or run of words, that is left out.
_LONGEST = 100_000


class Attribution(NamedTuple):
    """What a word adds to the score; positions count from 1, the end is excluded.

    Without a word and a place: what belongs to no word, so that the sum is the score less that of the baseline.
    """

    token: str | None
    start_pos: int | None
    end_pos: int | None
    attribution: float
    method: str


def find_model(db: Connection, name: str | None) -> Model:
    """The model that is explained. Raises UndefinedModel and InvalidInput."""
    return models.find(db, name, "classification", (*scoring.MODELS, "entities"))


def explain(
    db: Connection,
    input: str | None,
    model: str | None,
    target: str | None,
    labels: Sequence[Label] | None,
    method: str,
) -> list[Attribution]:
    """The words in their order and, last, the rest; nothing for a text that is NULL or blank."""
    found = find_model(db, model)
    if found.task != "entities":
        _check(found, target, labels)
    if input is None or scoring.is_blank(input):
        return []
    if found.task == "entities":
        return _of_entity(db, found, input, target, labels, method)
    if method != OCCLUSION:
        answer = _of_model(found, input, target, labels, method)
        if "tokens" in answer:
            return _rows(input, answer["tokens"], answer["residual"], answer["method"])
        if method != AUTO:
            raise InvalidInput(
                f'model "{found.name}" cannot be explained by {method}: {answer["reason"]}',
                hint="method => 'occlusion' explains any model.",
            )
    ask = _similarity(found, str(target)) if _compares(found, labels) else _probability(db, found, target, labels)
    return _by_occlusion(input, ask)


def _by_occlusion(text: str, ask: occlusion.Ask, kept: Span = (0, 0)) -> list[Attribution]:
    if len(text) > _LONGEST:
        raise InvalidInput(
            f"by occlusion texts of {_LONGEST:,} characters at most are explained", hint="Explain a part of the text."
        )
    effects, residual = occlusion.effects(text, ask, kept)
    return _rows(text, [(*span, value) for span, value in effects], residual, OCCLUSION, [span for span, _ in effects])


def _of_entity(
    db: Connection, model: Model, text: str, target: str | None, labels: Sequence[Label] | None, method: str
) -> list[Attribution]:
    """What the other words add to the score of an entity: the first with the target's words, or the surest one."""
    if method not in (AUTO, OCCLUSION):
        raise InvalidInput(
            f'model "{model.name}" cannot be explained by {method}: it finds entities',
            hint="method => 'occlusion' explains any model.",
        )
    (found,) = entities.find(db, model, [text], labels)
    named = [each for each in found if target in (None, text[each[1] : each[2]])]
    if not named:
        if target is None:
            return []
        others = dict.fromkeys(text[start:end] for _, start, end, _ in found[:20])
        raise InvalidInput(
            f'model "{model.name}" finds no entity "{target}" in the text',
            hint=f"It finds: {', '.join(others)}." if others else "It finds none.",
        )
    label, start, end, _ = named[0] if target else max(named, key=lambda entity: entity[3] or 0)
    words_of_it = text[start:end]

    def ask(texts: Sequence[str]) -> list[float]:
        return [
            max(
                (score or 1.0 for kind, at, to, score in each if kind == label and one[at:to] == words_of_it), default=0
            )
            for one, each in zip(texts, entities.find(db, model, texts, labels), strict=True)
        ]

    return _by_occlusion(text, ask, (start, end))


def _check(model: Model, target: str | None, labels: Sequence[Label] | None) -> None:
    if _compares(model, labels):
        if target is None:
            raise InvalidInput(
                f'model "{model.name}" compares texts, and there is nothing to compare with',
                hint="Give target => the text that the input is like, such as a query, or labels => '{…}'.",
            )
        return
    known = model.labels if labels is None else [name for name, _ in labels]
    if not known:
        raise InvalidInput(
            f'model "{model.name}" has no labels of its own, so labels must be given',
            hint="Write labels => '{complaint,praise}', or name a model that llm_fit() made.",
        )
    if target is not None and target not in known:
        raise InvalidInput(f'there is no label "{target}"', hint=f"Labels are: {', '.join(known[:20])}.")


def _compares(model: Model, labels: Sequence[Label] | None) -> bool:
    """Whether the score is the similarity of two texts."""
    return model.task == "embedding" and labels is None


def _of_model(
    model: Model, input: str, target: str | None, labels: Sequence[Label] | None, method: str
) -> dict[str, Any]:
    """What the model's own parts say: tokens with their contributions and a residual, or a reason why they do not."""
    if labels is not None or model.task == "generation":
        return {"reason": "it is asked about labels in words"}
    compares = _compares(model, labels)
    options = {"query": target if compares else None, "label": None if compares else target}
    (result,) = model.run("attribution", [input], **options, method=method, spec=model.wire)
    return dict(json.loads(result))


def _rows(
    text: str,
    tokens: Iterable[tuple[int, int, float]],
    residual: float,
    method: str,
    units: Sequence[Span] | None = None,
) -> list[Attribution]:
    """Tokens summed to the words that they begin in; what stands in none goes to the rest."""
    spans = words.spans(text) if units is None else units
    starts = [start for start, _ in spans]
    sums = [0.0] * len(spans)
    for start, _, value in tokens:
        place = bisect.bisect_right(starts, start) - 1
        if place >= 0 and start < spans[place][1]:
            sums[place] += value
        else:
            residual += value
    rows = [
        Attribution(text[start:end], start + 1, end + 1, value, method)
        for (start, end), value in zip(spans, sums, strict=True)
    ]
    return [*rows, Attribution(None, None, None, residual, method)]


def _similarity(model: Model, query: str) -> occlusion.Ask:
    def ask(texts: Sequence[str]) -> list[float]:
        from pg_llm import vectors

        wanted, *found = model.run("embedding", [query, *texts])
        return [vectors.cosine(wanted, vector) for vector in found]

    return ask


def _probability(db: Connection, model: Model, target: str | None, labels: Sequence[Label] | None) -> occlusion.Ask:
    classifier = scoring.Classifier(db, model.name, scoring.Candidates(labels), multi_label=False)

    def ask(texts: Sequence[str]) -> list[float]:
        scores = [found or {} for found in classifier.scores(texts)]
        label = scoring.best(scores[0]) if target is None else target
        return [found.get(label, 0.0) for found in scores]

    return ask
