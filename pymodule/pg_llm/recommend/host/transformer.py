"""A causal transformer over sequences of items, with an item's text beside its own vector.

SASRec (Kang and McAuley 2018) with the cross-entropy over all items, or over a sample of them that stands for all. An
item without events is known by its text alone, so each item's own vector is left out now and then in training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

# Items up to which every step compares with all of them; beyond, with so many that are drawn.
_ALL_ITEMS = 20_000
_DRAWN = 8_192
_TEXT_ALONE = 0.1
# Places of sequences that are compared with the drawn items at once.
_PART = 128
# Sequences that are encoded at once where nothing is learnt.
_AT_ONCE = 256


class Body(nn.Module):
    """Item vectors (batch, length, dimensions), right-aligned, to what comes after the last: (batch, dimensions)."""

    def __init__(self, dimensions: int, layers: int, heads: int, length: int, dropout: float) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(length, dimensions) * 0.02)
        self.blocks = nn.ModuleList(_Block(dimensions, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dimensions)
        self.dropout = nn.Dropout(dropout)

    def every(self, vectors: Tensor, present: Tensor) -> Tensor:
        """What comes after each item: (batch, length, dimensions); `present` is 1 where there is an item, else 0."""
        length = vectors.shape[1]
        hidden = self.dropout(vectors + self.place[-length:])
        # Each item sees itself and what came before.
        later = torch.triu(torch.full((length, length), -1e9, device=vectors.device), 1)
        mask = later + (1 - present)[:, None, None, :] * -1e9
        for block in self.blocks:
            hidden = block(hidden, mask)
        found: Tensor = self.norm(hidden)
        return found

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """What comes after the last item."""
        return self.every(vectors, present)[:, -1]


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
        seen = self.dropout(scores.softmax(-1)) @ value
        hidden = hidden + self.dropout(self.out(seen.transpose(1, 2).reshape(batch, length, dimensions)))
        wide = functional.gelu(self.wide(self.second(hidden)))
        found: Tensor = hidden + self.dropout(self.narrow(wide))
        return found


class Network(nn.Module):
    """Vectors of all items, and the body; `texts` is (items, width), zero where an item has no text."""

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
        """The vectors of all items, (items, dimensions); the own part only of those that are known."""
        found: Tensor = self.own * known[:, None] + self.read(self.texts)
        return found

    @property
    def sampled(self) -> bool:
        """Whether a step sees only the items that it needs."""
        return len(self.own) > _ALL_ITEMS

    def loss(self, sequences: Sequence[Any], weights: Sequence[Any], known: Tensor) -> Tensor:
        """Mean cross-entropy of each next item, over the known ones."""
        ids, present = padded([each[:-1] for each in sequences], self.device)
        # Both are padded alike, so that each place holds the item after it.
        wanted = torch.from_numpy(np.concatenate([each[1:] for each in sequences])).to(self.device)
        weight = torch.from_numpy(np.concatenate([each[1:] for each in weights])).to(self.device, torch.float32)
        if self.sampled:
            losses = self._sampled(ids, present, wanted, known)
        else:
            vectors = self.items(known * self._shown(len(known)))
            after = self.body.every(functional.embedding(ids, vectors), present)[present > 0]
            # In place: each copy of this many numbers costs as much as the product.
            logits = (after @ vectors.T).add_(self.bias).masked_fill_(known == 0, -1e9)
            losses = functional.cross_entropy(logits, wanted, reduction="none")
        return (losses * weight).sum() / weight.sum()

    def _shown(self, items: int) -> Tensor:
        return torch.rand(items, device=self.device) >= _TEXT_ALONE

    def _sampled(self, ids: Tensor, present: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
        """Beside the wanted items those that are drawn; only their rows have gradients."""
        candidates = known.nonzero()[:, 0]
        drawn = candidates[torch.randint(len(candidates), (_DRAWN,), device=self.device)]
        needed, place = torch.unique(torch.cat([ids.flatten(), wanted, drawn]), return_inverse=True)
        own = functional.embedding(needed, self.own, sparse=True)
        vectors = own * (known[needed] * self._shown(len(needed)))[:, None] + self.read(self.texts[needed])
        bias = torch.gather(self.bias, 0, needed, sparse_grad=True)
        before, right, others = place.split([ids.numel(), len(wanted), len(drawn)])
        after = self.body.every(functional.embedding(before.view(ids.shape), vectors), present)[present > 0]
        true = (after * vectors[right]).sum(-1) + bias[right]
        # Each drawn item stands for as many as it was drawn from, the wanted one for itself.
        worth = bias[others] + math.log(len(candidates) / _DRAWN)
        false: Tensor = _Drawn.apply(after, vectors[others], worth, wanted, drawn)  # type: ignore[no-untyped-call]  # torch's own lacks types
        losses: Tensor = torch.logaddexp(true, false) - true
        return losses

    @torch.no_grad()
    def scores(self, sequences: Sequence[Any], known: Tensor) -> Any:
        """Of every item after each sequence: float32, (sequences, items)."""
        self.eval()
        vectors = self.items(known)
        found = []
        for start in range(0, len(sequences), _AT_ONCE):
            ids, present = padded([each[-self.length :] for each in sequences[start : start + _AT_ONCE]], self.device)
            found.append((self.body(functional.embedding(ids, vectors), present) @ vectors.T).add_(self.biases(known)))
        return torch.cat([each.cpu() for each in found]).numpy()

    @torch.no_grad()
    def biases(self, known: Tensor) -> Tensor:
        """How frequent each item is beyond what its vector says; an unknown one is like the average."""
        mean = (self.bias * known).sum() / known.sum()
        return torch.where(known > 0, self.bias, mean)


class _Drawn(torch.autograd.Function):
    """Log of the summed likelihood of the drawn items, without the wanted one where it is among them: (places,).

    In parts that stay in the processor's cache, computed again on the way back.
    """

    @staticmethod
    def forward(ctx: Any, after: Tensor, vectors: Tensor, worth: Tensor, wanted: Tensor, drawn: Tensor) -> Tensor:
        found = torch.cat(
            [
                _likely(part, vectors, worth, own, drawn).logsumexp(1)
                for part, own in zip(*_parts(after, wanted), strict=True)
            ]
        )
        ctx.save_for_backward(after, vectors, worth, wanted, drawn, found)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        after, vectors, worth, wanted, drawn, found = ctx.saved_tensors
        of_after, of_vectors, of_worth = [], torch.zeros_like(vectors), torch.zeros_like(worth)
        for part, own, total, share in zip(*_parts(after, wanted, found, gradient), strict=True):
            likely = _likely(part, vectors, worth, own, drawn).sub_(total[:, None]).exp_().mul_(share[:, None])
            of_after.append(likely @ vectors)
            of_vectors.addmm_(likely.T, part)
            of_worth += likely.sum(0)
        return torch.cat(of_after), of_vectors, of_worth, None, None


def _parts(*given: Tensor) -> Iterator[Sequence[Tensor]]:
    return (each.split(_PART) for each in given)  # type: ignore[no-untyped-call]  # torch's own lacks types


def _likely(after: Tensor, vectors: Tensor, worth: Tensor, wanted: Tensor, drawn: Tensor) -> Tensor:
    found = torch.addmm(worth, after, vectors.T)
    twice = torch.isin(wanted, drawn).nonzero()[:, 0]
    found[twice] = found[twice].masked_fill(drawn == wanted[twice, None], -1e9)
    return found


def padded(sequences: Sequence[Any], device: Any) -> tuple[Tensor, Tensor]:
    """Item numbers, right-aligned, and where there are any."""
    longest = max(len(each) for each in sequences)
    ids = np.zeros((len(sequences), longest), dtype=np.int64)
    present = np.zeros((len(sequences), longest), dtype=np.float32)
    for row, each in enumerate(sequences):
        ids[row, longest - len(each) :] = each
        present[row, longest - len(each) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(present).to(device)


def windows(sequences: Sequence[Any], length: int, random: np.random.Generator) -> Iterator[tuple[int, int, int]]:
    """Pieces of length + 1 items at most, as sequence, start and end; where long ones are cut changes every time."""
    for number, sequence in enumerate(sequences):
        size = len(sequence)
        end = size
        if size > length + 1:
            cut = size - int(random.integers(0, length))
            if cut < size:
                yield number, max(0, size - length - 1), size
            end = cut
        while end > 1:
            yield number, max(0, end - length - 1), end
            end -= length


class Optimizer:
    """Adam; where a step sees only some items, it moves no others."""

    def __init__(self, network: Network, rate: float) -> None:
        self._parameters = list(network.parameters())
        rows = [network.own, network.bias] if network.sampled else []
        others = [each for each in self._parameters if all(each is not row for row in rows)]
        self._parts: list[Any] = [torch.optim.Adam(others, rate)]
        if rows:
            self._parts.append(torch.optim.SparseAdam(rows, rate))

    def step(self, loss: Tensor) -> None:
        """One step down, clipped to a norm of 1."""
        for part in self._parts:
            part.zero_grad()
        torch.autograd.backward(loss)
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        if len(self._parts) == 1:
            nn.utils.clip_grad_norm_(self._parameters, 1.0)
        else:
            # clip_grad_norm_ takes no sparse gradients.
            norm = float(torch.stack([each.norm() for each in gradients]).norm())
            for each in gradients if norm > 1 else ():
                each.mul_(1 / norm)
        for part in self._parts:
            part.step()


def epoch(
    network: Network,
    optimizer: Optimizer,
    sequences: Sequence[Any],
    weights: Sequence[Any],
    known: Tensor,
    size: int,
    random: np.random.Generator,
) -> Iterator[float]:
    """Learn from every sequence once; gives the loss of each step."""
    network.train()
    pieces = list(windows(sequences, network.length, random))
    order = random.permutation(len(pieces))
    for start in range(0, len(order), size):
        chosen = [pieces[place] for place in order[start : start + size]]
        loss = network.loss(
            [sequences[number][begin:end] for number, begin, end in chosen],
            [weights[number][begin:end] for number, begin, end in chosen],
            known,
        )
        optimizer.step(loss)
        yield float(loss.detach())
