"""Low-rank adapters of an encoder that many models share (LoRA: Hu and others 2021), as peft writes them.

The encoder is in memory once. What each model has of its own are two narrow matrices for each of the encoder's layers,
which go into every run beside the texts, and the layers after the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from safetensors.numpy import load_file

from pg_llm.errors import InvalidModel
from pg_llm.models.bert import adapter_inputs
from pg_llm.models.engine import Engine, Text, Window
from pg_llm.models.labels import label_details
from pg_llm.models.spec import ModelSpec
from pg_llm.models.tokens import Tokenization

_PREFIX = "base_model.model."
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


class AdaptedEncoder(Engine, Protocol):
    """An encoder whose graph has adapters among its inputs."""

    def limited(self, max_tokens: int) -> Tokenization:
        """Its tokenization, truncated at so many tokens."""
        ...

    def run(self, batch: Sequence[Window], others: Any) -> Any:
        """The states of the tokens of each window, with these adapters."""
        ...


class AdapterModel:
    """`forward` gives logits, of each token where `task` is `entities`; the encoder is fetched for every batch."""

    def __init__(self, folder: Path, task: str, encoder: ModelSpec, get: Callable[[ModelSpec], Engine]) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        adapters = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = {
            name.removeprefix(_PREFIX).removeprefix("bert."): array.astype(np.float32)
            for name, array in load_file(folder / "adapter_model.safetensors").items()
        }
        self.task = task
        self.details = label_details(task, config)
        self.bytes = sum(array.nbytes for array in tensors.values())
        self._max_tokens = int(config["max_tokens"])
        self._adapters = _inputs(tensors, adapters["lora_alpha"] / adapters["r"])
        self._layers = [
            (tensors[f"{name}.weight"].T, tensors[f"{name}.bias"])
            for name in ("pooler.dense", "classifier")
            if f"{name}.weight" in tensors
        ]
        if not self._adapters or not self._layers:
            raise InvalidModel("the adapters are not those of a BERT", hint="Train the model again.")
        self._encoder = encoder
        self._get = get
        model = get(encoder)
        self.engine, self.device, self.batch_tokens = model.engine, model.device, model.batch_tokens

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, as the base model's tokenizer cuts them."""
        return self._fetched().limited(self._max_tokens).encode(texts, overlap)

    def forward(self, batch: Sequence[Window]) -> Any:
        """Logits: shape (labels) for each window, or (tokens, tags)."""
        states = self._fetched().run(batch, self._adapters)
        if self.task == "entities":
            return [self._logits(of_window) for of_window in states]
        return self._logits(np.stack([of_window[0] for of_window in states]))

    def _logits(self, states: Any) -> Any:
        """As BERT has it: of a text the pooler's tanh comes before the classifier, of tokens the classifier alone."""
        *poolers, (weights, bias) = self._layers
        for inner, shift in poolers:
            states = np.tanh(states @ inner + shift)
        return states @ weights + bias

    def _fetched(self) -> AdaptedEncoder:
        return cast(AdaptedEncoder, self._get(self._encoder))


def _inputs(tensors: dict[str, Any], scale: float) -> dict[str, Any]:
    """The matrices of the adapters by the names of the graph's inputs."""
    found = {}
    for name in tensors:
        if name.endswith(_DOWN):
            layer = name.removesuffix(_DOWN)
            down, up = adapter_inputs(layer)
            found[down] = np.ascontiguousarray(tensors[name].T)
            found[up] = np.ascontiguousarray(scale * tensors[f"{layer}{_UP}"].T, dtype=np.float32)
    return found
