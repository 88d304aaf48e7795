"""A causal transformer over sequences of items, with an item's text beside its own vector.

SASRec (Kang and McAuley 2018) with the cross-entropy over all items, or over a sample that estimates it (sampled
softmax). An item without events is known by its text alone, so each item's own vector is dropped at times in training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Up to so many items the softmax is over all of them; beyond, over so many negatives that are sampled.
_MAX_FULL_SOFTMAX = 20_000
_NEGATIVES = 8_192
# Probability that a training step drops an item's own vector.
_TEXT_ONLY = 0.1
# Positions that are compared with the negatives at once.
_CHUNK = 128
# Sequences that are encoded at once for scoring.
_BATCH = 256


class Body(nn.Module):
    """Item vectors (batch, length, dimensions), right-aligned, to the vector of the next item: (batch, dimensions)."""

    def __init__(self, dimensions: int, layers: int, heads: int, length: int, dropout: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(length, dimensions) * 0.02)
        self.blocks = nn.ModuleList(_Block(dimensions, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dimensions)
        self.dropout = nn.Dropout(dropout)

    def every_position(self, vectors: Tensor, present: Tensor) -> Tensor:
        """The next item's vector at each position: (batch, length, dimensions); `present` is 1 for an item, else 0."""
        length = vectors.shape[1]
        hidden = self.dropout(vectors + self.place[-length:])
        # Causal: each position attends to itself and to earlier ones.
        later = torch.triu(torch.full((length, length), -1e9, device=vectors.device), 1)
        mask = later + (1 - present)[:, None, None, :] * -1e9
        for block in self.blocks:
            hidden = block(hidden, mask)
        normalized: Tensor = self.norm(hidden)
        return normalized

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """The vector of the item after the last."""
        return self.every_position(vectors, present)[:, -1]


class _Block(nn.Module):
    def __init__(self, dimensions: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(dimensions), nn.LayerNorm(dimensions)
        self.mix = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)
        self.wide, self.narrow = nn.Linear(dimensions, 4 * dimensions), nn.Linear(4 * dimensions, dimensions)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        batch, length, dimensions = hidden.shape
        parts = self.mix(self.first(hidden)).view(batch, length, 3, self.heads, dimensions // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) / math.sqrt(dimensions // self.heads) + mask
        attended = self.dropout(scores.softmax(-1)) @ value
        hidden = hidden + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, dimensions)))
        wide = functional.gelu(self.wide(self.second(hidden)))
        output: Tensor = hidden + self.dropout(self.narrow(wide))
        return output


