"""Supervised contrastive learning (Khosla 2020) of a sentence encoder: texts of one label come near each other.

A head on such an encoder needs few labelled texts, as SetFit (Tunstall 2022) has it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import bfloat16

# Texts of a step at most; with fewer each step sees all.
_BATCH = 64
_STEPS = 40
_LEARNING_RATE = 5e-5
_WARMUP = 0.1
_TEMPERATURE = 0.1


def tune(folder: Path, examples: Sequence[Example], seed: int, report: Report) -> SentenceTransformer:
    """The encoder in the folder, trained so that texts of the same label have similar embeddings."""
    torch.manual_seed(seed)
    model = SentenceTransformer(
        str(folder), trust_remote_code=False, local_files_only=True, model_kwargs={"use_safetensors": True}
    )
    labels = [example.truth for example in examples]
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)
    warmup = max(1, round(_WARMUP * _STEPS))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (_STEPS - step) / (_STEPS - warmup))
    )
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    for step, batch in enumerate(_batches(labels, seed)):
        report("training", step, _STEPS)
        classes = torch.tensor([numbers[labels[row]] for row in batch], device=model.device)
        optimizer.zero_grad()
        _loss(_embed(model, [examples[row] for row in batch]), classes).backward()  # type: ignore[no-untyped-call]  # of torch
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    report("training", _STEPS, _STEPS)
    return model.eval()


def vectors(model: SentenceTransformer, examples: Sequence[Example]) -> Any:
    """The embeddings of the texts: unit vectors, an array of rows x dimensions."""
    with torch.inference_mode():
        parts = [_embed(model, examples[start : start + _BATCH]) for start in range(0, len(examples), _BATCH)]
        return torch.cat(parts).cpu().double().numpy()


def _embed(model: SentenceTransformer, examples: Sequence[Example]) -> torch.Tensor:
    features = batch_to_device(model.preprocess([example.text for example in examples]), model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16.is_native()):
        embeddings = model(features)["sentence_embedding"]
    return torch.nn.functional.normalize(embeddings.float(), dim=-1)


def _batches(labels: Sequence[str], seed: int) -> Iterator[list[int]]:
    """Rows of each step, of every label as many as of any other where there are more than a step takes."""
    if len(labels) <= _BATCH:
        yield from (list(range(len(labels))) for _ in range(_STEPS))
        return
    generator = random.Random(seed)  # noqa: S311 - not for secrets
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label].append(row)
    for _ in range(_STEPS):
        share = max(2, _BATCH // len(rows))
        chosen = generator.sample(sorted(rows), min(len(rows), _BATCH // 2))
        yield [row for label in chosen for row in generator.sample(rows[label], min(share, len(rows[label])))]


def _loss(vectors: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """For each text the mean, over the others of its label, of minus the log probability to be drawn by similarity."""
    itself = torch.eye(len(classes), dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.T / _TEMPERATURE).masked_fill(itself, -1e9)
    positives = (classes[:, None] == classes[None, :]) & ~itself
    log_probabilities = torch.log_softmax(logits, dim=1)
    # A text that is alone with its label has nothing to come near to.
    paired = positives.any(dim=1)
    means = (log_probabilities * positives).sum(dim=1)[paired] / positives.sum(dim=1)[paired]
    return -means.sum() / max(int(paired.sum()), 1)
