"""Knowledge distillation (Hinton, Vinyals and Dean 2015) of a transformer into one of fewer or narrower layers.

The student is the teacher with layers left out (Sajjad and others 2023) or with the least of its feed-forward neurons
removed (structured magnitude pruning: Han and others 2015), and then learns what the teacher makes of texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pg_llm.errors import InvalidInput
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import bfloat16

_BATCH: Final = 32
_LEARNING_RATE: Final = 2e-4
_WARMUP: Final = 0.1
# A pass over fewer texts is repeated until there are so many steps.
_LEAST_STEPS: Final = 100
_LONGEST: Final = 256


class Student:
    """A copy of a transformer that embeds or classifies, to be made smaller and trained."""

    def __init__(self, folder: Path, task: str) -> None:
        self._task = task
        common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        if task == "embedding":
            kwargs = {"use_safetensors": True, "dtype": torch.float32}
            self._whole: Any = SentenceTransformer(str(folder), device="cpu", model_kwargs=kwargs, **common)
            self._network = self._whole[0].auto_model
            self._tokenizer = self._whole.tokenizer
            longest = int(self._whole.max_seq_length or _LONGEST)
        else:
            self._whole = self._network = AutoModelForSequenceClassification.from_pretrained(
                str(folder), use_safetensors=True, dtype=torch.float32, **common
            )
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), **common)
            longest = int(self._tokenizer.model_max_length)
        self._longest = min(longest, _LONGEST)
        self._stack = _stack(self._network)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self._stack)

    def keep_layers(self, count: int) -> None:
        """Leave out all layers but so many, the last and others at equal distances before it."""
        kept = sorted({round(place) for place in np.linspace(len(self._stack) - 1, 0, count)}) if count > 1 else [0]
        for number in reversed(range(len(self._stack))):
            if number not in kept:
                del self._stack[number]
        self._network.config.num_hidden_layers = len(kept)

    def prune(self, share: float) -> None:
        """Remove this share of the feed-forward neurons of each layer, those whose weights are the least."""
        for layer in self._stack:
            first, second = _feed_forward(layer)
            importance = first.weight.norm(dim=1) * second.weight.norm(dim=0)
            kept = importance.topk(max(1, round(len(importance) * (1 - share)))).indices.sort().values
            with torch.no_grad():
                first.weight = torch.nn.Parameter(first.weight[kept].clone())
                first.bias = torch.nn.Parameter(first.bias[kept].clone())
                second.weight = torch.nn.Parameter(second.weight[:, kept].clone())
            first.out_features = second.in_features = len(kept)
        self._network.config.intermediate_size = len(kept)

    def learn(self, texts: Sequence[str], targets: Any, epochs: int, seed: int, report: Report) -> None:
        """Learn the teacher's unit vectors, or its probabilities, of the texts: an array with a row for each."""
        torch.manual_seed(seed)
        generator = np.random.default_rng(seed)
        epochs = max(epochs, math.ceil(_LEAST_STEPS * _BATCH / len(texts)))
        batches = [batch for _ in range(epochs) for batch in _batches(texts, generator)]
        wanted = torch.from_numpy(np.asarray(targets, dtype=np.float32))
        # The teacher's vectors of words suit the student, and are most of its weights.
        self._network.get_input_embeddings().requires_grad_(False)
        learning = [weight for weight in self._whole.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=_LEARNING_RATE, weight_decay=0.01)
        warmup = max(1, round(_WARMUP * len(batches)))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warmup, (len(batches) - step) / max(len(batches) - warmup, 1))
        )
        self._whole.train()
        for step, batch in enumerate(batches):
            report("distilling", step, len(batches))
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16.is_native()):
                output = self._output([texts[place] for place in batch])
            self._loss(output.float(), wanted[batch]).backward()  # type: ignore[no-untyped-call]  # of torch
            torch.nn.utils.clip_grad_norm_(learning, 1.0)
            optimizer.step()
            schedule.step()
        self._whole.eval()
        report("distilling", len(batches), len(batches))

    def save(self, folder: Path) -> None:
        """Configuration, tokenizer and safetensors, as the teacher has them."""
        if self._task == "embedding":
            self._whole.save(str(folder), create_model_card=False)
            return
        self._whole.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    def _output(self, texts: Sequence[str]) -> torch.Tensor:
        inputs = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        if self._task == "embedding":
            embedded: torch.Tensor = self._whole(dict(inputs))["sentence_embedding"]
            return torch.nn.functional.normalize(embedded.float(), dim=-1)
        logits: torch.Tensor = self._whole(**inputs).logits
        return logits

    def _loss(self, output: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if self._task == "embedding":
            return (1 - (output * wanted).sum(dim=1)).mean()
        if self._network.config.problem_type == "multi_label_classification":
            return torch.nn.functional.binary_cross_entropy_with_logits(output, wanted)
        return torch.nn.functional.cross_entropy(output, wanted)


def _stack(network: Any) -> Any:
    """The layers of an encoder. Raises InvalidInput where it is not known how to leave some out."""
    encoder = getattr(network, "base_model", network)
    for outer in ("encoder", "transformer"):
        stack = getattr(getattr(encoder, outer, None), "layer", None)
        if isinstance(stack, torch.nn.ModuleList):
            return stack
    raise InvalidInput(
        "the layers of the base model are of a kind that none can be left out of",
        hint="Use the method static, int8 or int4.",
    )


def _feed_forward(layer: Any) -> tuple[Any, Any]:
    """The two linear layers of a layer's feed-forward part, as BERT has them."""
    first = getattr(getattr(layer, "intermediate", None), "dense", None)
    second = getattr(getattr(layer, "output", None), "dense", None)
    if not isinstance(first, torch.nn.Linear) or not isinstance(second, torch.nn.Linear):
        raise InvalidInput(
            "the base model has no feed-forward layers as BERT has them", hint="Use the method layers or distill."
        )
    return first, second


def _batches(texts: Sequence[str], generator: Any) -> list[list[int]]:
    """All texts in batches of about the same length, in random order."""
    lengths = np.array([len(text) for text in texts]) * generator.uniform(0.9, 1.1, len(texts))
    order = np.argsort(lengths)
    batches = [order[start : start + _BATCH].tolist() for start in range(0, len(order), _BATCH)]
    return [batches[place] for place in generator.permutation(len(batches))]