class Network(nn.Module):
    """Vectors of all items, and the body; `texts` is (items, width), zero where an item has no text.

    The names of parameters are those in the files of trained recommenders.
    """

    def __init__(self, items: int, texts: Tensor, options: dict[str, Any]) -> None:
        super().__init__()
        dimensions = options["dimensions"]
        self.length: int = options["max_length"]
        self.own = nn.Parameter(torch.randn(items, dimensions) * 0.02)
        self.bias = nn.Parameter(torch.zeros(items))
        self.read = nn.Linear(texts.shape[1], dimensions, bias=False)
        nn.init.normal_(self.read.weight, std=0.02)
        self.body = Body(dimensions, options["layers"], options["heads"], self.length, options["dropout"])
        self.texts = texts
        self.device = texts.device

    def items(self, known: Tensor) -> Tensor:
        """The vectors of all items, (items, dimensions); only known ones, which have events, have an own part."""
        vectors: Tensor = self.own * known[:, None] + self.read(self.texts)
        return vectors

    @property
    def sampled(self) -> bool:
        """Whether the loss is a sampled softmax."""
        return len(self.own) > _MAX_FULL_SOFTMAX

    def loss(self, sequences: Sequence[Any], weights: Sequence[Any], known: Tensor) -> Tensor:
        """Mean cross-entropy of each next item, over the known ones."""
        ids, present = pad([sequence[:-1] for sequence in sequences], self.device)
        # In the order of the positions that are present.
        targets = torch.from_numpy(np.concatenate([sequence[1:] for sequence in sequences])).to(self.device)
        weight = torch.from_numpy(np.concatenate([sequence[1:] for sequence in weights])).to(self.device, torch.float32)
        if self.sampled:
            losses = self._sampled_losses(ids, present, targets, known)
        else:
            vectors = self.items(known * self._own_mask(len(known)))
            next_vectors = self.body.every_position(functional.embedding(ids, vectors), present)[present > 0]
            # In place, as each copy of so large a matrix costs as much as the product.
            logits = (next_vectors @ vectors.T).add_(self.bias).masked_fill_(known == 0, -1e9)
            losses = functional.cross_entropy(logits, targets, reduction="none")
        return (losses * weight).sum() / weight.sum()

    def _own_mask(self, items: int) -> Tensor:
        return torch.rand(items, device=self.device) >= _TEXT_ONLY

    def _sampled_losses(self, ids: Tensor, present: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Cross-entropy against sampled negatives; only the rows of items that occur have gradients."""
        candidates = known.nonzero()[:, 0]
        negatives = candidates[torch.randint(len(candidates), (_NEGATIVES,), device=self.device)]
        needed, position = torch.unique(torch.cat([ids.flatten(), targets, negatives]), return_inverse=True)
        own = functional.embedding(needed, self.own, sparse=True)
        vectors = own * (known[needed] * self._own_mask(len(needed)))[:, None] + self.read(self.texts[needed])
        bias = torch.gather(self.bias, 0, needed, sparse_grad=True)
        inputs, right, others = position.split([ids.numel(), len(targets), len(negatives)])
        input_vectors = functional.embedding(inputs.view(ids.shape), vectors)
        next_vectors = self.body.every_position(input_vectors, present)[present > 0]
        positive = (next_vectors * vectors[right]).sum(-1) + bias[right]
        # Each negative stands for as many items as it was drawn from, the target for itself.
        corrected_bias = bias[others] + math.log(len(candidates) / _NEGATIVES)
        negative: Tensor = _NegativeLogSumExp.apply(next_vectors, vectors[others], corrected_bias, targets, negatives)  # type: ignore[no-untyped-call]  # torch's own lacks types
        losses: Tensor = torch.logaddexp(positive, negative) - positive
        return losses

    @torch.no_grad()
    def scores(self, sequences: Sequence[Any], known: Any) -> Any:
        """The logit of every item after each sequence: float32, (sequences, items)."""
        self.eval()
        known = torch.as_tensor(known, dtype=torch.float32, device=self.device)
        vectors = self.items(known)
        logits = []
        for start in range(0, len(sequences), _BATCH):
            ids, present = pad(
                [sequence[-self.length :] for sequence in sequences[start : start + _BATCH]], self.device
            )
            next_vectors = self.body(functional.embedding(ids, vectors), present)
            logits.append((next_vectors @ vectors.T).add_(self.biases(known)))
        return torch.cat([batch.cpu() for batch in logits]).numpy()

    @torch.no_grad()
    def biases(self, known: Tensor) -> Tensor:
        """The bias of each item, by its frequency; unknown items have the mean."""
        mean = (self.bias * known).sum() / known.sum()
        return torch.where(known > 0, self.bias, mean)


class _NegativeLogSumExp(torch.autograd.Function):
    """Log-sum-exp of the negatives' logits, without the target where it is among them: (positions,).

    In chunks that stay in the processor's cache, computed again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        summed = torch.cat(
            [
                _negative_logits(chunk, vectors, bias, own, negatives).logsumexp(1)
                for chunk, own in zip(*_chunks(inputs, targets), strict=True)
            ]
        )
        ctx.save_for_backward(inputs, vectors, bias, targets, negatives, summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, vectors, bias, targets, negatives, summed = ctx.saved_tensors
        of_inputs, of_vectors, of_bias = [], torch.zeros_like(vectors), torch.zeros_like(bias)
        for chunk, own, total, share in zip(*_chunks(inputs, targets, summed, gradient), strict=True):
            logits = _negative_logits(chunk, vectors, bias, own, negatives)
            softmax = logits.sub_(total[:, None]).exp_().mul_(share[:, None])
            of_inputs.append(softmax @ vectors)
            of_vectors.addmm_(softmax.T, chunk)
            of_bias += softmax.sum(0)
        return torch.cat(of_inputs), of_vectors, of_bias, None, None


def _chunks(*tensors: Tensor) -> Iterator[Sequence[Tensor]]:
    return (tensor.split(_CHUNK) for tensor in tensors)  # type: ignore[no-untyped-call]  # torch's own lacks types


def _negative_logits(inputs: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
    logits = torch.addmm(bias, inputs, vectors.T)
    collisions = torch.isin(targets, negatives).nonzero()[:, 0]
    logits[collisions] = logits[collisions].masked_fill(negatives == targets[collisions, None], -1e9)
    return logits


def pad(sequences: Sequence[Any], device: Any) -> tuple[Tensor, Tensor]:
    """Item numbers, right-aligned, and 1 where there is an item."""
    longest = max(len(sequence) for sequence in sequences)
    ids = np.zeros((len(sequences), longest), dtype=np.int64)
    present = np.zeros((len(sequences), longest), dtype=np.float32)
    for row, sequence in enumerate(sequences):
        ids[row, longest - len(sequence) :] = sequence
        present[row, longest - len(sequence) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(present).to(device)


def windows(sequences: Sequence[Any], length: int, random: np.random.Generator) -> Iterator[tuple[int, int, int]]:
    """Windows of at most length + 1 items, as sequence, start and end; long sequences are split at random places."""
    for number, sequence in enumerate(sequences):
        size = len(sequence)
        end = size
        if size > length + 1:
            split = size - int(random.integers(0, length))
            if split < size:
                yield number, max(0, size - length - 1), size
            end = split
        while end > 1:
            yield number, max(0, end - length - 1), end
            end -= length


class Optimizer:
    """Adam, sparse for the item vectors of a sampled softmax: a step leaves items that do not occur unchanged."""

    def __init__(self, network: Network, rate: float) -> None:
        self._parameters = list(network.parameters())
        rows = [network.own, network.bias] if network.sampled else []
        dense = [parameter for parameter in self._parameters if all(parameter is not row for row in rows)]
        self._optimizers: list[Any] = [torch.optim.Adam(dense, rate)]
        if rows:
            self._optimizers.append(torch.optim.SparseAdam(rows, rate))

    def step(self, loss: Tensor) -> None:
        """One step of gradient descent; the gradient is clipped to a norm of 1."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        torch.autograd.backward(loss)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if len(self._optimizers) == 1:
            nn.utils.clip_grad_norm_(self._parameters, 1.0)
        else:
            # clip_grad_norm_ takes no sparse gradients.
            norm = float(torch.stack([gradient.norm() for gradient in gradients]).norm())
            for gradient in gradients if norm > 1 else ():
                gradient.mul_(1 / norm)
        for optimizer in self._optimizers:
            optimizer.step()


def epoch(
    network: Network,
    optimizer: Optimizer,
    sequences: Sequence[Any],
    weights: Sequence[Any],
    known: Tensor,
    size: int,
    random: np.random.Generator,
) -> Iterator[float]:
    """One pass over all sequences in batches of `size`; gives the loss of each step."""
    network.train()
    all_windows = list(windows(sequences, network.length, random))
    order = random.permutation(len(all_windows))
    for first in range(0, len(order), size):
        batch = [all_windows[number] for number in order[first : first + size]]
        loss = network.loss(
            [sequences[number][start:end] for number, start, end in batch],
            [weights[number][start:end] for number, start, end in batch],
            known,
        )
        optimizer.step(loss)
        yield float(loss.detach())
