"""Integrated gradients of a transformer (Sundararajan, Taly and Yan 2017), in the Captum library.

Along a straight line from padding to a text's word vectors; position, special tokens and mask stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients

from pg_llm.errors import Error
from pg_llm.models import loading
from pg_llm.models.head import HeadModel
from pg_llm.models.spec import ModelSpec
from pg_llm.models.torch import TorchModel

# Points on the line; doubled until the sum is as near to the score's change as that, a share of it.
_STEPS, _MOST_STEPS = 32, 256
TOLERANCE = 0.05
# Points that are read at once.
_BATCH = 8

_loaded: dict[str, Any] = {}


def attribute(spec: dict[str, Any], text: str, label: str | None, query: str | None) -> dict[str, Any]:
    """What the task's result says: of a classifier the windows are averaged, of texts compared the first one counts."""
    model = _load(ModelSpec.from_wire(spec))
    encoder: TorchModel = _loaded["encoder"]
    encoding = encoder.tokenizer.encode(text)
    parts = [encoding, *encoding.overflowing][: None if query is None else 1]
    windows = encoder.encode([text])[0][: len(parts)]
    score = _score(model, encoder, windows, label, query)
    tokens: list[tuple[int, int, float]] = []
    residual = 0.0
    for window, part in zip(windows, parts, strict=True):
        values, error = _of_window(encoder, score, window, special=part.special_tokens_mask)
        residual += error / len(parts)
        for (start, end), special, value in zip(part.offsets, part.special_tokens_mask, values, strict=True):
            if special:
                residual += value / len(parts)
            else:
                tokens.append((start, end, value / len(parts)))
    return {"method": "integrated_gradients", "tokens": tokens, "residual": residual}


def _load(spec: ModelSpec) -> Any:
    """The model, run by torch in the weights that it was trained with; one stays loaded."""
    if _loaded.get("key") != spec.key:
        _loaded.clear()

        def by_torch(each: ModelSpec) -> Any:
            options = {name: value for name, value in each.options.items() if name != "precision"}
            # The host may hold the GPU's memory.
            model = loading.load(replace(each, options={**options, "engine": "torch", "device": "cpu"}), 0, by_torch)
            if isinstance(model, TorchModel):
                _loaded["encoder"] = model
            return model

        _loaded["model"] = by_torch(spec)
        _loaded["key"] = spec.key
    if "encoder" not in _loaded:
        raise Error(f'model "{spec.name}" is not run by torch')
    return _loaded["model"]


def _score(model: Any, encoder: TorchModel, windows: Any, label: str | None, query: str | None) -> Any:
    """A function of the network's outputs for some texts: the score of each."""
    if query is not None:
        (first, *_) = encoder.encode([query])[0]
        wanted = torch.from_numpy(encoder.forward([first])[0])
        return lambda outputs: outputs @ wanted
    layer, bias = None, None
    if isinstance(model, HeadModel):
        layer, bias = (torch.from_numpy(np.asarray(part, dtype=np.float32)) for part in (model.weights, model.bias))

    def logits(outputs: torch.Tensor) -> torch.Tensor:
        return outputs if layer is None or bias is None else outputs @ layer.T + bias

    with torch.no_grad():
        mean = logits(torch.from_numpy(encoder.forward(windows))).mean(dim=0)
    column = int(mean.argmax()) if label is None else model.details["labels"].index(label)
    of_several = not model.details.get("multi_label")
    return lambda outputs: logits(outputs)[:, column] - (logits(outputs).mean(dim=1) if of_several else 0)


def _of_window(encoder: TorchModel, score: Any, window: Any, special: list[int]) -> tuple[list[float], float]:
    """The attribution of each token, and by how much all together fail to be the score less that of the baseline."""
    inputs = encoder.padded([window])
    names = encoder.network.meta.inputs
    ids = inputs[names.index("input_ids")]
    others = tuple(each for name, each in zip(names, inputs, strict=True) if name != "input_ids")
    padding = torch.full_like(ids, encoder.network.meta.pad_id)
    baseline = torch.where(torch.tensor([special], dtype=torch.bool), ids, padding)

    def forward(tokens: torch.Tensor, *rest: torch.Tensor) -> Any:
        given = iter(rest)
        return score(encoder.network(*(tokens if name == "input_ids" else next(given) for name in names)))

    gradients = LayerIntegratedGradients(forward, encoder.network.word_embeddings())
    with torch.no_grad():
        change = float(forward(ids, *others) - forward(baseline, *others))
    steps = _STEPS
    while True:
        found = gradients.attribute(
            ids, baselines=baseline, additional_forward_args=others, n_steps=steps, internal_batch_size=_BATCH
        )
        values = found[0].sum(dim=-1).detach().double().tolist()
        error = change - sum(values)
        if abs(error) <= TOLERANCE * max(abs(change), 0.1) or steps >= _MOST_STEPS:
            return values, error
        steps *= 2
